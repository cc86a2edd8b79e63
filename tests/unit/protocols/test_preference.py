"""Which model is more reasonable: sides, ratings that are turned, and what the export tells of them."""

import json
from collections import Counter

import pandas as pd
import pytest
from django.core.management import CommandError, call_command

from studies import lifecycle, participation, protocols
from studies.designs.choices import catalogue
from studies.export import export, recompute
from studies.models import Classifier, Participant, Trial
from studies.planning import estimates
from studies.protocols import DesignError
from studies.protocols.preference import RATINGS
from studies.results import figures, result
from studies.simulation import Population, Spread, read_rates
from tests.bench import CLASSES, MadeUpBench, made_up_study
from tests.factories import make_classifier, make_image_set, simulated_rows

pytestmark = pytest.mark.django_db

DESIGN = {"explainers": ["gradients", "occlusion"], "images": 20, "answers_per_stimulus": 3}


def opened(**design):
    study = made_up_study("preference", DESIGN | design, n_images=96)
    lifecycle.open_study(study)
    return study


def in_other_orders(study):
    """As pages would: every second trial with its sides changed, and the same model preferred as before."""
    kind = protocols.get("preference")
    for trial in list(Trial.objects.filter(study=study))[::2]:
        answer = kind.as_arranged(trial.answer, {}, 1)
        Trial.objects.filter(pk=trial.pk).update(arrangement=1, answer=answer)


@pytest.fixture
def closed():
    study = opened(contrasts=["occlusion:gradients"])
    simulated_rows(study, people=30)
    in_other_orders(study)
    return study


@pytest.fixture
def folder(closed, tmp_path, monkeypatch):
    monkeypatch.setattr(figures, "svg", lambda figure: "<svg/>")
    export.write(closed, tmp_path / "export")
    return tmp_path / "export"


def test_ratings_are_turned_to_the_second_model_before_they_are_averaged(closed):
    rows = Trial.objects.filter(study=closed, stimulus__condition__key="gradients")
    turned = [RATINGS[t.answer] * (-1 if t.arrangement else 1) for t in rows]
    found = result.result(closed).summary.measures["conditions"]["gradients"]
    assert found["estimate"] == pytest.approx(sum(turned) / len(turned), abs=1e-12)
    assert found["distribution"] == {str(v): turned.count(v) for v in (-2, -1, 0, 1, 2)}
    assert sum(found["prefers"].values()) == pytest.approx(1)


def test_sides_are_drawn_for_each_trial_and_shown():
    study = opened()
    for _ in range(3):
        person, _ = participation.enrol(study, consent=participation.current_consent(study))
        participation.start(person)
        while trial := participation.current_trial(person):
            sides = participation.shown_to(trial)["sides"]
            prepared = trial.stimulus.shown["sides"]
            assert sides == (prepared[::-1] if trial.arrangement else prepared)
            participation.answer(person, trial.pk, "equally")
    orders = Counter(Trial.objects.values_list("arrangement", flat=True))
    assert min(orders[0], orders[1]) > 10
    families = [list(person.trials.values_list("family", flat=True)) for person in Participant.objects.all()]
    assert all(len(set(met)) == len(met) for met in families)


def test_reanalyse_reads_the_export_back_to_the_same_digits(folder, tmp_path):
    found = json.loads((folder / "analysis.json").read_text())
    out = tmp_path / "again.json"
    call_command(
        "reanalyse",
        folder / "answers.csv",
        protocol="preference",
        second=found["second"],
        contrast=["occlusion:gradients"],
        keep_where=["counted=1"],
        json=out,
    )
    again = json.loads(out.read_text())
    for key in ("answers", "participants", "stimuli", "items", "second", "conditions", "contrasts", "favours_right"):
        assert again[key] == found[key], key
    table = pd.read_csv(folder / "answers.csv")
    assert set(table["rating"]) <= {-2, -1, 0, 1, 2}
    assert table["left"].nunique() == 2


