"""What a confusion matrix says about the order of a classifier's outputs.

The best assignment of outputs to classes is the linear assignment problem (Kuhn 1955), solved by scipy. Found and
judged on the same images it is too good: with few images per class any network could be relabelled to be right on some
of them. So the accuracy it would have is cross-fitted: found on one half of the images of each class, and counted on
the other.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import linear_sum_assignment

#: Counts of images by class and predicted output.
Confusion = Mapping[tuple[int, int], int]


@dataclass(frozen=True)
class Assignment:
    """The best assignment: the output of each class, in the order of `outputs`.

    accuracy: the share of images that `outputs` are right on.  fitted: the share that the best assignment would be
    right on, cross-fitted.
    """

    best: tuple[int, ...]
    accuracy: float
    fitted: float


def best_assignment(halves: tuple[Confusion, Confusion], outputs: Sequence[int]) -> Assignment | None:
    """The assignment of outputs to classes under which most images are right; None where there are no images.

    halves: the images of two halves, counted by (output of the true class as it is assigned now, predicted output).
    outputs: the output that stands for each class now.  Between assignments that are as good the present one is kept.
    """
    columns = sorted({*outputs, *(predicted for half in halves for _, predicted in half)})
    place = {output: number for number, output in enumerate(columns)}
    row = {output: number for number, output in enumerate(outputs)}
    counts = np.zeros((2, len(outputs), len(columns)))
    for number, half in enumerate(halves):
        for (label, predicted), n in half.items():
            counts[number, row[label], place[predicted]] += n
    total = counts.sum()
    if not total:
        return None
    present = np.array([place[output] for output in outputs])
    fitted = sum(
        counts[1 - number][np.arange(len(outputs)), _assigned(counts[number], present)].sum() for number in (0, 1)
    )
    best = tuple(columns[column] for column in _assigned(counts.sum(0), present))
    accuracy = counts.sum(0)[np.arange(len(outputs)), present].sum() / total
    return Assignment(best, float(accuracy), float(fitted / total))


def _assigned(counts: np.ndarray, present: np.ndarray) -> np.ndarray:
    """The column of each row."""
    preferred = counts.copy()
    # Less than one image in all: it decides nothing but ties.
    preferred[np.arange(len(counts)), present] += 0.5 / len(counts)
    return linear_sum_assignment(preferred, maximize=True)[1]
