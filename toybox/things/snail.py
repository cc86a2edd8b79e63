"""A snail with a coiled shell, creeping to the left."""

import numpy as np

from toybox.brush import Brush, ramp
from toybox.palette import CHARCOAL, darker, lighter
from toybox.shapes import ellipse, path, smooth, stroke
from toybox.taste import Taste


def paint(brush: Brush, taste: Taste) -> None:
    shell = taste.paint("coral", "tangerine", "teal", "royal", "plum", "tomato", "chocolate", "marigold", "grass")
    coil = taste.paint("cream", "butter", "chocolate", "marigold", "indigo", "rose", apart_from=shell)
    flesh = taste.paint("butter", "tan", "cream", "lime", "rose", "mint", apart_from=shell)
    for x, y in ((-0.58, -0.62), (-0.88, -0.56)):
        stalk = smooth([(-0.66, 0.1), ((x - 0.66) / 2 + 0.02, -0.25), (x, y)], closed=False)
        brush.fill(stroke(stalk, 0.1, 0.06), flesh, puff=0.05)
        brush.fill(ellipse(x, y, 0.095), lighter(flesh, 0.85), puff=0.07, gloss=0.3)
        brush.fill(ellipse(x - 0.02, y + 0.005, 0.05), CHARCOAL * 0.5, puff=0.03, gloss=0, outline=0, shadow=0)
    foot = path("""
        M -0.5 0.78 C -0.86 0.74 -0.98 0.36 -0.9 0.12 C -0.84 -0.08 -0.54 -0.1 -0.46 0.12
        C -0.4 0.32 -0.36 0.36 0.1 0.36 C 0.56 0.4 0.84 0.66 0.98 0.8 Q 0.98 0.86 0.9 0.86
        L -0.4 0.86 Q -0.5 0.86 -0.5 0.78 Z
    """)
    mask = brush.fill(foot, flesh, puff=0.18, gloss=0.35)
    brush.tint(path("M -1 0.86 L 1 0.86 L 1 0.77 Q 0 0.72 -1 0.74 Z"), darker(flesh, 0.4), 0.5, mask, soft=0.02)
    brush.tint(stroke(smooth([(-0.87, 0.34), (-0.78, 0.4), (-0.68, 0.36)], closed=False), 0.04), CHARCOAL, 0.7, mask)
    brush.tint(ellipse(-0.62, 0.32, 0.07), np.array([0.93, 0.5, 0.47], np.float32), 0.5, mask, soft=0.03)
    x, y, r = 0.17, 0.0, taste.between(0.56, 0.62)
    turns = taste.between(2.0, 2.6)

    def spiral(u, v):
        radius = np.hypot(u - x, v - y) / r
        angle = np.arctan2(v - y, u - x) / (2 * np.pi)
        return ramp(np.abs((radius**0.8 * turns - angle + 0.1) % 1 - 0.5), 0.20, 0.30)

    brush.fill(ellipse(x, y, r), shell, puff=0.42, gloss=0.5, pattern=spiral, second=coil)