def test_the_exports_program_agrees_to_the_last_digit(folder, capsys):
    assert recompute.main(folder) == 0, capsys.readouterr().out
    assert "agrees with analysis.json to the last digit" in capsys.readouterr().out


def test_a_side_that_is_preferred_slightly_is_the_side_that_was_expected():
    kind = protocols.get("preference")
    assert kind.is_expected("second_slightly", "second_clearly")
    assert not kind.is_expected("equally", "second_clearly")
    assert not kind.is_expected("first_clearly", "second_clearly")


def test_gold_is_a_visualisation_beside_nothing_and_right_on_either_side():
    study = opened(practice=2, gold=1)
    assert study.stimuli.control_stimuli().count() >= 3
    person, _ = participation.enrol(study, consent=participation.current_consent(study))
    participation.start(person)
    for wanted in (True, False):
        trial = participation.current_trial(person)
        assert trial.arrangement == 0
        expected = trial.stimulus.truth["expected"]
        said = expected if wanted else protocols.get("preference").as_arranged(expected, {}, 1)
        given = participation.answer(person, trial.pk, said)
        assert given.trial.correct is wanted
        participation.leave_feedback(person, trial.pk)


class NeverBothRight(MadeUpBench):
    def predictions(self, classifier, images):
        for one in super().predictions(classifier, images):
            if (one.top[0].label == one.image.label) is not classifier.endswith("-second"):
                yield one


@pytest.mark.parametrize(
    ("named", "says"),
    [
        (lambda one: [one], "classifiers: Name two classifiers, not 1."),
        (lambda one: [one, one], "classifiers: Named twice"),
        (lambda one: [one, "nobody"], "classifiers: nobody is not the name of a classifier (there are: "),
        (lambda one: [], "classifiers: This field is required."),
        (lambda one: 3, "classifiers: must be a text with a line for each"),
    ],
)
def test_classifiers_that_cannot_be_compared_are_refused_in_one_line(named, says):
    classifier = make_classifier(make_image_set(classes=CLASSES, n_images=24)).name
    with pytest.raises(DesignError) as refused:
        protocols.get("preference").clean({"classifiers": named(classifier)}, catalogue=catalogue())
    assert says in str(refused.value)


def test_classifiers_without_images_in_common_are_refused():
    names = [make_classifier(make_image_set(classes=CLASSES[n : n + 3], n_images=24)).name for n in (0, 4)]
    design = protocols.get("preference").clean({"classifiers": names}, catalogue=catalogue())
    with pytest.raises(DesignError, match="have no images of the same classes in common"):
        list(protocols.get("preference").stimuli(design, MadeUpBench()))


def test_a_mean_rating_can_be_planted_and_a_rate_beyond_the_scale_is_refused(tmp_path):
    path = tmp_path / "rates.csv"
    path.write_text("image,label,condition,rate\na.png,celesta,,-1.5\n")
    between = protocols.get("preference").rate_range
    assert list(read_rates(path, between).values()) == [-1.5]
    path.write_text("image,label,condition,rate\na.png,celesta,,2.5\n")
    with pytest.raises(Exception, match=r"line 2: rate must be a number from -2 to 2, not '2\.5'"):
        read_rates(path, between)


def test_skill_means_nothing_where_nothing_is_right():
    study = opened()
    with pytest.raises(CommandError, match="has no right answers"):
        call_command("simulate", study.slug, participants=1, skill=Spread(0.8))
    assert Population().skill is None


def test_a_plan_of_ratings_is_refused_in_one_line_and_no_width_is_made_up():
    study = opened()
    with pytest.raises(CommandError, match="has ratings, and plan_study simulates shares of answers alone"):
        call_command("plan_study", study=study.slug, participants=[20])
    kind = protocols.get("preference")
    known = estimates.known(study.design["classifiers"][0], seen=Classifier.objects.all())
    told = estimates.of_design(kind, study.design, kind.sample_size(study.design, known), pay=0, seconds=1, owner="me")
    assert told.width is None
    assert told.no_width == "only shares of answers are simulated while you type"
