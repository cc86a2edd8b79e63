"""Class assignment: how rounds are drawn and shown, which answers count, and what is made of them."""

from collections import Counter

import lxml.html
import numpy as np
import pandas as pd
import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone

from studies import lifecycle, participation, protocols
from studies.designs.choices import catalogue
from studies.lib.errors import StudyError
from studies.models import Trial
from studies.protocols.class_assignment import CHANCE, CONDITIONS, LETTERS
from studies.results import frames, result
from tests.bench import CLASSES, MadeUpBench, made_up_study
from tests.factories import make_classifier, make_image_set
from tests.participant_client import Visitor

pytestmark = pytest.mark.django_db

KIND = protocols.get("class_assignment")


def specs_of(*, n_images: int = 96, **design):
    classifier = make_classifier(make_image_set(classes=CLASSES, n_images=n_images))
    clean = KIND.clean({"classifier": classifier.name, **design}, catalogue=catalogue())
    return list(KIND.stimuli(clean, MadeUpBench()))


def seen(spec) -> list[str]:
    return [one["image"] for group in spec.truth["images"] for one in group]


# --- rounds -----------------------------------------------------------------------------------------------------------


def test_a_round_is_six_classes_by_six_images_in_each_of_the_seven_conditions():
    specs = specs_of(rounds=4)
    assert len(CONDITIONS) == 7
    assert Counter(spec.condition for spec in specs) == dict.fromkeys(CONDITIONS, 4)
    for spec in specs:
        assert [group["letter"] for group in spec.shown["groups"]] == list("ABCDEF")
        assert [len(group["pictures"]) for group in spec.shown["groups"]] == [6] * 6
        assert len(set(seen(spec))) == 36
        assert len(set(spec.truth["classes"])) == 6
        for name, group in zip(spec.truth["classes"], spec.truth["images"], strict=True):
            assert {one["image"].split("/")[0] for one in group} == {name}


@pytest.mark.parametrize("condition", CONDITIONS)
def test_the_images_are_six_prototypes_or_three_and_three_criticisms(condition):
    _way, prototypes, criticisms = CONDITIONS[condition]
    for spec in specs_of(rounds=2, conditions=[condition]):
        for group in spec.truth["images"]:
            assert Counter(one["role"] for one in group) == +Counter(prototype=prototypes, criticism=criticisms)


@pytest.mark.parametrize("gold", [0, 1])
def test_a_group_that_is_called_by_its_class_has_its_gloss_and_no_example(gold):
    design = {"names": "classes", "rounds": 2, "conditions": ["random"], "gold": gold}
    study = made_up_study("class_assignment", design, n_images=240, glossed=True)
    lettered = made_up_study("class_assignment", {**design, "names": "letters"}, n_images=240, glossed=True)
    assert (study.stimuli.count() > 2) == bool(gold)
    for stimulus in study.stimuli.all():
        for name, group in zip(stimulus.truth["classes"], stimulus.shown["groups"], strict=True):
            assert (group["title"], group["gloss"]) == (name.replace("_", " "), f"what {name} means")
        assert "example" not in str(stimulus.shown)
    assert "gloss" not in str([stimulus.shown for stimulus in lettered.stimuli.all()])


def test_a_participant_reads_the_gloss_of_each_group():
    study = made_up_study("class_assignment", {"names": "classes", "rounds": 1}, n_images=96, glossed=True)
    lifecycle.open_study(study)
    page = Visitor(study).begin().get()
    glosses = lxml.html.fromstring(page.content).find_class("gloss")
    assert len({one.text for one in glosses}) == len(glosses) == 6


@pytest.mark.parametrize("drawing", ["random", "confusion"])
def test_a_target_is_of_one_of_the_classes_and_in_no_group_of_any_round(drawing):
    # Five targets a class and six others: without care most targets would be shown in the group of some round.
    specs = specs_of(n_images=88, rounds=40, drawing=drawing)
    targets = {spec.truth["image"] for spec in specs}
    for spec in specs:
        assert not targets & set(seen(spec))
        assert spec.truth["label"] in spec.truth["classes"]
        assert spec.truth["image"] not in seen(spec)
        assert spec.shown["target"]["file"] not in KIND.pictures(spec.shown)[1:]


def test_a_round_has_one_target_and_the_same_classes_in_every_condition():
    rounds = {}
    for spec in specs_of(rounds=10):
        facts = (spec.truth["image"], tuple(spec.truth["classes"]), spec.family)
        assert rounds.setdefault(spec.truth["round"], facts) == facts
    assert len({target for target, _, _ in rounds.values()}) == 10
    assert len({family for _, _, family in rounds.values()}) == 10


