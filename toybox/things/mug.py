"""A mug with a handle and something warm in it."""

import numpy as np

from toybox.brush import Brush
from toybox.palette import PAINTS, darker, lighter
from toybox.patterns import stripes
from toybox.shapes import box, ellipse, heart, mirrored, path, star
from toybox.taste import Taste


def paint(brush: Brush, taste: Taste) -> None:
    glaze = taste.paint(
        "tomato", "coral", "marigold", "teal", "sky", "royal", "cream", "mint", "plum", "grass", "charcoal"
    )
    trim = taste.paint("cream", "marigold", "tomato", "teal", "royal", "rose", apart_from=glaze)
    top, base = taste.between(0.54, 0.62), taste.between(0.42, 0.58)
    high = taste.between(0.62, 0.74)
    oval = 0.17
    brush.fill(
        ellipse(top - 0.02, 0.06, 0.4, 0.4), glaze, holes=[ellipse(top - 0.04, 0.06, 0.22, 0.23)], puff=0.09, gloss=0.5
    )
    body = path(f"""
        M {-top} {-high} L {top} {-high} L {base + 0.03} {high - 0.1}
        C {base} {high + 0.14} {-base} {high + 0.14} {-base - 0.03} {high - 0.1} Z
    """)
    ornament = taste.choice("stripes", "dots", "heart", "dip", "star", "plain")
    pattern = None
    if ornament == "stripes":
        pattern = stripes(taste.between(9, 13), curve=0.35)
    elif ornament == "dip":

        def pattern(u, v):
            return np.clip(40 * (v - 0.16 + 0.3 * u**2 + 0.05 * np.sin(13 * u)), 0, 1)

    mask = brush.fill(body, glaze, puff=0.34, gloss=0.4, pattern=pattern, second=trim)
    if ornament == "dots":
        rows = enumerate((-0.22, 0.1, 0.42))
        dots = [ellipse((k + 0.5 * (row % 2)) * 0.27, y, 0.075) for row, y in rows for k in range(-2, 3)]
        brush.tint(dots, trim, 0.92, mask)
    elif ornament == "heart":
        brush.fill(heart(-0.02, 0.08, 0.26), trim, within=mask, puff=0.05, gloss=0.2, outline=0.2, shadow=0.1)
    elif ornament == "star":
        brush.fill(star(-0.02, 0.1, 0.32, 0.15), trim, within=mask, puff=0.05, gloss=0.2, outline=0.2, shadow=0.1)
    brush.fill(ellipse(0, -high, top + 0.02, oval), lighter(glaze, 0.25), puff=0.05, gloss=0.4)
    drink = PAINTS["chocolate"] if taste.chance(0.7) else PAINTS["grass"]
    brush.fill(
        ellipse(0, -high + 0.015, top - 0.07, oval - 0.055),
        darker(drink, 0.25),
        puff=0.02,
        gloss=0.1,
        outline=0.5,
        shadow=0,
    )
    brush.tint(ellipse(-0.12, -high + 0.04, 0.2, 0.045), lighter(drink, 0.5), 0.4, soft=0.015)
    shine = box(-top + 0.13, -high + 0.26, -top + 0.2, high - 0.2, 0.03)
    shine = mirrored(shine) if brush.flip else shine  # light comes from the left in any case
    brush.tint(shine, lighter(glaze, 0.95), 0.4, mask, soft=0.015)
