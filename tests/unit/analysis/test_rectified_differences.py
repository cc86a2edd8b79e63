"""Differences of rectified errors: what classifiers share cancels, what only one has decides."""

import numpy as np
import pytest
from statsmodels.stats.multitest import multipletests

from studies.analysis.answers import Answers
from studies.analysis.panels import count_panels
from studies.analysis.rectified import rectified_error
from studies.analysis.rectified_differences import SAME, Rectified, SharedPanels, rectified_differences
from studies.analysis.two_way_clustering import holm

IMAGES, PANEL, THRESHOLD = 400, 5, 4


def study(asked, image=None, *, seed=0, people=40):
    """Panels of people with leanings of their own; `asked`: by classifier which questions are its errors."""
    random = np.random.default_rng(seed)
    questions = len(next(iter(asked.values())))
    who = np.array([random.choice(people, PANEL, replace=False) for _ in range(questions)])
    leaning, relevant = random.normal(0, 1, people), random.normal(0.5, 1.5, questions)
    said = random.random((questions, PANEL)) < 1 / (1 + np.exp(-(relevant[:, None] + leaning[who])))
    answers = Answers(who.ravel(), np.repeat(np.arange(questions), PANEL), said.ravel().astype("int8"))
    panels = count_panels(answers, panel=PANEL, at_least=questions)
    images = np.arange(questions) if image is None else image
    asked = {name: np.asarray(mine, dtype=bool) for name, mine in asked.items()}
    return SharedPanels(answers, panels, images, asked)


def compared(shared, **options):
    results = {}
    for name, mine in shared.asked.items():
        own = shared.answers.select(mine[shared.answers.stimulus])
        errors = int(mine.sum())
        found = rectified_error(own, population=IMAGES, errors=errors, threshold=THRESHOLD, panel=PANEL)
        results[name] = Rectified(errors / IMAGES, found)
    names = list(shared.asked)
    either = {(a, b): len(np.unique(shared.image[shared.asked[a] | shared.asked[b]])) for a in names for b in names}
    return rectified_differences(shared, results, THRESHOLD, population=IMAGES, either=either, **options)


def halves(first, second, both):
    return {"A": [1] * (first + both) + [0] * second, "B": [0] * first + [1] * (both + second)}


def test_classifiers_that_make_the_same_errors_do_not_differ_and_that_is_known():
    (found,) = compared(study({"A": [1] * 80, "B": [1] * 80}))
    assert (found["estimate"], found["low"], found["reason"]) == (0.0, None, SAME)


@pytest.mark.parametrize("estimand", ["this image set", "new images"])
def test_more_shared_questions_make_the_difference_more_certain(estimand):
    apart, close = (compared(study(halves(n, n, 100 - n)), estimand=estimand)[0] for n in (100, 20))
    assert close["standard_error"] < 0.75 * apart["standard_error"]
    assert (apart["estimand"], close["questions"]["shared"]) == (estimand, 80)


def test_the_difference_on_new_images_is_less_certain_than_on_these():
    (found,) = compared(study(halves(60, 60, 40)))
    these, new = (found["estimands"][name]["standard_error"] for name in ("this image set", "new images"))
    assert 0 < these < new
    assert found["naive"]["standard_error"] < new


def test_turned_around_a_difference_has_the_other_sign_and_the_same_interval():
    shared = study(halves(70, 50, 40))
    turned = SharedPanels(shared.answers, shared.panels, shared.image, dict(reversed(shared.asked.items())))
    (one,), (other,) = compared(shared), compared(turned)
    assert (one["name"], other["name"]) == ("B - A", "A - B")
    for name in ("this image set", "new images"):
        there, back = one["estimands"][name], other["estimands"][name]
        assert back["estimate"] == pytest.approx(-there["estimate"])
        assert (back["low"], back["high"]) == pytest.approx((-there["high"], -there["low"]))
        assert back["p_value"] == pytest.approx(there["p_value"])


def test_intervals_hold_the_difference_of_simulated_studies():
    # The truth is the mean over the studies; right intervals miss it 9 times of 60 once in 700.
    found = [compared(study(halves(60, 90, 60), seed=seed))[0] for seed in range(60)]
    true = np.mean([one["estimate"] for one in found])
    assert sum(not one["low"] <= true <= one["high"] for one in found) < 9
    assert np.std([one["estimate"] for one in found]) > 0.2 * np.mean([one["standard_error"] for one in found])


def test_p_values_of_all_pairs_are_adjusted_together():
    random = np.random.default_rng(3)
    asked = {name: random.random(200) < 0.5 for name in "ABCD"}
    found = compared(study(asked))
    assert len(found) == 6
    assert [one["p_holm"] for one in found] == holm([one["p_value"] for one in found])


def test_holm_is_that_of_statsmodels():
    random = np.random.default_rng(4)
    for n in (1, 2, 7):
        given = random.random(n) ** 3
        assert holm(given.tolist()) == pytest.approx(multipletests(given, method="holm")[1].tolist(), rel=1e-14)
    assert holm([None, 0.02, None]) == [None, 0.02, None]