def test_classes_take_turns_and_groups_and_places_are_in_random_order():
    specs = specs_of(rounds=40, conditions=["mmd-prototypes-criticisms"])
    assert set(Counter(spec.truth["label"] for spec in specs).values()) == {5}
    right = Counter(spec.truth["classes"].index(spec.truth["label"]) for spec in specs)
    assert set(right) == set(range(6))
    first = Counter(spec.truth["images"][0][0]["role"] for spec in specs)
    assert min(first["prototype"], first["criticism"]) >= 8
    assert specs_of(rounds=4, seed=1) != specs_of(rounds=4, seed=2)


def test_by_confusion_the_other_five_are_those_taken_for_the_targets_class():
    """The bench takes an image for the classes after its own, the nearest most of all; confusion counts both ways."""
    for spec in specs_of(rounds=8, drawing="confusion", conditions=["random"]):
        target = CLASSES.index(spec.truth["label"])
        others = {(CLASSES.index(name) - target) % 8 for name in spec.truth["classes"]} - {0}
        assert {1, 2, 6, 7} <= others


def test_a_class_with_too_few_images_for_its_targets_is_named():
    with pytest.raises(protocols.DesignError, match=r"class 'accordion': 5 targets are wanted .* there are 4$"):
        specs_of(n_images=32, classes=list(CLASSES[:6]), rounds=30)


def test_pools_that_are_too_small_are_named_for_all_conditions_at_once(monkeypatch):
    def selections(self, classifier, pools, method, **options):
        if method["method"] == "random":
            return made(self, classifier, pools, method, **options)
        raise StudyError(
            f"class 'celesta': 6 prototypes are wanted from the {method['method']} images, but there are 0"
        )

    made = MadeUpBench.selections
    monkeypatch.setattr(MadeUpBench, "selections", selections)
    with pytest.raises(protocols.DesignError) as refused:
        specs_of(rounds=2, conditions=["mmd-prototypes", "probability-prototypes", "random"])
    mmd, probability, hint = refused.value.messages
    assert mmd.startswith("condition mmd-prototypes: class 'celesta': 6 prototypes are wanted")
    assert probability.startswith("condition probability-prototypes: class 'celesta'")
    assert hint == "Leave out these classes or these conditions, or change the rule."


def test_the_rules_of_the_design_are_the_selectors(monkeypatch):
    asked = []

    def selections(self, classifier, pools, method, *, attack=None, **options):
        asked.append((method, attack))
        return made(self, classifier, pools, method, **options)

    made = MadeUpBench.selections
    monkeypatch.setattr(MadeUpBench, "selections", selections)
    specs_of(
        rounds=2,
        conditions=["adversarial-prototypes", "probability-prototypes"],
        attack_step=0.01,
        attack_unit="pixel",
        probability_above=0.7,
        probability_below=0.2,
    )
    (_, attack), (probability, _) = asked
    assert (attack["parameters"]["step"], attack["parameters"]["unit"]) == (0.01, "pixel")
    assert probability["parameters"] == {"above": 0.7, "below": 0.2}


@pytest.mark.parametrize(("sets", "anew"), [("each_round", True), ("one_set", False)])
def test_the_images_of_a_class_are_another_draw_in_each_round_or_one_set_in_every_condition(sets, anew, monkeypatch):
    """MMD-critic has no draw of its own: another choice comes from another half of the class."""
    asked: dict[str, list] = {}

    def selections(self, classifier, pools, method, *, seed=0, **options):
        asked[method["method"]] = list(zip(pools, seed, strict=True))
        return made(self, classifier, pools, method, seed=seed, **options)

    made = MadeUpBench.selections
    monkeypatch.setattr(MadeUpBench, "selections", selections)
    design = {"rounds": 8, "classes": list(CLASSES[:6]), "conditions": ["mmd-prototypes", "random"]}
    specs_of(n_images=240, selection_sets=sets, **design)
    for method, pairs in asked.items():
        by_class: dict[str, set] = {}
        for pool, seed in pairs:
            by_class.setdefault(pool.name, set()).add((tuple(image.sha256 for image in pool.images), seed))
        different = {len(some) for some in by_class.values()}
        assert different == ({8} if anew else {1}), method
    sizes = {len(pool.images) for pool, _ in asked["mmd_critic"]}
    whole = {len(pool.images) for pool, _ in asked["random"]}
    assert max(sizes) <= (-(-max(whole) // 2) if anew else max(whole))


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"probability_below": 0.95}, "probability_below: Must not be above probability_above, which is 0.9."),
        ({"classes": list(CLASSES[:5])}, "A round needs 6 classes, and the pool has 5"),
        ({"classes": ["zither", *CLASSES]}, "This classifier has no class zither"),
        ({"conditions": ["random", "magic"]}, "conditions: Must be one of .*, random, not magic"),
        ({"conditions": {"random": True}}, "conditions: must be a text with a line for each, or a list of texts"),
        ({"min_seconds": 30, "max_seconds": 30}, "Must be above min_seconds, which is 30"),
        ({"names": "numbers"}, "names: "),
    ],
)
def test_a_design_that_cannot_be_run_is_refused(wrong, said):
    with pytest.raises(protocols.DesignError, match=said):
        specs_of(**wrong)


