"""The parts of LIME that are not the network: superpixels at 224 × 224, and the fit.

    python -m benchmarks.lime_parts [--rounds 9] [--threads 2]

Prints one JSON line: seconds of quickshift, SLIC, looking up superpixels in the cache and the fit of 1000 masks,
alternating, medians; and seconds a picture for sixteen pictures whose consumer takes half a second for each, with
quickshift in this process and in one worker process ahead of the consumer.
"""

import time
from collections.abc import Callable

import numpy as np

from benchmarks.measure import alternating, arguments, photograph, tell
from explainers.lime import Lime, fit_surrogate
from explainers.superpixels import Quickshift, Segmenter, Slic

PICTURES, CONSUMER_S = 16, 0.5


def ahead(workers: int) -> float:
    """Seconds a picture, the consumer's own half second taken off."""
    pictures = [np.roll(photograph(), 10 * number, axis=1) for number in range(PICTURES)]
    with Segmenter(workers) as segmenter:
        list(segmenter.segment(pictures[:1], Slic()))  # the worker is up
        start = time.perf_counter()
        for _ in segmenter.segment(pictures, Quickshift()):
            time.sleep(CONSUMER_S)  # a GPU at work: this process waits
        return (time.perf_counter() - start) / PICTURES - CONSUMER_S


def main() -> None:
    given = arguments(__doc__, rounds=9)
    picture, segmenter = photograph(), Segmenter(cache={})
    (segments,) = segmenter.segment([picture], Quickshift())
    masks = Lime().masks(segments.max() + 1, seed=1).numpy()
    scores = masks @ np.random.default_rng(0).random(masks.shape[1])
    sides: dict[str, Callable[[], object]] = {
        "quickshift": lambda: Quickshift().segment(picture),
        "slic": lambda: Slic().segment(picture),
        "cached": lambda: next(segmenter.segment([picture], Quickshift())),
        "fit": lambda: fit_surrogate(masks, scores, n_features=16),
    }
    figures = {**alternating(sides, given.rounds), "waiting": ahead(0), "waiting_with_a_worker": ahead(1)}
    tell("lime_parts", given, **{f"{name}_s": round(value, 4) for name, value in figures.items()})


if __name__ == "__main__":
    main()
