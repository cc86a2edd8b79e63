"""What is fixed when a study opens, what may change afterwards, and who saw outcomes before the end."""

import csv
import json

import pytest
from django.core.management import CommandError, call_command

from studies import lifecycle, protocols
from studies.designs.amendments import amend_study
from studies.export import export, recompute
from studies.lib.canonical_json import digest
from studies.lib.errors import StudyError
from studies.models import Amendment, InterimLook
from studies.results import figures
from studies.results.result import result
from tests.bench import made_up_study
from tests.factories import answered_study, make_study, open_study
from tests.logged_in_users import researcher, text

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def figures_are_drawn_elsewhere(monkeypatch):
    monkeypatch.setattr(figures, "svg", lambda figure: "<svg/>")


def exported(study, folder) -> dict:
    export.write(study, folder)
    return {name: json.loads((folder / f"{name}.json").read_text()) for name in ("analysis", "design")}


# --- frozen -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("key", protocols.available())
def test_opening_freezes_the_analysis_with_the_design(key):
    study = made_up_study(key)
    assert study.frozen is None
    lifecycle.open_study(study)
    frozen = study.frozen["analysis"]
    panel, n = study.design["answers_per_stimulus"], study.stimuli.main().count()
    assert frozen["estimand"]
    assert {one["kind"] for one in frozen["computations"]} <= set(recompute.KINDS)
    assert frozen["computations"]
    assert frozen["exclusions"]
    assert (frozen["alpha"], frozen["correction"]) == (0.05, "Holm")
    assert frozen["target"] == {"stimuli": n, "answers_per_stimulus": panel, "answers": n * panel}
    assert set(frozen["seeds"].values()) == {study.design["seed"]}
    assert frozen["threshold"] == study.design.get("threshold")
    assert study.frozen["protocol_version"] == protocols.get(key).version
    assert digest(study.frozen) == study.design_sha256


def test_what_will_be_frozen_is_shown_before_it_is():
    study = made_up_study("class_assignment")
    words = text(researcher().get(f"/admin/studies/study/{study.pk}/open/"))
    assert "The analysis that is frozen with it Estimand The share of counted answers" in words
    lifecycle.open_study(study)
    assert lifecycle.registered_analysis(study) == study.frozen["analysis"]


def test_another_analysis_has_another_hash():
    one, other = (open_study(threshold=threshold, slug=f"at-{threshold}") for threshold in (3, 4))
    same = {name: value for name, value in one.frozen.items() if name not in ("study", "design", "analysis")}
    assert {name: other.frozen[name] for name in same} != one.frozen
    assert one.design_sha256 != other.design_sha256


def test_the_tested_contrasts_are_those_that_were_registered():
    study = made_up_study("class_assignment")
    lifecycle.open_study(study)
    registered = [contrast["name"] for contrast in study.frozen["analysis"]["contrasts"]]
    assert len(registered) == 10
    assert "Random against chance" in registered


# --- amendments -------------------------------------------------------------------------------------------------------


def test_an_amended_threshold_gives_an_exploratory_result_beside_the_registered_one(tmp_path):
    study = answered_study(close=False)
    amend_study(study, reason="Four of five is too strict.", changes={"threshold": 2})
    lifecycle.close_study(study)
    found = result(study)
    assert found.summary.measures["threshold"] == 4
    ((amendment, summary),) = found.exploratory
    assert (amendment.number, amendment.outcomes_known, summary.measures["threshold"]) == (1, False, 2)
    files = exported(study, tmp_path / "export")
    assert files["analysis"]["threshold"] == 4
    assert [one["threshold"] for one in files["analysis"]["exploratory"]] == [2]
    assert files["design"]["sha256"] == digest(files["design"]["frozen"]) == study.design_sha256
    assert list((tmp_path / "export" / "tables").glob("exploratory-amendment-1-top-1-error-*.csv"))
    assert recompute.main(tmp_path / "export") == 0