def test_all_seven_conditions_by_default_in_one_order_however_they_are_named():
    classifier = make_classifier(make_image_set(classes=CLASSES, n_images=8)).name

    def conditions(**named):
        return KIND.clean({"classifier": classifier, **named}, catalogue=catalogue())["conditions"]

    assert conditions() == conditions(conditions=[]) == list(CONDITIONS)
    assert conditions(conditions="random") == ["random"]
    assert conditions(conditions=["random", "mmd-prototypes"]) == ["mmd-prototypes", "random"]


# --- what people are told ---------------------------------------------------------------------------------------------


def test_roles_are_not_marked_and_groups_not_named_unless_the_design_says_so():
    for spec in specs_of(rounds=2):
        assert all(set(group) == {"letter", "pictures"} for group in spec.shown["groups"])
        assert all("role" not in one for group in spec.shown["groups"] for one in group["pictures"])
    for spec in specs_of(rounds=2, roles="marked", names="classes"):
        assert [group["title"] for group in spec.shown["groups"]] == [
            c.replace("_", " ") for c in spec.truth["classes"]
        ]
        roles = [[one.get("role") for one in group["pictures"]] for group in spec.shown["groups"]]
        known = [[one["role"] for one in group] for group in spec.truth["images"]]
        assert roles == (known if CONDITIONS[spec.condition][2] else [[None] * 6] * 6)


# --- the window -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ms", "exclusion"),
    [(0, "too fast"), (19_999, "too fast"), (20_000, ""), (60_000, ""), (180_000, ""), (180_001, "too slow")],
)
def test_twenty_seconds_to_three_minutes_both_included(ms, exclusion):
    assert KIND.exclusion({"min_seconds": 20, "max_seconds": 180}, "A", ms) == exclusion


@pytest.mark.parametrize(("seconds", "exclusion"), [(5, "too fast"), (20, ""), (179, ""), (181, "too slow")])
def test_an_answer_outside_the_window_is_kept_and_its_place_is_free_for_somebody_else(seconds, exclusion):
    study = made_up_study("class_assignment", {"rounds": 1, "conditions": ["random"], "answers_per_stimulus": 1})
    lifecycle.open_study(study)
    person = arrive(study)
    trial = participation.current_trial(person)
    shown_at = timezone.now() - timezone.timedelta(seconds=seconds)
    Trial.objects.filter(pk=trial.pk).update(presented_at=shown_at)
    # The window is by the server's clock, whatever the page's says.
    participation.answer(person, trial.pk, "B", response_ms=250)
    trial.refresh_from_db()
    assert (trial.answer, trial.exclusion, trial.counted) == ("B", exclusion, not exclusion)
    # The same person is not asked again; somebody else is, if the answer does not count.
    assert participation.current_trial(person) is None
    assert (participation.current_trial(arrive(study)) is not None) == bool(exclusion)


def arrive(study):
    person, _token = participation.enrol(study, consent=participation.current_consent(study))
    participation.start(person)
    return person


def test_nobody_meets_a_target_twice_and_the_database_forbids_it():
    study = made_up_study("class_assignment", {"rounds": 3, "trials_per_participant": 50, "answers_per_stimulus": 1})
    lifecycle.open_study(study)
    person = arrive(study)
    while trial := participation.current_trial(person):
        participation.answer(person, trial.pk, "A")
    trials = Trial.objects.filter(participant=person, presented_at__isnull=False)
    assert sorted(trials.values_list("stimulus__truth__round", flat=True)) == [1, 2, 3]
    met = trials.first()
    other = study.stimuli.filter(family=met.stimulus.family).exclude(pk=met.stimulus_id).first()
    with pytest.raises(IntegrityError), transaction.atomic():
        Trial.objects.create(
            study=study, participant=person, stimulus=other, position=99, claimed_at=timezone.now(), family=other.family
        )


