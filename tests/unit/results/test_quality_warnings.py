"""Oddities of answers are named in the warnings, on the results and before closing, and exclude nobody."""

import json

import pandas as pd
import pytest
from django.utils import timezone

from studies import lifecycle, participation
from studies.admin.study.attention import needs
from studies.admin.study.progress import counted
from studies.export import export, recompute
from studies.lib.errors import StudyError
from studies.models import Participant, Study, Trial
from studies.results import figures
from studies.results.quality import quality, warnings_of
from studies.results.result import result
from tests.bench import made_up_study
from tests.factories import answered_study, simulated_rows
from tests.logged_in_users import researcher, text

pytestmark = pytest.mark.django_db
COUNTS = {"checks": {}, "participants": 2, "simulated_participants": 0}


@pytest.fixture(autouse=True)
def figures_are_drawn_elsewhere(monkeypatch):
    monkeypatch.setattr(figures, "svg", lambda figure: "<svg/>")


def frame(**columns):
    n = len(columns["answer"])
    table = {"participant": [0] * n, "response_ms": [900.0] * n, "server_ms": [1000.0] * n} | columns
    return pd.DataFrame(table).astype({"answer": "category"})


def names(study) -> list[str]:
    return [warning.partition(":")[0] for warning in result(study).summary.warnings]


def test_ordinary_answers_have_no_warning():
    assert names(answered_study()) == []


def test_gold_that_goes_wrong_is_told_against_the_designs_own_rate():
    counts = COUNTS | {"checks": {"gold": {"answers": 50, "right": 26}}}
    told = warnings_of(quality({}, counts, frame(answer=["yes", "no"])), counts)
    assert told == [
        "Gold: 26 of 50 gold trials are answered right, below 70%. Participants may not look, or the gold may be wrong."
    ]
    assert warnings_of(quality({"gold_rate": 0.5}, counts, frame(answer=["yes", "no"])), counts) == []
    few = COUNTS | {"checks": {"gold": {"answers": 19, "right": 0}}}
    assert warnings_of(quality({}, few, frame(answer=["yes", "no"])), few) == []


@pytest.mark.parametrize(
    ("page", "server", "told"),
    [
        ([900, 900], [1000, 1000], ""),
        ([900, 2100], [1000, 1000], "Clocks: 1 of 2 answers took longer by the page’s clock"),
        ([900, 1999], [1000, 1000], ""),
        ([900, 900], [7000, 8000], "Clocks: by the median the server’s clock has 6.6 s more"),
        ([None, None], [9000, 9000], ""),
    ],
)
def test_clocks_that_cannot_both_be_right_are_told(page, server, told):
    table = frame(answer=["yes", "no"], response_ms=[float("nan") if p is None else float(p) for p in page])
    found = warnings_of(quality({}, COUNTS, table.assign(server_ms=[float(ms) for ms in server])), COUNTS)
    assert [warning[: len(told)] for warning in found] == ([told] if told else [])


def test_a_median_faster_than_seeing_is_told_and_a_few_fast_answers_are_not():
    fast = frame(answer=["yes", "no"] * 3, response_ms=[250.0] * 6)
    assert (
        "Fast answers: 1 of 1 participants answer in under 300 ms" in warnings_of(quality({}, COUNTS, fast), COUNTS)[0]
    )
    slower = {"min_answer_ms": 400}
    table = frame(answer=["yes", "no"] * 3, response_ms=[350.0] * 6)
    assert "under 400 ms" in warnings_of(quality(slower, COUNTS, table), COUNTS)[0]
    assert warnings_of(quality({}, COUNTS, table), COUNTS) == []
    assert warnings_of(quality({}, COUNTS, fast.iloc[:4]), COUNTS) == []


def test_a_run_that_chance_hardly_makes_is_told_for_answers_of_any_kind():
    said = ["A"] * 40 + list("ABCDEF" * 20)
    people = [0] * 40 + [1] * 120
    table = frame(answer=said, participant=people)
    found = quality({}, COUNTS, table)
    assert found["straight_lining"] == {"participants": 1, "of": 2}
    assert "Straight-lining: 1 of 2" in warnings_of(found, COUNTS)[0]


