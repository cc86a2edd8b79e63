"""A plump fish with scales or bands, facing left."""

import numpy as np

from toybox.brush import Brush, ramp
from toybox.palette import CHARCOAL, darker, lighter, mix
from toybox.shapes import arc, ellipse, path, smooth, stroke
from toybox.taste import Taste


def paint(brush: Brush, taste: Taste) -> None:
    skin = taste.paint("tangerine", "coral", "teal", "sky", "royal", "marigold", "rose", "plum", "grass")
    fin = taste.paint("marigold", "tomato", "coral", "indigo", "teal", "cream", "plum", apart_from=skin)
    deep = taste.between(0.44, 0.58)
    tail = path("""
        M 0.44 0 C 0.6 -0.08 0.76 -0.44 0.98 -0.5 C 0.96 -0.24 0.88 -0.1 0.86 0
        C 0.88 0.12 0.96 0.26 0.98 0.5 C 0.76 0.44 0.6 0.1 0.44 0 Z
    """)
    top = path(f"""
        M -0.3 {-0.7 * deep} C -0.2 {-1.5 * deep} 0.16 {-1.75 * deep} 0.36 {-1.25 * deep}
        C 0.3 {-0.9 * deep} 0.36 -0.2 0.3 -0.2 Z
    """)
    low = path(
        f"M -0.06 {0.8 * deep} C 0 {1.3 * deep} 0.2 {1.5 * deep} 0.34 {1.4 * deep} C 0.3 {deep} 0.32 0.3 0.24 0.2 Z"
    )

    def rays(u, v):
        return 0.5 * ramp(np.sin(30 * np.arctan2(v, u - 0.1)), 0.2, 0.9)

    for part in (tail, top, low):
        brush.fill(part, fin, puff=0.1, gloss=0.2, pattern=rays, second=darker(fin, 0.35))
    body = path(f"""
        M -0.94 0.03 C -0.8 {-0.9 * deep} -0.36 {-1.15 * deep} 0 {-deep}
        C 0.3 {-0.82 * deep} 0.5 -0.16 0.62 -0.1 L 0.62 0.1
        C 0.5 0.16 0.3 {0.82 * deep} 0 {deep} C -0.36 {1.15 * deep} -0.8 {0.9 * deep} -0.94 0.03
        Z
    """)
    belly = mix(lighter(skin, 0.75), fin, 0.1)

    def pale(u, v):
        return ramp(v, -0.05, 0.8 * deep)

    mask = brush.fill(body, skin, puff=0.36, gloss=0.4, pattern=pale, second=belly)
    coat = taste.choice("scales", "bands", "scales", "plain")
    if coat == "scales":
        places = [(-0.18 + 0.17 * row, 0.2 * column + 0.1 * (row % 2)) for row in range(5) for column in range(-3, 4)]
        scales = [stroke(arc(x, y, 0.105, -1.25, 1.25), 0.035) for x, y in places]
        brush.tint(scales, darker(skin, 0.45), 0.55, mask)
    elif coat == "bands":
        brush.tint(path("M -0.22 -1 Q -0.06 0 -0.22 1 L 0 1 Q 0.14 0 0 -1 Z"), lighter(fin, 0.2), 0.85, mask, soft=0.01)
        brush.tint(
            path("M 0.22 -1 Q 0.34 0 0.22 1 L 0.38 1 Q 0.5 0 0.38 -1 Z"), lighter(fin, 0.2), 0.85, mask, soft=0.01
        )
    brush.tint(stroke(arc(-0.66, 0.02, 0.3, -1.0, 1.0), 0.05), darker(skin, 0.5), 0.6, mask)
    side = path("M -0.2 0.1 C -0.06 0.02 0.16 0.1 0.2 0.24 C 0.1 0.38 -0.1 0.36 -0.2 0.2 Z")
    brush.fill(side, fin, puff=0.07, gloss=0.2, pattern=rays, second=darker(fin, 0.3))
    brush.tint(stroke(smooth([(-0.93, 0.1), (-0.82, 0.17), (-0.72, 0.15)], closed=False), 0.045), CHARCOAL, 0.75, mask)
    eye = ellipse(-0.62, -0.14, 0.125)
    brush.fill(eye, lighter(skin, 0.97), puff=0.06, gloss=0.2, shadow=0.25)
    brush.fill(ellipse(-0.64, -0.13, 0.075), CHARCOAL * 0.5, puff=0.05, gloss=0, outline=0, shadow=0)
    brush.tint(ellipse(-0.665, -0.165, 0.03), lighter(skin, 1), 0.95)
