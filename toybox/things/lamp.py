"""A table lamp, mostly lit."""

from toybox.brush import Brush, ramp
from toybox.palette import darker, lighter
from toybox.shapes import box, ellipse, line, path, stroke
from toybox.taste import Taste


def paint(brush: Brush, taste: Taste) -> None:
    shade = taste.paint("marigold", "coral", "teal", "rose", "cream", "sky", "grass", "plum", "butter")
    foot = taste.paint("brass", "chocolate", "teal", "royal", "tomato", "cream", "forest", apart_from=shade)
    lit = taste.chance(0.7)
    narrow, wide = taste.between(0.26, 0.42), taste.between(0.66, 0.78)
    low = taste.between(0.02, 0.12)
    brush.fill(stroke(line((0, 0.1), (0, 0.9)), 0.1), taste.paint("brass", "silver", "tan"), puff=0.05, gloss=0.6)
    if taste.choice(True, False):
        vase = path("""
            M -0.1 0.22 C -0.12 0.36 -0.36 0.44 -0.34 0.66 C -0.33 0.84 -0.2 0.92 -0.16 0.94
            L 0.16 0.94 C 0.2 0.92 0.33 0.84 0.34 0.66 C 0.36 0.44 0.12 0.36 0.1 0.22 Z
        """)
        mask = brush.fill(vase, foot, puff=0.22, gloss=0.6)
        brush.fill(box(-1, 0.56, 1, 0.66), lighter(foot, 0.4), within=mask, puff=0.04, outline=0.25, shadow=0.1)
    else:
        for y, r in ((0.3, 0.13), (0.5, 0.17)):
            brush.fill(ellipse(0, y, r, r * 0.8), foot, puff=0.12, gloss=0.6)
    brush.fill(box(-0.38, 0.82, 0.38, 0.97, 0.08), darker(foot, 0.15), puff=0.08, gloss=0.5)
    if lit:
        brush.fill(ellipse(0, low + 0.1, 0.12, 0.13), lighter(shade, 0.95), puff=0.1, outline=0.15, gloss=0.2)
    body = path(f"""
        M {-narrow} -0.84 Q 0 -0.9 {narrow} -0.84 Q {narrow + 0.08} -0.4 {wide} {low}
        Q 0 {low + 0.14} {-wide} {low} Q {-narrow - 0.08} -0.4 {-narrow} -0.84 Z
    """)
    glow = lighter(shade, 0.75 if lit else 0.15)

    def warm(u, v):
        return ramp(1 - (u**2 * 1.3 + (v - low) ** 2 * 1.1), 0.1, 1.0)

    mask = brush.fill(body, shade, puff=0.2, gloss=0.1, pattern=warm, second=glow)
    ornament = taste.choice("pleats", "hem", "dots")
    if ornament == "pleats":
        pleats = [stroke(line((k * narrow / 3.4, -0.9), (k * wide / 3.4, low + 0.1)), 0.02) for k in range(-3, 4)]
        brush.tint(pleats, darker(shade, 0.5), 0.5, mask)
    elif ornament == "dots":
        places = [((k + row % 2 / 2) * (0.2 + 0.07 * row), 0.26 * row - 0.62) for row in range(3) for k in range(-3, 4)]
        dots = [ellipse(x, y, 0.055) for x, y in places]
        brush.tint(dots, darker(shade, 0.35) if lit else lighter(shade, 0.7), 0.8, mask)
    trim = darker(shade, 0.3)
    hem = path(f"M -1 {low - 0.1} Q 0 {low + 0.04} 1 {low - 0.1} L 1 {low + 0.02} Q 0 {low + 0.15} -1 {low + 0.02} Z")
    brush.fill(hem, trim, within=mask, puff=0.04, outline=0.25, shadow=0.1)
    brush.fill(box(-narrow, -0.9, narrow, -0.79, 0.03), trim, within=mask, puff=0.04, outline=0.25, shadow=0.1)
    brush.fill(ellipse(0, -0.91, 0.07), foot, puff=0.06, gloss=0.5)