def test_amendments_are_numbered_and_chained_from_the_design(tmp_path):
    study = answered_study()
    amend_study(study, reason="Words alone.")
    amend_study(study, reason="Both.", changes={"threshold": 3, "unequal_panels": "proportion"})
    amend_study(study, reason="Back to n.", changes={"threshold": 5, "unequal_panels": "proportion"})
    previous, amendments = study.design_sha256, exported(study, tmp_path / "export")["design"]["amendments"]
    assert [(one["number"], one["changes"]) for one in amendments] == [
        (1, {}),
        (2, {"threshold": 3, "unequal_panels": "proportion"}),
        (3, {"threshold": 5}),
    ]
    for one in amendments:
        content = {name: one[name] for name in ("number", "made_at", "reason", "changes")}
        assert one["sha256"] == digest({"previous": previous, **content})
        assert one["outcomes_known"] is True
        previous = one["sha256"]
    assert json.loads((tmp_path / "export" / "analysis.json").read_text())["amendments_sha256"] == previous
    # Each goes on from the one before.
    assert [summary.measures["threshold"] for _, summary in result(study).exploratory] == [3, 5]


@pytest.mark.parametrize(
    ("changes", "reason", "said"),
    [
        ({"answers_per_stimulus": 3}, "why", r"answers_per_stimulus cannot be amended.*amendable: threshold"),
        ({"nonsense": 3}, "why", "nonsense cannot be amended"),
        ({"threshold": 9}, "why", "threshold: Must not be above answers_per_stimulus"),
        ({"threshold": True}, "why", "threshold: must be a whole number, not True"),
        ({"threshold": 3}, "  ", "an amendment needs a reason"),
    ],
)
def test_what_cannot_be_amended_is_refused_and_nothing_is_stored(changes, reason, said):
    study = answered_study()
    with pytest.raises(StudyError, match=said):
        amend_study(study, reason=reason, changes=changes)
    assert not Amendment.objects.exists()


def test_before_it_opens_a_study_is_changed_and_not_amended():
    with pytest.raises(StudyError, match="change its design instead of amending it"):
        amend_study(make_study(), reason="why")


def test_amending_by_command(capsys):
    study = answered_study()
    call_command("amend_study", study.slug, reason="Looser.", set=["threshold=2", "unequal_panels=proportion"])
    assert "Amendment 1" in capsys.readouterr().out
    assert study.amendments.get().changes == {"threshold": 2, "unequal_panels": "proportion"}
    with pytest.raises(CommandError, match="--set takes NAME=VALUE"):
        call_command("amend_study", study.slug, reason="Looser.", set=["threshold"])
    call_command("analyse", study.slug)
    assert (
        "Exploratory, amendment 1 (threshold 2, unequal_panels proportion): At least 2 of 5" in capsys.readouterr().out
    )


# --- looks ------------------------------------------------------------------------------------------------------------


def test_each_look_at_an_open_study_is_a_row_and_is_exported(tmp_path, capsys):
    study = answered_study(close=False)
    call_command("analyse", study.slug)
    call_command("export_study", study.slug, str(tmp_path / "early"))
    assert list(study.looks.values_list("way", "answers", "participants")) == [
        ("analyse", 60, 15),
        ("export_study", 60, 15),
    ]
    assert amend_study(study, reason="After all.").outcomes_known is True
    lifecycle.close_study(study)
    call_command("export_study", study.slug, str(tmp_path / "late"))
    for folder, n in (("early", 2), ("late", 2)):
        rows = list(csv.DictReader((tmp_path / folder / "looks.csv").open(encoding="utf-8-sig")))
        assert [row["way"] for row in rows] == ["analyse", "export_study"][:n]
        assert json.loads((tmp_path / folder / "analysis.json").read_text())["looks"] == n


def test_without_a_look_an_open_study_tells_times_and_counts_alone():
    study = answered_study(close=False)
    found = result(study)
    assert (found.summary, found.exploratory) == (None, ())
    assert [table.title for table in found.quality.tables] == [
        "Response times in seconds",
        "What became of the answers",
    ]
    assert [figure.name for figure in found.quality.figures] == ["response_times"]
    assert not InterimLook.objects.exists()


def test_a_closed_study_is_not_looked_at_early(tmp_path):
    study = answered_study()
    call_command("analyse", study.slug)
    export.write(study, tmp_path / "export")
    assert not InterimLook.objects.exists()
    assert (tmp_path / "export" / "looks.csv").read_text().count("\n") == 1


def test_a_refused_export_is_no_look(tmp_path):
    study = answered_study(close=False)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("")
    with pytest.raises(CommandError):
        call_command("export_study", study.slug, str(tmp_path / "mine"))
    assert not InterimLook.objects.exists()
