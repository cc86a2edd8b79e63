"""A leaf with its veins: oval, heart-shaped, or lobed like oak or maple."""

import numpy as np

from toybox.brush import Brush
from toybox.palette import PAINTS, darker, lighter
from toybox.shapes import ellipse, line, mirrored, path, smooth, stroke
from toybox.taste import Taste

_MAPLE = path("""
    M 0 -0.96 L 0.13 -0.66 L 0.3 -0.72 L 0.27 -0.36 L 0.48 -0.52 L 0.56 -0.38 L 0.9 -0.36
    L 0.76 -0.12 L 0.88 0.02 L 0.56 0.2 L 0.5 0.36 L 0.16 0.34 L 0 0.38
""")
_OAK = path("""
    M 0 -0.94 L 0.17 -0.86 L 0.2 -0.68 L 0.14 -0.56 L 0.36 -0.52 L 0.42 -0.34 L 0.26 -0.18
    L 0.48 -0.1 L 0.56 0.1 L 0.3 0.22 L 0.38 0.4 L 0.3 0.54 L 0.1 0.56 L 0 0.64
""")


def paint(brush: Brush, taste: Taste) -> None:
    green = taste.paint("grass", "forest", "lime", "teal", "tangerine", "tomato", "marigold", "chocolate", "plum")
    other = taste.choice(lighter(green, 0.25), taste.paint("marigold", "lime", "coral", "grass", apart_from=green))
    vein = lighter(green, 0.6) if taste.chance(0.75) else darker(green, 0.5)
    form = taste.choice("oval", "heart", "oak", "maple")
    stem = smooth([(0, 0.3), (0.02, 0.7), (taste.between(-0.12, 0.12), 0.98)], closed=False)
    brush.fill(stroke(stem, 0.07, 0.09), darker(green, 0.25), puff=0.04)
    if form == "maple":
        right = _MAPLE
        blade, reach = np.concatenate([right, mirrored(right)[::-1][1:-1]]), 0.34
        ribs = [((0, 0.34), (0.62, -0.28)), ((0, 0.34), (0.4, 0.22)), ((0, -0.1), (0.2, -0.5))]
    elif form == "oak":
        right = _OAK
        blade, reach = smooth(np.concatenate([right, mirrored(right)[::-1][1:-1]])), 0.6
        ribs = [((0, -0.4), (0.28, -0.5)), ((0, 0.0), (0.4, -0.08)), ((0, 0.38), (0.26, 0.42))]
    else:
        wide = taste.between(0.46, 0.6) if form == "oval" else taste.between(0.66, 0.74)
        base = 0.62 if form == "oval" else 0.34
        if form == "oval":
            lobe = f"C {wide * 0.9} {base - 0.1} {wide * 1.25} -0.1 {wide * 0.75} -0.42"
        else:
            lobe = f"C 0.1 0.66 {wide} 0.7 {wide} 0.2 C {wide} -0.2 {wide * 0.6} -0.4 {wide * 0.42} -0.58"
        half = path(f"M 0 {base} {lobe} Q {wide * 0.36} -0.78 0 -0.96")
        blade, reach = np.concatenate([half, mirrored(half)[::-1][1:-1]]), base
        ribs = [((0, y), (wide * k, y - 0.3)) for y, k in ((-0.34, 0.5), (-0.06, 0.74), (0.22, 0.8), (0.46, 0.62))]

    def two_tone(u, v):
        return np.clip(u * 40, 0, 1)

    mask = brush.fill(blade, green, puff=0.13, gloss=0.22, pattern=two_tone, second=other)
    courses = [side(line(start, end)) for start, end in ribs for side in (np.asarray, mirrored)]
    brush.tint([stroke(course, 0.045, 0.015) for course in courses], vein, 0.8, mask)
    brush.tint(stroke(line((0, reach), (0, -0.84)), 0.075, 0.02), vein, 0.95, mask)
    if taste.chance(0.18):  # a ladybird
        brush.fill(ellipse(0.2, -0.1, 0.11, 0.09), PAINTS["tomato"], puff=0.08, gloss=0.5)
