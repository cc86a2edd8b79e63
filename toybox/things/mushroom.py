"""A toadstool with spots."""

from toybox.brush import Brush, ramp
from toybox.palette import CREAM, darker, lighter
from toybox.shapes import ellipse, line, path, stroke
from toybox.taste import Taste


def paint(brush: Brush, taste: Taste) -> None:
    cap = taste.paint("tomato", "tomato", "coral", "chocolate", "tan", "plum", "tangerine", "royal", "rose")
    flesh = lighter(taste.paint("cream", "butter", "tan"), 0.3)
    spot = CREAM if taste.chance(0.8) else taste.paint("marigold", "mint", apart_from=cap)
    thin, wide = taste.between(0.2, 0.26), taste.between(0.74, 0.92)
    top, brim = taste.between(-0.86, -0.66), taste.between(0.06, 0.16)

    def earthy(u, v):
        return ramp(v, 0.35, 1.0) * 0.6

    stem = path(f"""
        M {-thin} 0 C {-thin} 0.4 {-thin - 0.16} 0.6 {-thin - 0.12} 0.8 Q {-thin} 0.95 0 0.95
        Q {thin} 0.95 {thin + 0.12} 0.8 C {thin + 0.16} 0.6 {thin} 0.4 {thin} 0 Z
    """)
    brush.fill(stem, flesh, puff=0.2, gloss=0.15, pattern=earthy, second=darker(flesh, 0.3))
    if taste.chance(0.6):
        skirt = path(f"""
            M {-thin - 0.02} 0.24 Q 0 0.32 {thin + 0.02} 0.24 L {thin + 0.15} 0.44
            Q {thin} 0.42 0.12 0.5 Q 0 0.44 -0.12 0.5 Q {-thin} 0.42 {-thin - 0.15} 0.44 Z
        """)
        brush.fill(skirt, lighter(flesh, 0.4), puff=0.06, gloss=0.1)
    under = path(f"M {-wide + 0.03} {brim - 0.06} Q 0 {brim + 0.42} {wide - 0.03} {brim - 0.06} Z")
    gills = brush.fill(under, darker(flesh, 0.12), puff=0.06, gloss=0)
    lamellae = [stroke(line((k * 0.04, brim - 0.1), (k * 0.15, brim + 0.3)), 0.022) for k in range(-6, 7)]
    brush.tint(lamellae, darker(flesh, 0.5), 0.6, gills)
    dome = path(f"""
        M {-wide} {brim}
        C {-wide - 0.06} {0.55 * top} {-0.55 * wide} {top - 0.05} 0 {top - 0.05}
        C {0.55 * wide} {top - 0.05} {wide + 0.06} {0.55 * top} {wide} {brim}
        Q {wide - 0.04} {brim + 0.1} {wide - 0.2} {brim + 0.08}
        Q 0 {brim - 0.04} {0.2 - wide} {brim + 0.08} Q {0.04 - wide} {brim + 0.1} {-wide} {brim}
        Z
    """)
    mask = brush.fill(dome, cap, puff=0.36, gloss=0.45)
    tilt = taste.between(-0.08, 0.08)
    middle = (top + brim) / 2
    spots = (
        (0, -0.1, 0.17),
        (-0.52, 0.1, 0.12),
        (0.5, 0.06, 0.13),
        (-0.27, -0.42, 0.09),
        (0.3, -0.42, 0.1),
        (0.22, 0.26, 0.085),
        (-0.22, 0.29, 0.08),
        (0.76, 0.3, 0.09),
        (-0.78, 0.33, 0.08),
    )
    places = [ellipse((x + tilt) * wide * 1.05, middle + y * (brim - top) * 0.85, r, r * 0.85) for x, y, r in spots]
    brush.fill(places, spot, within=mask, puff=0.07, gloss=0.1, outline=0.3, shadow=0.25)
