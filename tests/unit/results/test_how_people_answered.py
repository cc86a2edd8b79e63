"""How each participant answered: by loops of the test's own, in the export, and at the desk of a closed study alone."""

import csv
import statistics
from collections import defaultdict

import pytest

from studies import lifecycle
from studies.export import export
from studies.models import Study
from studies.results import figures
from studies.results.people import answering
from tests.bench import made_up_study
from tests.factories import answered_study, fill_slots, open_study, simulated_rows
from tests.logged_in_users import researcher, text

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def figures_are_drawn_elsewhere(monkeypatch):
    monkeypatch.setattr(figures, "svg", lambda figure: "<svg/>")


def by_hand(study):
    """By participant: answers, median ms, share of yes, longest run, agreement with the others."""
    given, panels = defaultdict(list), defaultdict(list)
    for trial in study.trials.filter(counted=True).order_by("pk"):
        given[trial.participant_id].append(trial)
        panels[trial.stimulus_id].append(trial)
    for person, trials in given.items():
        longest = run = 0
        last, shares = None, []
        for trial in trials:
            run = run + 1 if trial.answer == last else 1
            last, longest = trial.answer, max(longest, run)
            others = [one.answer for one in panels[trial.stimulus_id] if one.participant_id != person]
            if others:
                shares.append(sum(one == trial.answer for one in others) / len(others))
        yes = sum(trial.answer == "yes" for trial in trials)
        times = statistics.median(trial.response_ms for trial in trials) / 1000
        yield person, (len(trials), times, yes / len(trials), longest, statistics.mean(shares))


def test_each_participant_is_as_counted_by_hand():
    study = answered_study(40, 5, 20)
    found = answering(study).people
    expected = dict(by_hand(study))
    assert set(found) == set(expected)
    for person, (answers, seconds, yes, run, agreement) in expected.items():
        one = found[person]
        assert (one.answers, one.longest_run) == (answers, run)
        assert one.median_seconds == pytest.approx(seconds)
        assert one.yes_share == pytest.approx(yes)
        assert one.agreement == pytest.approx(agreement)


def careless(study, people: int) -> None:
    """Everybody sees what there is, but the first, who says the opposite."""
    said = iter(range(10**6))

    def says(stimulus):
        truth = stimulus.number % 2 == 0
        return ("yes" if truth != (next(said) % people == 0) else "no"), 900

    fill_slots(study, people, says)


def test_the_model_finds_who_says_the_opposite_and_what_is_true():
    study = open_study(40, 5)
    careless(study, 16)
    lifecycle.close_study(study)
    found = answering(study)
    errors = {number: found.people[pk].model_error for pk, number in study.participants.values_list("pk", "number")}
    assert errors.pop(1) > 0.95
    assert max(errors.values()) < 0.05
    for number, (answers, _yes, posterior, reason) in found.stimuli.items():
        assert (answers, reason) == (5, None)
        assert posterior == pytest.approx(float(number % 2 == 0), abs=0.05)


def test_without_agreement_beyond_chance_posteriors_are_withheld_with_the_reason(tmp_path):
    # In turn yes and no whatever is shown: nobody agrees with anybody.
    study, said = open_study(60, 5), iter(range(10**6))
    fill_slots(study, 21, lambda stimulus: (("yes", "no")[next(said) * 7919 % 101 % 2], 900))
    lifecycle.close_study(study)
    found = answering(study)
    assert {one[2] for one in found.stimuli.values()} == {None}
    assert all("no agreement beyond chance" in one[3] for one in found.stimuli.values())
    assert {one.model_error for one in found.people.values()} == {None}
    export.write(study, tmp_path / "export")
    rows = list(csv.DictReader((tmp_path / "export" / "posteriors.csv").open(encoding="utf-8-sig")))
    assert {row["posterior"] for row in rows} == {""}
    assert all("no agreement beyond chance" in row["withheld"] for row in rows)


def test_the_export_has_a_row_for_each_participant_and_stimulus_that_counts(tmp_path):
    study = answered_study(30, 5, 15)
    export.write(study, tmp_path / "export")
    people = list(csv.DictReader((tmp_path / "export" / "answering.csv").open(encoding="utf-8-sig")))
    public = {str(one) for one in study.participants.values_list("public_id", flat=True)}
    assert {row["participant"] for row in people} == public
    assert sum(int(row["counted_answers"]) for row in people) == 150
    stimuli = list(csv.DictReader((tmp_path / "export" / "posteriors.csv").open(encoding="utf-8-sig")))
    assert [int(row["stimulus"]) for row in stimuli] == list(range(1, 31))
    assert {row["counted_answers"] for row in stimuli} == {"5"}


def test_answers_that_are_no_yes_and_no_have_times_runs_and_agreement_and_no_model():
    study = made_up_study("class_assignment", {"rounds": 12, "conditions": ["random"]}, n_images=160)
    lifecycle.open_study(study)
    simulated_rows(study, 12)
    found = answering(study)
    assert found.people
    for one in found.people.values():
        assert (one.yes_share, one.model_error) == (None, None)
        assert one.longest_run >= 1
    assert {one[2] for one in found.stimuli.values()} == {None}
    assert {one[3] for one in found.stimuli.values()} == {"the model is fitted to yes and no answers only"}


def test_the_desk_tells_how_people_answered_of_a_closed_study_alone():
    study = answered_study(close=False)
    address = f"/admin/studies/study/{study.pk}/participants/"
    page = text(researcher().get(address))
    assert "never the answers" in page
    assert "Agrees with others" not in page
    lifecycle.close_study(Study.objects.get(pk=study.pk))
    page = text(researcher().get(address))
    assert "Agrees with others" in page
    assert "Error by Dawid–Skene" in page


def test_a_study_without_an_answer_has_no_rows():
    study = open_study(3, 5)
    lifecycle.close_study(study)
    assert answering(study).people == answering(study).stimuli == {}
