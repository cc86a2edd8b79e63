"""Control trials: where their right answers stand, and the photographs they are made of."""

import re
from collections import Counter

import numpy as np
import pytest

from studies import protocols
from studies.designs.choices import catalogue
from studies.models import Study
from studies.protocols import DesignError
from studies.protocols.shared import gold_trials
from tests.bench import MadeUpBench, made_up_study

CHECKS = {"example": True, "practice": 1, "gold": 2}


@pytest.mark.parametrize("n", [2, 4])
@pytest.mark.parametrize("seed", range(20))
def test_each_place_is_right_as_often_as_any_other_in_each_role(n, seed):
    made = {"example": 1, "practice": 3, "gold": 9}
    places = gold_trials.in_turn(made, n, np.random.default_rng(seed))
    assert len(places) == 13
    assert set(places) <= set(range(n))
    for of_role in (places[:1], places[1:4], places[4:]):
        times = [Counter(of_role)[place] for place in range(n)]
        assert max(times) - min(times) <= 1


def test_the_order_of_places_is_drawn():
    orders = {tuple(gold_trials.in_turn({"gold": 4}, 4, np.random.default_rng(seed))) for seed in range(20)}
    assert len(orders) > 5


def test_without_checks_there_are_no_places():
    assert gold_trials.in_turn({}, 4, np.random.default_rng(0)) == []


def sure_of(study_key: str) -> list[str]:
    """The paths of images that the made-up bench is right and sure of, in a study of this kind."""
    bench = MadeUpBench()
    classifier = Study.objects.get(slug=study_key).design["classifier"]
    clear = gold_trials.clear(bench.predictions(classifier, bench.images(classifier)))
    return [one.image.path for one in clear]


@pytest.mark.django_db
@pytest.mark.parametrize("key", ["rectified_labeling", "class_assignment"])
def test_chosen_photographs_become_the_example_practice_and_gold_in_their_order(key):
    drawn = made_up_study(key, CHECKS, n_images=240)
    main = set(drawn.stimuli.main().values_list("truth__image", flat=True))
    paths = [path for path in sure_of(drawn.slug) if path not in main][3::9][:4][::-1]
    specs = protocols.get(key).stimuli(drawn.design | {"check_images": paths}, MadeUpBench())
    found = [(spec.role, spec.truth["image"]) for spec in specs if spec.role != "main"]
    assert found == list(zip(("example", "practice", "gold", "gold"), paths, strict=True))


@pytest.mark.django_db
def test_a_photograph_without_one_right_answer_is_refused_by_its_path():
    study = made_up_study("rectified_labeling", CHECKS, n_images=96)
    unsure = next(
        image.path
        for image in MadeUpBench().images(study.design["classifier"])
        if image.path not in set(sure_of(study.slug))
    )
    study.design["check_images"] = [unsure]
    with pytest.raises(DesignError, match=f"check_images: {re.escape(unsure)} cannot be a control trial"):
        list(protocols.get(study.protocol).stimuli(study.design, MadeUpBench()))


@pytest.mark.django_db
def test_a_design_names_photographs_that_there_are_and_trials_to_show_them_in():
    study = made_up_study("rectified_labeling", n_images=24)
    path = MadeUpBench().images(study.design["classifier"])[0].path
    kind = protocols.get(study.protocol)
    assert "check_images" not in kind.clean(study.design | {"check_images": []}, catalogue=catalogue())
    for setting, line in (
        ({"check_images": ["no/such.png"], "gold": 1}, "check_images: The image set of .* has no photograph no/such"),
        ({"check_images": [path]}, "check_images: Needs an example, practice or gold"),
        ({"check_images": [path, path], "gold": 1}, "check_images: Named twice"),
    ):
        with pytest.raises(DesignError, match=line):
            kind.clean(study.design | setting, catalogue=catalogue())
    assert kind.clean(study.design | {"check_images": [path], "gold": 1}, catalogue=catalogue())["check_images"] == [
        path
    ]
