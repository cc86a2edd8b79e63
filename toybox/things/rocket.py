"""A rocket with a porthole, three fins and a flame."""

from toybox.brush import Brush
from toybox.palette import CHARCOAL, PAINTS, darker, lighter
from toybox.shapes import box, ellipse, mirrored, path
from toybox.taste import Taste


def paint(brush: Brush, taste: Taste) -> None:
    skin = taste.paint("cream", "cream", "silver", "sky", "mint", "coral", "butter", "royal")
    trim = taste.paint("tomato", "tangerine", "royal", "teal", "plum", "grass", apart_from=skin)
    fat = taste.between(0.3, 0.38)
    if taste.chance(0.75):
        for size, paint_name in ((1.0, "tomato"), (0.72, "marigold"), (0.42, "cream")):
            flame = path(f"""
                M {-0.2 * size} 0.55
                C {-0.3 * size} 0.72 -0.06 {0.55 + 0.3 * size} 0 {0.56 + 0.44 * size}
                C 0.06 {0.55 + 0.3 * size} {0.3 * size} 0.72 {0.2 * size} 0.55 Z
            """)
            brush.fill(flame, PAINTS[paint_name], puff=0.06, gloss=0, outline=0.12, shadow=0)
    fin = path(f"""
        M {fat - 0.08} 0.02 C {fat + 0.26} 0.12 {fat + 0.36} 0.4 {fat + 0.3} 0.74
        C {fat + 0.18} 0.58 {fat} 0.5 {fat - 0.16} 0.5 Z
    """)
    for part in (fin, mirrored(fin)):
        brush.fill(part, trim, puff=0.1, gloss=0.35)
    brush.fill(box(-0.18, 0.46, 0.18, 0.63, 0.04), darker(CHARCOAL, 0.1), puff=0.06, gloss=0.4)
    body = path(f"""
        M 0 -0.98 C {fat * 0.7} -0.72 {fat + 0.06} -0.38 {fat + 0.02} 0
        C {fat} 0.3 {fat - 0.08} 0.5 {fat - 0.12} 0.55 L {0.12 - fat} 0.55
        C {0.08 - fat} 0.5 {-fat} 0.3 {-fat - 0.02} 0
        C {-fat - 0.06} -0.38 {-fat * 0.7} -0.72 0 -0.98 Z
    """)
    mask = brush.fill(body, skin, puff=0.26, gloss=0.45)
    nose = path("M -1 -1.1 L 1 -1.1 L 1 -0.56 Q 0 -0.44 -1 -0.56 Z")
    brush.fill(nose, trim, within=mask, puff=0.18, gloss=0.5, outline=0.35, shadow=0.15)
    if taste.chance(0.7):
        hem = path("M -1 0.3 Q 0 0.42 1 0.3 L 1 0.42 Q 0 0.54 -1 0.42 Z")
        brush.fill(hem, trim, within=mask, puff=0.06, gloss=0.3, outline=0.3, shadow=0.1)
    glass = taste.paint("sky", "royal", "teal", "indigo", apart_from=skin)
    for y, r in ((-0.2, 0.17), (0.16, 0.11)) if taste.chance(0.45) else ((-0.12, 0.19),):
        brush.fill(ellipse(0, y, r + 0.05), lighter(trim, 0.15), puff=0.05, gloss=0.5)
        brush.fill(ellipse(0, y, r - 0.025), darker(glass, 0.2), puff=0.05, gloss=0.1, shadow=0)
        shine = path(f"""
            M {-0.75 * r} {y + 0.2 * r} Q {-0.6 * r} {y - 0.6 * r} {0.15 * r} {y - 0.75 * r}
            Q {-0.3 * r} {y - 0.2 * r} {-0.75 * r} {y + 0.2 * r} Z
        """)
        brush.tint(shine, lighter(glass, 0.8), 0.8)
    fin_front = path("M -0.055 0.2 Q 0 0.12 0.055 0.2 L 0.06 0.72 Q 0 0.8 -0.06 0.72 Z")
    brush.fill(fin_front, darker(trim, 0.08), puff=0.06, gloss=0.35)
