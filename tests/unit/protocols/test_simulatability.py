"""Phases of a visit: who meets what when, groups in blocks, exactly N, and what people learned in the result."""

import json
from collections import Counter

import lxml.html
import numpy as np
import pytest
from django.core.management import call_command

from studies import lifecycle, participation, protocols
from studies.designs.choices import catalogue
from studies.export import export, recompute
from studies.models import Participant, Role, Slot, Trial
from studies.protocols import DesignError
from studies.results import figures, result
from tests.bench import CLASSES, MadeUpBench, made_up_study
from tests.factories import make_classifier, make_image_set
from tests.participant_client import Visitor, text

pytestmark = pytest.mark.django_db

DESIGN = {
    "arms": ["none", "gradients"],
    "sessions": 2,
    "training_per_session": 2,
    "test_per_session": 3,
    "participants_per_arm": 4,
}
ORDER = ["pre"] * 3 + (["training-session-1"] * 2 + ["session-1"] * 3 + ["training-session-2"] * 2) + ["session-2"] * 3
ORDER += ["post"] * 3


def opened(**design):
    study = made_up_study("simulatability", DESIGN | design, n_images=160)
    lifecycle.open_study(study)
    return study


def come(study):
    person, _ = participation.enrol(study, consent=participation.current_consent(study))
    participation.start(person)
    return person


def go(person, *, trials=10_000, answer=None):
    """Answer so many trials, and give the phase of each."""
    kind, random = protocols.get("simulatability"), np.random.default_rng(person.number)
    met = []
    while len(met) < trials:
        person.refresh_from_db()
        state = participation.arrive(person)
        if state.feedback:
            participation.leave_feedback(person, state.feedback.pk)
        elif state.shown is None:
            break
        else:
            truth = state.shown.stimulus.truth
            said = answer or kind.simulated_answer(person.study.design, truth, None, random)[0]
            participation.answer(person, state.shown.pk, said)
            met.append(state.shown.stimulus.block.partition(".")[2])
    return met


def test_everybody_goes_through_the_phases_in_order_and_meets_no_image_twice():
    study = opened()
    for _ in range(3):
        person = come(study)
        assert go(person) == ORDER
        person.refresh_from_db()
        assert person.finished_at
        families = list(person.trials.values_list("family", flat=True))
        assert len(set(families)) == len(families) == len(ORDER)


def test_every_wanted_answer_is_given_once_by_as_many_people_as_the_design_says():
    study = opened()
    for _ in range(8):
        go(come(study))
    assert not Slot.objects.filter(study=study, filled=False).exists()
    assert not participation.has_room(study)
    assert Trial.objects.filter(study=study, counted=True).count() == 2 * 4 * 12
    assert not Trial.objects.filter(study=study, role=Role.TRAINING, counted=True).exists()


def test_groups_and_rotations_are_filled_in_random_blocks():
    study = opened(participants_per_arm=8)
    groups = []
    for _ in range(16):
        person = come(study)
        groups.append((person.arm.key, person.rotation))
        # Of any number of people the groups differ by one at most.
        arms = Counter(arm for arm, _ in groups)
        assert abs(arms["none"] - arms["gradients"]) <= 1
        go(person)
    assert set(Counter(groups).values()) == {2}
    pairs = [tuple(arm for arm, _ in groups[at : at + 2]) for at in range(0, 16, 2)]
    assert len(set(pairs)) == 2


def test_each_set_stands_in_each_test_equally_often_and_half_of_its_decisions_are_wrong():
    study = opened(test_per_session=4)
    met = Counter()
    for truth, role in study.stimuli.filter(condition__key="none").values_list("truth", "role"):
        if role == Role.MAIN:
            met[truth["set"], truth["phase"], truth["model_right"]] += 1
    tests = ["pre", "session-1", "session-2", "post"]
    assert met == {(n, phase, right): 2 for n in (1, 2, 3, 4) for phase in tests for right in (True, False)}


def test_the_place_of_somebody_who_leaves_is_given_to_another_who_is_trained_as_well():
    study = opened()
    left = come(study)
    go(left, trials=4)
    others = [come(study) for _ in range(7)]
    for person in others:
        go(person)
    group = Slot.objects.filter(study=study, filled=False)
    assert {slot.condition_id for slot in group} == {left.arm_id}
    # After a day nobody waits for them.
    Participant.objects.filter(pk=left.pk).update(consented_at=left.consented_at - 2 * participation.visits.PATIENCE)
    Trial.objects.filter(participant=left).update(claimed_at=left.consented_at - 2 * participation.visits.PATIENCE)
    Slot.objects.filter(study=study, filled=False).update(leased_until=left.consented_at, holder=None)
    assert participation.has_room(study)
    follower = come(study)
    assert (follower.arm_id, follower.rotation) == (left.arm_id, left.rotation)
    # The answers before the training are there already: they are not asked for again.
    assert go(follower) == ORDER[3:]
    assert not Slot.objects.filter(study=study, filled=False).exists()


def test_nobody_is_trained_when_nothing_is_wanted_of_them():
    study = opened()
    person = come(study)
    Slot.objects.filter(study=study, condition=person.arm_id).delete()
    met = go(person)
    assert met in ([], ["pre"], ["pre", "pre"])


