"""Whether a process's memory grows is told from its weights, over a warm-up, noise and single peaks."""

import pytest

from tests.services.memory_usage import Weights

HOUR = [10.0 * n for n in range(361)]


def figures(megabytes):
    return Weights(HOUR, [megabytes(second) for second in HOUR]).figures()


@pytest.mark.parametrize(
    ("megabytes", "flat"),
    [
        (lambda s: 90.0, True),
        (lambda s: 90 + s % 3, True),
        # Loading takes ten minutes.
        (lambda s: 90 + min(s, 600), True),
        (lambda s: 90 if s != 1800 else 400, True),
        (lambda s: 90 + 20 * s / 3600, False),
        (lambda s: 700 + 60 * s / 3600, False),
        # By steps, as allocators grow.
        (lambda s: 90 + 8 * (s // 1200), False),
    ],
)
def test_growth_is_told_from_a_warm_up_and_from_noise(megabytes, flat):
    assert figures(megabytes)["flat"] is flat


def test_the_slope_is_of_what_comes_after_the_warm_up():
    found = figures(lambda s: 50 if s < 600 else 100 + 6 * s / 3600)
    assert found["mb_an_hour"] == pytest.approx(6, abs=0.1)
    assert found["end_mb"] - found["start_mb"] == pytest.approx(4.1, abs=0.3)
