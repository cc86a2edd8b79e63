"""An anchor, sometimes with a rope."""

import numpy as np

from toybox.brush import Brush
from toybox.palette import darker, lighter
from toybox.shapes import box, ellipse, mirrored, path, smooth, stroke
from toybox.taste import Taste


def paint(brush: Brush, taste: Taste) -> None:
    iron = taste.paint("royal", "steel", "charcoal", "teal", "tomato", "gold", "indigo", "silver")
    roped = taste.chance(0.55)
    rope = taste.paint("tan", "cream", "butter", apart_from=iron)
    spread, thick = taste.between(0.68, 0.8), taste.between(0.17, 0.22)
    bar = taste.between(0.36, 0.48)
    if roped:
        back = smooth([(0.02, -0.72), (-0.34, -0.55), (-0.36, -0.1), (-0.16, 0.12)], closed=False)
        _rope(brush, back, rope)
    # The flukes: the arms' sickle ends in two barbs.
    depth = 0.9
    arm = path(f"""
        M 0 {depth} C {0.45 * spread} {depth} {spread} 0.62 {spread} 0.16 L {spread + 0.2} 0.34
        L {spread - 0.02} -0.14 L {spread - 0.34} 0.3 L {spread - 0.17} 0.2
        C {spread - 0.2} 0.5 0.3 {depth - 0.22} 0 {depth - 0.24} Z
    """)
    hook = path(f"M -0.16 {depth - 0.16} L 0 {depth + 0.1} L 0.16 {depth - 0.16} Z")
    shank = box(-thick / 2, -0.62, thick / 2, 0.8, 0.05)
    brush.fill([arm, mirrored(arm), hook, shank], iron, puff=0.1, gloss=0.5)
    brush.fill(box(-bar, -0.46, bar, -0.46 + thick * 0.85, 0.08), iron, puff=0.08, gloss=0.5)
    knob = lighter(iron, 0.12)
    brush.fill([ellipse(x, -0.46 + thick * 0.42, thick * 0.58) for x in (-bar, bar)], knob, puff=0.1, gloss=0.6)
    brush.fill(ellipse(0, -0.76, 0.2), iron, holes=[ellipse(0, -0.76, 0.095)], puff=0.06, gloss=0.5)
    if roped:
        front = smooth([(-0.16, 0.12), (0.16, 0.2), (0.36, 0.46), (0.3, 0.76), (0.5, 0.98)], closed=False)
        _rope(brush, front, rope)


def _rope(brush: Brush, course: np.ndarray, paint: np.ndarray) -> None:
    def twist(u, v):
        return 0.5 + 0.5 * np.sin(34 * (u + 0.7 * v))

    brush.fill(stroke(course, 0.115), paint, puff=0.06, gloss=0.1, pattern=twist, second=darker(paint, 0.3))
