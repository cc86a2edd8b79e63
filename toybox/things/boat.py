"""A sailing boat with two sails and a pennant."""

from toybox.brush import Brush
from toybox.palette import CREAM, darker, lighter
from toybox.patterns import stripes
from toybox.shapes import box, ellipse, line, path, stroke
from toybox.taste import Taste


def paint(brush: Brush, taste: Taste) -> None:
    hull = taste.paint("tomato", "royal", "teal", "tan", "forest", "tangerine", "indigo", "chocolate")
    sail = taste.paint("cream", "cream", "butter", "mint", "coral", "sky", apart_from=hull)
    trim = taste.paint("tomato", "marigold", "royal", "grass", "cream", apart_from=sail)
    wood = taste.paint("tan", "chocolate")
    lift = taste.between(-0.06, 0.06)
    brush.fill(stroke(line((0.02, -0.94), (0.02, 0.42)), 0.075, 0.09), wood, puff=0.04)
    pennant = path("M 0.04 -0.98 Q 0.2 -1.02 0.4 -0.88 Q 0.2 -0.84 0.04 -0.78 Z")
    brush.fill(pennant, trim, puff=0.05, shadow=0)
    striped = taste.choice("plain", "stripes", "sun")
    stripe = stripes(taste.between(13, 19)) if striped == "stripes" else None
    main = path("M 0.09 -0.78 C 0.5 -0.5 0.74 -0.05 0.78 0.3 Q 0.42 0.36 0.09 0.3 Z")
    jib = path(f"M -0.05 {-0.7 + lift} C -0.2 -0.3 -0.42 0.06 -0.74 0.27 Q -0.36 0.35 -0.05 0.3 Z")
    brush.fill(jib, lighter(sail, 0.15) if striped == "stripes" else trim, puff=0.14, gloss=0.1)
    mask = brush.fill(main, sail, puff=0.16, gloss=0.1, pattern=stripe, second=trim)
    if striped == "sun":
        brush.fill(ellipse(0.36, 0.0, 0.15), trim, within=mask, puff=0.05, gloss=0.1, outline=0.2, shadow=0.1)
    body = path("""
        M -0.94 0.38 Q -0.5 0.46 0 0.46 Q 0.5 0.46 0.96 0.34 C 0.9 0.66 0.74 0.86 0.5 0.9
        L -0.5 0.9 C -0.72 0.86 -0.88 0.66 -0.94 0.38 Z
    """)
    mask = brush.fill(body, hull, puff=0.2, gloss=0.35)
    rail = path("M -1 0.36 Q -0.5 0.45 0 0.45 Q 0.5 0.45 1 0.32 L 1 0.44 Q 0.5 0.57 0 0.57 Q -0.5 0.57 -1 0.48 Z")
    brush.fill(rail, CREAM, within=mask, puff=0.04, gloss=0.1, outline=0.3, shadow=0.2)
    if taste.chance(0.6):
        for r, tone in ((0.08, darker(hull, 0.5)), (0.055, lighter(CREAM, 0.3))):
            brush.tint([ellipse(x, 0.71, r) for x in (-0.38, 0.0, 0.38)], tone, 1.0, mask)
    else:
        brush.fill(box(-1, 0.74, 1, 1), darker(hull, 0.4), within=mask, puff=0.1, outline=0.2, shadow=0)
