"""How alike two heat maps of one picture are: rank correlation, SSIM, and their distance.

The sanity check (Adebayo et al. 2018) compares absolute values, since what randomised layers do to a sign means little.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .base import Explanation, HeatMap, MethodError, as_numbers

#: SSIM's window in pixels (Wang et al. 2004 as scikit-image computes it); smaller pictures have a smaller one.
WINDOW = 7


def pixel_values(result: HeatMap | Explanation) -> np.ndarray:
    """A value for each pixel, float64 [h, w]: those of a heat map, or of each pixel its superpixel's weight."""
    if isinstance(result, Explanation):
        return result.coefficients[result.segments].astype(np.float64)
    return result.values.astype(np.float64)


def rank_correlation(one: Any, other: Any, *, absolute: bool = True) -> float:
    """Spearman's rank correlation of two maps [h, w], in [-1, 1]; ties share their mean rank.

    absolute: of the absolute values. 0 where a map is constant, which says nothing of the other one; 1 where both are
    the same. Raises MethodError for maps that do not fit, and for NaN or infinity.
    """
    from scipy.stats import rankdata

    a, b = _pair(one, other, absolute)
    if np.array_equal(a, b):
        return 1.0
    a, b = (rankdata(values) - (values.size + 1) / 2 for values in (a.ravel(), b.ravel()))
    size = float(np.sqrt((a @ a) * (b @ b)))
    return float(a @ b) / size if size else 0.0


def structural_similarity(one: Any, other: Any) -> float:
    """SSIM of the absolute values of two maps [h, w], each divided by its largest; 1 for the same map.

    Raises MethodError as `rank_correlation` does, and for maps of less than 3 pixels a side.
    """
    from skimage.metrics import structural_similarity as ssim

    a, b = _pair(one, other, True)
    window = min(WINDOW, *a.shape)
    window -= window % 2 == 0
    if window < 3:
        raise MethodError(f"SSIM needs maps of at least 3 pixels a side, not {list(a.shape)}")
    a, b = (values / (values.max() or 1.0) for values in (a, b))
    return float(ssim(a, b, win_size=window, data_range=1.0))


def relative_distance(one: Any, other: Any) -> float:
    """‖a − b‖ over the mean of ‖a‖ and ‖b‖: 0 for the same map, √2 for unrelated ones of one size, 2 for opposite ones.

    0 where both are 0. Raises MethodError as `rank_correlation` does.
    """
    a, b = _pair(one, other, False)
    size = (float(np.linalg.norm(a)) + float(np.linalg.norm(b))) / 2
    return float(np.linalg.norm(a - b)) / size if size else 0.0


def _pair(one: Any, other: Any, absolute: bool) -> tuple[np.ndarray, np.ndarray]:
    a, b = as_numbers("values of the map", one), as_numbers("values of the map", other)
    if a.ndim != 2 or not a.size or a.shape != b.shape:
        raise MethodError(f"two maps of one shape [h, w] are compared, not {list(a.shape)} and {list(b.shape)}")
    if not (np.isfinite(a).all() and np.isfinite(b).all()):
        raise MethodError("the map holds NaN or infinity")
    return (np.abs(a), np.abs(b)) if absolute else (a, b)