def test_gold_stands_among_the_phases_and_training_screens_nobody_out():
    study = opened(gold=2, gold_rate=1.0, practice=1)
    person = come(study)
    wrong = "no such class"
    kind = protocols.get("simulatability")
    roles = []
    while True:
        person.refresh_from_db()
        state = participation.arrive(person)
        if state.feedback:
            participation.leave_feedback(person, state.feedback.pk)
            continue
        if state.shown is None:
            break
        truth, role = state.shown.stimulus.truth, state.shown.role
        offered = [c.value for c in kind.choices(study.design, state.shown.stimulus.shown) if c.value != wrong]
        other = next(value for value in offered if value != truth["label"])
        participation.answer(person, state.shown.pk, truth["label"] if role == Role.GOLD else other)
        roles.append(role)
    assert Counter(roles) == {"practice": 1, "gold": 2, "training": 4, "main": 12}
    person.refresh_from_db()
    assert person.screened_out_at is None


# --- pages ------------------------------------------------------------------------------------------------------------


def test_training_tells_what_the_program_said_and_why_and_a_test_does_not():
    study = opened()
    visitors = {}
    while len(visitors) < 2:
        visitor = Visitor(study).begin()
        visitors[visitor.participant.arm.key] = visitor
    for arm, visitor in visitors.items():
        assert "Part 1 of 6" in text(visitor.get())
        while visitor.trial.role == Role.MAIN:
            visitor.send(answer=study.design["classes"][0])
        trial = visitor.trial
        after = trial.stimulus.shown["after"]
        page = visitor.get().content.decode()
        assert "Part 2 of 6" in text(visitor.responses[-1])
        assert "The program said" not in page
        assert ("explanation" in after) is (arm == "gradients")
        visitor.send(answer=study.design["classes"][0])
        page = visitor.get()
        assert f"The program said {after['decision']}." in text(page)
        shown = {image.get("src").rpartition("/")[2] for image in lxml.html.fromstring(page.content).xpath("//img")}
        wanted = [trial.stimulus.shown["picture"], *([after["explanation"]] if arm == "gradients" else [])]
        assert len(shown) == len(wanted)
        assert trial.stimulus.truth["true_label"] == trial.stimulus.truth["label"] or (
            f">{trial.stimulus.truth['true_label']}<" not in page.content.decode()
        )
        visitor.send()
        assert visitor.trial.pk != trial.pk


# --- results ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr(figures, "svg", lambda figure: "<svg/>")
    study = opened(participants_per_arm=12, classes=list(CLASSES[:3]), test_per_session=4)
    for _ in range(24):
        go(come(study))
    lifecycle.close_study(study)
    study.refresh_from_db()
    export.write(study, tmp_path / "export")
    return study, tmp_path / "export"


def test_the_export_is_read_back_to_the_same_digits_and_the_program_agrees(folder, tmp_path, capsys):
    study, place = folder
    found = json.loads((place / "analysis.json").read_text())
    out = tmp_path / "again.json"
    classes = study.design["classes"]
    where = {"keep_where": ["counted=1"], "choices": classes, "json": out}
    call_command("reanalyse", place / "answers.csv", protocol="simulatability", **where)
    again = json.loads(out.read_text())
    for key, value in again.items():
        assert found[key] == value, key
    assert found["effect"]["low"] is not None
    assert found["utility"]["mean"]["estimate"] is not None
    assert [one["session"] for one in found["utility"]["by_session"]] == ["session-1", "session-2"]
    assert found["drop_out"]["none"] == {"participants": 12, "completed": 12}
    capsys.readouterr()
    assert recompute.main(place) == 0, capsys.readouterr().out
    assert "agrees with analysis.json to the last digit" in capsys.readouterr().out


def test_a_group_without_answers_is_named_in_place_of_a_comparison():
    study = opened()
    person = come(study)
    go(person)
    lifecycle.close_study(study)
    study.refresh_from_db()
    other = "gradients" if person.arm.key == "none" else "none"
    summary = result.result(study).summary
    assert summary.headline == f"No answer of the group {other} counts yet."
    assert summary.measures["drop_out"][person.arm.key] == {"participants": 1, "completed": 1}


# --- designs ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("design", "says"),
    [
        ({"arms": ["gradients"]}, "arms: Name “none” and at least one explainer."),
        ({"arms": ["none"]}, "arms: Name “none” and at least one explainer."),
        ({"arms": ["none", "none"]}, "arms: Named twice: none"),
        ({"participants_per_arm": 12}, "participants_per_arm: Must be a multiple of 5"),
        ({"participants_per_arm": 3}, "equally often: 5."),
        ({"classes": ["accordion"]}, "classes: Name 2 to 10 classes, not 1."),
        ({"classes": ["accordion", "x"]}, "classes: This classifier has no class x."),
        ({"sessions": 0}, "sessions: "),
    ],
)
def test_a_design_that_cannot_be_is_refused_in_one_line(design, says):
    classifier = make_classifier(make_image_set(classes=CLASSES, n_images=24)).name
    with pytest.raises(DesignError) as refused:
        protocols.get("simulatability").clean({"classifier": classifier, **design}, catalogue=catalogue())
    assert says in str(refused.value)


def test_what_follows_from_other_settings_is_what_follows_whatever_is_given():
    classifier = make_classifier(make_image_set(classes=CLASSES, n_images=24)).name
    given = {"classifier": classifier, "answers_per_stimulus": 3, "trials_per_participant": 3}
    design = protocols.get("simulatability").clean(given, catalogue=catalogue())
    assert (design["answers_per_stimulus"], design["trials_per_participant"]) == (50 // 5, 6 * 5)


def test_too_few_images_are_told_with_how_many_are_needed():
    classifier = make_classifier(make_image_set(classes=CLASSES, n_images=24)).name
    design = protocols.get("simulatability").clean({"classifier": classifier}, catalogue=catalogue())
    with pytest.raises(DesignError, match=r"45 different images are needed .* for 24 of them"):
        list(protocols.get("simulatability").stimuli(design, MadeUpBench()))
