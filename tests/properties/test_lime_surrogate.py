"""LIME's linear model, for any masks and scores."""

import numpy as np
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from sklearn.metrics import pairwise_distances

from explainers.lime import fit_surrogate, mask_weights

kernels = st.sampled_from(["lime", "paper"])
widths = st.floats(0.1, 2)


@st.composite
def problems(draw):
    """Masks [n, d], scores [n] that depend on some of the superpixels, and K."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    n, d = draw(st.integers(30, 120)), draw(st.integers(1, 14))
    masks = rng.integers(0, 2, (n, d))
    masks[0] = 1
    if d > 2 and draw(st.booleans()):
        masks[:, -1] = masks[:, 0]  # two superpixels that always come together
    if draw(st.booleans()):
        masks = masks[rng.integers(0, n, n)]  # some masks several times
    scores = masks @ rng.normal(0, 1, d) + rng.normal(0, draw(st.sampled_from([0.01, 0.5])), n)
    assume(np.ptp(scores) > 0)
    return masks, scores, draw(st.integers(1, 16))


@settings(deadline=None, max_examples=60)
@given(problems(), widths, kernels)
def test_weights_depend_on_the_number_of_ones_alone(problem, width, kernel):
    masks, _, _ = problem
    weights = mask_weights(masks, kernel_width=width, kernel=kernel)
    ones = masks.sum(axis=1)
    for count in set(ones.tolist()):
        assert len(set(weights[ones == count].tolist())) == 1
    by_count = mask_weights(np.tri(masks.shape[1]), kernel_width=width, kernel=kernel)
    assert np.all(np.diff(by_count) > 0)
    assert by_count[-1] == 1
    distance = pairwise_distances(masks, np.ones((1, masks.shape[1])), metric="cosine").ravel()
    expected = np.exp(-(distance**2) / ((2 if kernel == "lime" else 1) * width**2))
    assert np.abs(weights - expected).max() < 1e-12


@settings(deadline=None, max_examples=60)
@given(problems(), widths, kernels)
def test_the_model_is_the_weighted_least_squares_fit_on_at_most_k_superpixels(problem, width, kernel):
    masks, scores, k = problem
    fit = fit_surrogate(masks, scores, n_features=k, kernel_width=width, kernel=kernel)
    support = np.flatnonzero(fit.coefficients)
    assert len(support) <= k
    assert 0 <= fit.r2 <= 1 + 1e-12
    weights = mask_weights(masks, kernel_width=width, kernel=kernel)
    residual = scores - fit.intercept - masks @ fit.coefficients
    size = np.abs(scores).sum()
    assert abs(weights @ residual) < 1e-9 * size
    assert np.abs((weights * residual) @ masks[:, support]).max(initial=0) < 1e-9 * size


@settings(deadline=None, max_examples=60)
@given(problems(), st.floats(0.5, 4), st.floats(-2, 2), st.booleans())
def test_scaling_and_shifting_the_scores_scales_the_model(problem, scale, shift, negative):
    masks, scores, k = problem
    scale = -scale if negative else scale
    fit = fit_surrogate(masks, scores, n_features=k)
    other = fit_surrogate(masks, scale * scores + shift, n_features=k)
    assert np.abs(other.coefficients - scale * fit.coefficients).max() < 1e-8
    assert abs(other.intercept - scale * fit.intercept - shift) < 1e-8
    assert abs(other.r2 - fit.r2) < 1e-8


@settings(deadline=None, max_examples=60)
@given(problems(), st.randoms(use_true_random=False))
def test_the_order_of_the_masks_does_not_matter(problem, random):
    masks, scores, k = problem
    rows = list(range(len(masks)))
    random.shuffle(rows)
    fit, other = (fit_surrogate(masks[order], scores[order], n_features=k) for order in (slice(None), rows))
    assert np.abs(other.coefficients - fit.coefficients).max() < 1e-8