def test_conditions_are_mixed_within_a_person():
    study = made_up_study("class_assignment", {"rounds": 20, "trials_per_participant": 20}, n_images=160)
    lifecycle.open_study(study)
    person = arrive(study)
    while trial := participation.current_trial(person):
        participation.answer(person, trial.pk, "A")
    keys = Trial.objects.filter(participant=person, answered_at__isnull=False).values_list(
        "stimulus__condition__key", flat=True
    )
    assert len(keys) == 20
    assert len(set(keys)) >= 4


# --- results ----------------------------------------------------------------------------------------------------------

SKILLS = {key: 0.2 + 0.1 * n for n, key in enumerate(CONDITIONS)} | {"random": 0.0}


@pytest.fixture
def answered():
    """A study in which people knew the right class as often as SKILLS says, in each condition; and their answers."""
    study = made_up_study("class_assignment", {"rounds": 60, "answers_per_stimulus": 6}, n_images=96)
    random, rows = np.random.default_rng(7), []
    for number, key, truth in study.stimuli.values_list("number", "condition__key", "truth"):
        for person in random.choice(120, 6, replace=False):
            said, seconds = KIND.simulated_answer(study.design, truth, SKILLS[key], random)
            rows.append((int(person), number, said, key, 1000 * seconds, 1000 * seconds))
    columns = ["participant", "stimulus", "answer", "condition", "response_ms", "server_ms"]
    return study, pd.DataFrame(rows, columns=columns)


def test_planted_skills_are_found_in_each_condition_and_in_the_contrasts(answered):
    study, answers = answered
    summary = KIND.summary(study.design, study.preparation, frames.stimulus_frame(study), answers)
    measures = summary.measures
    assert list(measures["conditions"]) == list(CONDITIONS)
    covered = 0
    for key, found in measures["conditions"].items():
        share = SKILLS[key] + (1 - SKILLS[key]) * CHANCE
        covered += found["low"] <= share <= found["high"]
        assert abs(found["estimate"] - share) < 0.09
        p = found["estimate"]
        assert found["naive"]["standard_error"] == pytest.approx((p * (1 - p) / 360) ** 0.5)
    assert covered >= 6
    contrasts = {one["name"]: one for one in measures["contrasts"]}
    assert len(contrasts) == 10
    assert contrasts["Random against chance"]["p_holm"] > 0.05
    assert contrasts["Adversarial, 6 prototypes against random"]["p_holm"] < 0.01
    assert all(one["p_holm"] >= one["p_value"] for one in contrasts.values())
    assert {one["family"] for one in contrasts.values()} == {10}
    figure = summary.figures[0]
    assert (figure.kind, figure.series[0]["marked"]) == ("intervals", 1 / 6)


def test_most_simulated_people_answer_within_the_window(answered):
    _study, answers = answered
    within = answers["server_ms"].between(20_000, 180_000).mean()
    assert 0.9 < within < 1


def test_answers_are_told_before_and_after_the_window(answered):
    study, answers = answered
    reasons = answers["server_ms"].map(lambda ms: KIND.exclusion(study.design, "A", ms))
    counted, excluded = answers[reasons == ""], answers.assign(exclusion=reasons)[reasons != ""]
    # A late answer was lost to somebody else's, not to the window.
    late = excluded.head(1).assign(exclusion="late")
    stimuli = frames.stimulus_frame(study)
    measures, shown = KIND.before_exclusions(study.design, stimuli, counted, pd.concat([excluded, late]))
    for key in CONDITIONS:
        found, mine = measures["window"][key], answers["condition"] == key
        assert found["before"]["answers"] == 360
        assert found["after"]["answers"] == (counted["condition"] == key).sum()
        assert found["too_fast"] == (mine & (reasons == "too fast")).sum()
        assert found["too_slow"] == (mine & (reasons == "too slow")).sum()
    assert sum(found["too_fast"] + found["too_slow"] for found in measures["window"].values()) == len(excluded)
    assert len(shown[0].rows) == 7


def test_the_results_page_is_given_the_window_too():
    study = made_up_study("class_assignment", {"rounds": 2, "answers_per_stimulus": 2, "conditions": ["random"]})
    lifecycle.open_study(study)
    for seconds in (5, 60):
        person = arrive(study)
        while trial := participation.current_trial(person):
            Trial.objects.filter(pk=trial.pk).update(presented_at=timezone.now() - timezone.timedelta(seconds=seconds))
            right = LETTERS[trial.stimulus.truth["classes"].index(trial.stimulus.truth["label"])]
            participation.answer(person, trial.pk, right)
    lifecycle.close_study(study)
    window = result.result(study).summary.measures["window"]["random"]
    assert (window["before"]["answers"], window["after"]["answers"], window["too_fast"]) == (4, 2, 2)
