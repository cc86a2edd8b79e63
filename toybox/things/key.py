"""An old door key: a bow, a stem with a collar, a bit with teeth."""

import numpy as np

from toybox.brush import Brush
from toybox.palette import darker, lighter
from toybox.shapes import box, ellipse, heart, turned
from toybox.taste import Taste


def paint(brush: Brush, taste: Taste) -> None:
    metal = taste.paint("gold", "gold", "silver", "brass", "copper", "steel", "tomato", "teal", "royal")
    trim = taste.choice(lighter(metal, 0.25), darker(metal, 0.3), taste.paint("tomato", "royal", "grass", "plum"))
    bow = taste.choice("ring", "trefoil", "heart", "square")
    thick = taste.between(0.13, 0.17)
    if bow == "ring":
        outer, holes = [ellipse(-0.6, 0, 0.36)], [ellipse(-0.6, 0, 0.2)]
    elif bow == "trefoil":
        places = [(-0.78, 0), (-0.5, -0.23), (-0.5, 0.23)]
        outer, holes = [ellipse(x, y, 0.21) for x, y in places], [ellipse(x, y, 0.1) for x, y in places]
        outer.append(ellipse(-0.55, 0, 0.2))
    elif bow == "heart":
        shape = turned(heart(0, 0, 1.0), -np.pi / 2)
        outer, holes = [shape * 0.4 + np.array((-0.6, 0))], [shape * 0.22 + np.array((-0.62, 0))]
    else:
        outer, holes = (
            [turned(box(-0.3, -0.3, 0.3, 0.3, 0.1), np.pi / 4) + np.array((-0.58, 0))],
            [ellipse(-0.58, 0, 0.17)],
        )
    teeth = taste.choice(
        ((0.56, 0.3), (0.76, 0.22)), ((0.5, 0.2), (0.65, 0.34), (0.8, 0.24)), ((0.6, 0.34), (0.78, 0.34))
    )
    bit = [box(x, 0, x + 0.115, y + thick / 2, 0.02) for x, y in teeth]
    plate = box(teeth[0][0], 0, teeth[-1][0] + 0.115, 0.13 + thick / 2, 0.02)
    stem = box(-0.36, -thick / 2, 0.97, thick / 2, thick / 2)
    brush.fill([*outer, stem, plate, *bit], metal, holes=holes, puff=0.085, gloss=0.7, outline=0.6)
    brush.fill([box(x, -thick * 0.85, x + 0.11, thick * 0.85, 0.05) for x in (-0.2, 0.38)], trim, puff=0.06, gloss=0.6)
    if bow == "ring" and taste.chance(0.4):
        brush.fill(ellipse(-0.94, 0, 0.09), trim, puff=0.08, gloss=0.6)
