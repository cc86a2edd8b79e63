"""An open umbrella with panels and a crook."""

import itertools

import numpy as np

from toybox.brush import Brush
from toybox.palette import darker, lighter
from toybox.shapes import ellipse, line, path, smooth, stroke
from toybox.taste import Taste


def paint(brush: Brush, taste: Taste) -> None:
    cloth = taste.paint("tomato", "coral", "marigold", "teal", "sky", "royal", "plum", "rose", "grass")
    other = taste.choice(
        lighter(cloth, 0.3), taste.paint("cream", "marigold", "teal", "rose", "indigo", apart_from=cloth)
    )
    wood = taste.paint("chocolate", "tan", "charcoal", "brass")
    wide, top = taste.between(0.86, 0.95), taste.between(-0.82, -0.74)
    hem = taste.between(-0.06, 0.04)
    crook = [(0, 0.6), (0.0, 0.78), (0.1, 0.93), (0.26, 0.9), (0.31, 0.74)]
    brush.fill(
        stroke(line((0, -0.6), (0, 0.62)), 0.065), taste.paint("silver", "brass", "charcoal"), puff=0.04, gloss=0.5
    )
    brush.fill(stroke(smooth(crook, closed=False), 0.12), wood, puff=0.07, gloss=0.4)
    brush.fill(stroke(line((0, top - 0.16), (0, top + 0.05)), 0.06, 0.09), wood, puff=0.04, gloss=0.4)
    # Ribs meet the hem at these places; the hem sags upwards between them.
    places = wide * np.sin(
        np.linspace(-np.pi / 2, np.pi / 2, 7)[[0, 1, 2, 4, 5, 6]] * np.array([1, 0.92, 0.8, 0.8, 0.92, 1])
    )
    gaps = list(itertools.pairwise(places))
    scallops = "".join(f"Q {(a + b) / 2} {hem - 0.22 * (b - a) - 0.02} {a} {hem} " for a, b in reversed(gaps))
    canopy = path(f"""
        M {-wide} {hem} C {-wide} {top + 0.3} {-wide / 2} {top} 0 {top}
        C {wide / 2} {top} {wide} {top + 0.3} {wide} {hem} {scallops}
    """)
    mask = brush.fill(canopy, cloth, puff=0.3, gloss=0.3)
    for a, b in gaps[1::2]:
        panel = path(f"""
            M 0 {top} C {a * 0.62} {top + 0.04} {a} {top + 0.36} {a} {hem + 0.1} L {b} {hem + 0.1}
            C {b} {top + 0.36} {b * 0.62} {top + 0.04} 0 {top} Z
        """)
        brush.fill(panel, other, within=mask, puff=0.24, gloss=0.3, outline=0.2, shadow=0)
    ribs = [path(f"M 0 {top} C {a * 0.62} {top + 0.04} {a} {top + 0.36} {a} {hem + 0.02}") for a in places[1:-1]]
    brush.tint([stroke(rib, 0.025) for rib in ribs], darker(cloth, 0.5), 0.55, mask)
    brush.fill([ellipse(a, hem + 0.01, 0.04) for a in places], lighter(wood, 0.2), puff=0.03, gloss=0.4, shadow=0)
