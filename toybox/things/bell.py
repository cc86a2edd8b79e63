"""A hand-polished bell with a clapper, sometimes with a ribbon."""

from toybox.brush import Brush
from toybox.palette import darker, lighter
from toybox.shapes import box, ellipse, mirrored, path, smooth, stroke
from toybox.taste import Taste


def paint(brush: Brush, taste: Taste) -> None:
    metal = taste.paint("gold", "gold", "brass", "copper", "silver", "tomato", "teal")
    trim = taste.paint("tomato", "royal", "grass", "plum", "teal", "rose", apart_from=metal)
    waist, flare = taste.between(0.4, 0.5), taste.between(0.72, 0.8)
    brush.fill(ellipse(0, -0.77, 0.17), darker(metal, 0.1), holes=[ellipse(0, -0.77, 0.075)], puff=0.05, gloss=0.6)
    brush.fill(ellipse(0, 0.74, 0.19), darker(metal, 0.25), puff=0.16, gloss=0.7)
    body = path(f"""
        M 0 -0.66 C {0.3 * waist + 0.2} -0.66 {waist} -0.42 {waist + 0.02} -0.05
        C {waist + 0.04} 0.26 {flare - 0.1} 0.34 {flare} 0.56
        Q {flare + 0.04} 0.7 {flare - 0.1} 0.7 L 0 0.7 L {0.1 - flare} 0.7
        Q {-flare - 0.04} 0.7 {-flare} 0.56
        C {0.1 - flare} 0.34 {-waist - 0.04} 0.26 {-waist - 0.02} -0.05
        C {-waist} -0.42 {-0.3 * waist - 0.2} -0.66 0 -0.66 Z
    """)
    mask = brush.fill(body, metal, puff=0.34, gloss=0.55)
    band = box(-1, 0.46, 1, 0.57)
    brush.fill(band, lighter(metal, 0.3), within=mask, puff=0.05, gloss=0.5, outline=0.35, shadow=0.2)
    if taste.chance(0.5):
        brush.fill(box(-1, -0.2, 1, -0.08), trim, within=mask, puff=0.05, gloss=0.3, outline=0.35, shadow=0.2)
    shine = smooth([(-0.25, -0.42), (-0.3, -0.1), (-0.36, 0.18)], closed=False)
    shine = mirrored(shine) if brush.flip else shine  # light comes from the left in any case
    brush.tint(stroke(shine, 0.08, 0.03), lighter(metal, 0.9), 0.55, mask, soft=0.02)
    if taste.chance(0.55):
        loop = path("M 0 -0.6 C 0.2 -0.98 0.62 -0.92 0.58 -0.62 C 0.54 -0.4 0.2 -0.46 0 -0.6 Z")
        tail = path("M 0 -0.62 L 0.5 -0.3 L 0.32 -0.22 L 0.3 -0.06 L -0.06 -0.55 Z")
        for part in (tail, mirrored(tail), loop, mirrored(loop)):
            brush.fill(part, trim, puff=0.08, gloss=0.25)
        brush.fill(ellipse(0, -0.6, 0.11), lighter(trim, 0.1), puff=0.09, gloss=0.3)
