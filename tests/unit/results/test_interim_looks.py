"""Registered looks have boundaries, others make the result exploratory; both are told, exported and computed again."""

import json

import pytest
from django.core.management import call_command

from studies import lifecycle
from studies.analysis.spending import looks_at
from studies.export import export, recompute
from studies.lib.errors import StudyError
from studies.models import Study
from studies.results import figures
from studies.results.result import result
from studies.results.sequential import sequential
from tests.bench import made_up_study
from tests.factories import answered_study, simulated_rows
from tests.logged_in_users import researcher, text

pytestmark = pytest.mark.django_db
PLAN = {"spending": "obrien_fleming", "shares": [0.5, 0.75]}


@pytest.fixture(autouse=True)
def figures_are_drawn_elsewhere(monkeypatch):
    monkeypatch.setattr(figures, "svg", lambda figure: "<svg/>")


def test_without_a_plan_and_without_a_look_there_is_nothing_to_tell():
    assert sequential(None, [], 100, 100, closed=True) is None


def test_looks_within_five_points_of_a_registered_share_have_a_boundary_and_others_have_none():
    found = sequential(PLAN, [20, 53, 53, 71], 100, 100, closed=True)
    assert [(one["answers"], one["registered"]) for one in found["looks"]] == [(20, False), (53, True), (71, True)]
    assert found["unregistered"] == 1
    expected = looks_at([0.53, 0.71, 1.0], "obrien_fleming")
    told = [*found["looks"][1:], found["final"]]
    assert [one["level"] for one in told] == pytest.approx([look.level for look in expected])
    assert found["looks"][0]["boundary"] is None


def test_a_registered_share_serves_one_look_and_looks_at_the_same_answers_are_one():
    found = sequential(PLAN, [48, 48, 52], 100, 100, closed=True)
    assert [(one["answers"], one["registered"]) for one in found["looks"]] == [(48, True), (52, False)]


def test_a_look_when_all_answers_are_there_is_the_end_and_a_study_that_stops_early_leaves_alpha():
    assert sequential(PLAN, [50, 100], 100, 100, closed=True)["unregistered"] == 0
    early = sequential(PLAN, [50], 60, 100, closed=True)["final"]
    late = sequential(PLAN, [50], 100, 100, closed=True)["final"]
    assert early["level"] < late["level"] < 0.05


def test_a_look_stays_one_when_answers_went_after_it():
    found = sequential(PLAN, [30, 77], 70, 100, closed=True)
    assert [(one["answers"], one["registered"]) for one in found["looks"]] == [(30, False), (77, True)]
    # Nothing is left to spend at the end, which has fewer answers than the look.
    assert found["final"]["level"] == found["looks"][1]["level"]
    assert sequential(None, [77], 70, 100, closed=True)["unregistered"] == 1


def test_a_look_that_was_not_registered_marks_the_result_as_exploratory(tmp_path):
    study = answered_study(12, 5, 15, close=False)
    # Half of the answers are still to come when somebody looks.
    later = list(study.slots.filter(filled=True).order_by("pk")[:30])
    study.slots.filter(pk__in=[slot.pk for slot in later]).update(filled=False)
    call_command("analyse", study.slug)
    study.slots.filter(pk__in=[slot.pk for slot in later]).update(filled=True)
    lifecycle.close_study(study)
    found = result(study).summary
    assert found.headline.startswith("Exploratory (1 interim look not registered). At least 4 of 5")
    assert any(warning.startswith("Interim looks: 1 look at outcomes was not registered") for warning in found.warnings)
    export.write(study, tmp_path / "export")
    content = json.loads((tmp_path / "export" / "analysis.json").read_text())
    assert content["interim_looks"]["unregistered"] == 1
    assert recompute.main(tmp_path / "export") == 0


def test_a_registered_look_has_its_boundary_and_the_tests_are_held_to_what_is_left(tmp_path, capsys):
    design = {"spending": "pocock", "interim_looks": "50", "rounds": 24}
    study = made_up_study("class_assignment", design, n_images=160)
    lifecycle.open_study(study)
    assert study.frozen["analysis"]["looks"] == {"spending": "pocock", "shares": [0.5]}
    simulated_rows(study)
    Study.objects.filter(pk=study.pk).update(state=Study.State.OPEN, closed_at=None)
    study.refresh_from_db()
    filled = list(study.slots.filter(filled=True).order_by("pk").values_list("pk", flat=True))
    half = round(study.slots.count() / 2)
    study.slots.filter(pk__in=filled[half:]).update(filled=False)
    call_command("analyse", study.slug)
    study.slots.filter(pk__in=filled).update(filled=True)
    lifecycle.close_study(study)
    found = result(study).summary
    looks = found.measures["interim_looks"]
    assert [one["registered"] for one in looks["looks"]] == [True]
    assert looks["final"]["level"] < 0.05
    assert not found.headline.startswith("Exploratory")
    titles = [table.title for table in found.tables]
    assert {"Interim looks and their boundaries", "Registered contrasts at the boundary"} <= set(titles)
    assert any("are held to a p below 0.0" in warning for warning in found.warnings)
    export.write(study, tmp_path / "export")
    assert recompute.main(tmp_path / "export") == 0, capsys.readouterr().out
    content = json.loads((tmp_path / "export" / "analysis.json").read_text())
    content["interim_looks"]["final"]["boundary"] += 1e-6
    (tmp_path / "export" / "analysis.json").write_text(json.dumps(content))
    assert recompute.main(tmp_path / "export") == 1
    assert "differs: interim_looks.final.boundary" in capsys.readouterr().out
    assert "At 50% of the answers, by Pocock’s spending function" in text(
        researcher().get(f"/admin/studies/study/{study.pk}/results/")
    )


@pytest.mark.parametrize(
    ("design", "said"),
    [
        ({"spending": "pocock"}, "interim_looks: A spending function needs the looks"),
        ({"interim_looks": "50"}, "spending: Registered looks need a spending function"),
        ({"spending": "pocock", "interim_looks": "50, 40"}, "interim_looks: Percentages have to rise"),
        ({"spending": "pocock", "interim_looks": "50, 100"}, "interim_looks: Percentages lie above 0 and below 100"),
        ({"spending": "pocock", "interim_looks": "half"}, "interim_looks: Give percentages with commas"),
        ({"spending": "pocock", "interim_looks": "nan"}, "interim_looks: Percentages lie above 0 and below 100"),
        ({"spending": "whitehead", "interim_looks": "50"}, "spending: Must be one of"),
        ({"spending": "pocock", "interim_looks": 50}, "interim_looks: must be a text"),
    ],
)
def test_looks_that_cannot_be_registered_are_refused_in_one_line(design, said):
    with pytest.raises(StudyError, match=said):
        made_up_study("rectified_labeling", design)


def test_percentages_are_kept_as_short_as_they_are():
    study = made_up_study("rectified_labeling", {"spending": "pocock", "interim_looks": "25%,50.0 , 75"})
    assert study.design["interim_looks"] == "25, 50, 75"
