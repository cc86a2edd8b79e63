"""The best order of a classifier's outputs, found on one half of the images and judged on the other."""

from collections import Counter

import numpy as np
import pytest

from studies.analysis.confusion import best_assignment


def halves(predicted, per_class, n_classes, seed=0):
    """Images of each class, given what `predicted(label, random)` says, every other one in the first half."""
    random = np.random.default_rng(seed)
    found = Counter(), Counter()
    for label in range(n_classes):
        for n in range(per_class):
            found[n % 2][label, predicted(label, random)] += 1
    return found


def test_a_permutation_is_found_with_the_accuracy_it_would_give():
    order = [2, 0, 1, 3]
    found = best_assignment(halves(lambda label, random: order[label], 10, 4), range(4))
    assert found.best == (2, 0, 1, 3)
    assert (found.accuracy, found.fitted) == (0.25, 1.0)


def test_a_network_that_is_right_keeps_its_order():
    found = best_assignment(halves(lambda label, random: label, 10, 4), range(4))
    assert found.best == (0, 1, 2, 3)
    assert found.accuracy == found.fitted == 1


def test_outputs_without_a_class_may_be_the_right_ones():
    found = best_assignment(halves(lambda label, random: label + 1, 6, 3), range(3))
    assert found.best == (1, 2, 3)
    assert (found.accuracy, found.fitted) == (0.0, 1.0)


@pytest.mark.parametrize("per_class", [1, 2, 3, 20])
def test_no_order_is_found_in_noise(per_class):
    """A thousand images of few a class could be relabelled to look right; cross-fitted they do not."""
    n_classes = 60
    found = best_assignment(
        halves(lambda label, random: int(random.integers(n_classes)), per_class, n_classes), range(60)
    )
    assert found.fitted <= found.accuracy + 0.03
    if per_class == 2:
        # The control: judged on the images it was found on, an order of noise seems to be worth a lot.
        both = halves(lambda label, random: int(random.integers(n_classes)), per_class, n_classes)
        merged = both[0] + both[1]
        assert sum(merged[label, output] for label, output in enumerate(found.best)) / sum(merged.values()) > 0.3


def test_without_images_there_is_no_order():
    assert best_assignment((Counter(), Counter()), range(3)) is None