def test_programs_among_people_are_told_in_the_warnings_and_in_the_headline():
    study = answered_study()
    Participant.objects.filter(study=study, number__lte=12).update(simulated=True)
    found = result(study).summary
    assert found.headline.startswith("12 of 15 participants are simulated. At least 4 of 5 people accept")
    assert found.warnings[0].startswith("Simulated: 12 of 15 participants are simulated.")
    Participant.objects.filter(study=study).update(simulated=True)
    assert result(study).summary.headline.startswith("15 of 15 participants are simulated.")
    assert names(study) == []


def test_every_warning_stands_on_the_first_page_before_the_study_is_closed_and_on_the_results_after(tmp_path):
    study = made_up_study("rectified_labeling", {"gold": 2}, n_images=120)
    lifecycle.open_study(study)
    simulated_rows(study)
    Study.objects.filter(pk=study.pk).update(state=Study.State.OPEN, closed_at=None)
    person = study.participants.first()
    gold = study.stimuli.filter(role="gold").first()
    now = timezone.now()
    Trial.objects.bulk_create(
        Trial(
            study=study,
            participant=other,
            stimulus=gold,
            role="gold",
            position=1000,
            claimed_at=now,
            presented_at=now,
            answered_at=now,
            answer="yes",
            correct=place % 2 == 0,
        )
        for place, other in enumerate(study.participants.all()[:30])
    )
    study.trials.filter(participant=person).update(response_ms=250)
    before = study.trials.filter(counted=True).count()
    said = [need.what for need in needs(counted(Study.objects.filter(pk=study.pk)))]
    assert said[0].endswith("it can be closed once you have read what is odd about them")
    assert [line.partition(":")[0] for line in said[1:]] == ["Gold", "Fast answers"]
    page = text(researcher().get("/admin/"))
    assert "15 of 30 gold trials are answered right, below 70%" in page
    study.refresh_from_db()
    lifecycle.close_study(study)
    assert {"Gold", "Fast answers"} <= set(names(study))
    assert "15 of 30 gold trials" in text(researcher().get(f"/admin/studies/study/{study.pk}/results/"))
    # Never a silent exclusion.
    assert study.trials.filter(counted=True).count() == before
    export.write(study, tmp_path / "export")
    content = json.loads((tmp_path / "export" / "analysis.json").read_text())
    assert content["quality"]["gold"] == {"answers": 30, "right": 15, "least": 0.7}
    assert recompute.main(tmp_path / "export") == 0
    forged = content | {
        "warnings": [content["warnings"][0].replace("15 of 30", "2977 of 3051"), *content["warnings"][1:]]
    }
    (tmp_path / "export" / "analysis.json").write_text(json.dumps(forged))
    assert recompute.main(tmp_path / "export") == 1


# --- the minimum time -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("took", "design", "exclusion"),
    [
        (199, {}, "before it can be seen"),
        (200, {}, ""),
        (None, {}, ""),
        (0, {"min_answer_ms": 0}, ""),
        (999, {"min_answer_ms": 1000}, "before it can be seen"),
    ],
)
def test_an_answer_sooner_than_the_design_allows_is_kept_and_its_place_opens_again(took, design, exclusion):
    study = made_up_study("rectified_labeling", {"answers_per_stimulus": 1, "threshold": 1} | design)
    lifecycle.open_study(study)
    person, _token = participation.enrol(study, consent=participation.current_consent(study))
    participation.start(person)
    trial = participation.current_trial(person)
    participation.answer(person, trial.pk, "yes", response_ms=took)
    trial.refresh_from_db()
    assert (trial.answer, trial.exclusion, trial.counted) == ("yes", exclusion, not exclusion)
    assert study.slots.filter(stimulus=trial.stimulus, filled=True).exists() == (not exclusion)


def test_the_minimum_time_is_registered_with_every_protocol():
    study = made_up_study("class_assignment")
    lifecycle.open_study(study)
    assert study.design["min_answer_ms"] == 200
    assert any("less than 200 ms after its picture was painted" in e for e in study.frozen["analysis"]["exclusions"])


@pytest.mark.parametrize("value", [-1, 10_001, True, "soon"])
def test_a_minimum_time_that_cannot_be_is_refused(value):
    with pytest.raises(StudyError, match="min_answer_ms"):
        made_up_study("rectified_labeling", {"min_answer_ms": value})
