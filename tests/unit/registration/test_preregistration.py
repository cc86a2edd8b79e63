"""A preregistration is written from what is frozen, and later compared with what was done."""

import json

import pytest
from django.core.management import CommandError, call_command

from studies import lifecycle, protocols
from studies.designs.amendments import amend_study
from studies.planning import estimates
from studies.registration import files
from studies.registration.answers import registration
from studies.registration.done import registered_against_done
from studies.results.interim_looks import record_interim_look
from studies.results.result import counts
from tests.bench import made_up_study
from tests.factories import answered_study, make_study

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def nothing_is_simulated(monkeypatch):
    monkeypatch.setattr(estimates, "in_process", lambda *_args, **_how: (0.125, ""))


@pytest.mark.parametrize("key", protocols.available())
def test_every_question_is_answered_for_every_protocol(key):
    study = made_up_study(key)
    registered = registration(study)
    for form, answers in registered.answers.items():
        assert len(answers) in (21, 8), form
        assert [question for question, answer in answers if not any(line.strip() for line in answer)] == []
    lifecycle.open_study(study, anyway=True)
    study.refresh_from_db()
    assert registered.sha256 == study.design_sha256 == registration(study).sha256


def test_the_three_files_say_the_same(tmp_path, capsys):
    study = make_study(slug="birds")
    call_command("preregister", "birds", tmp_path / "out")
    told = json.loads((tmp_path / "out" / "birds-preregistration.json").read_text())
    text = (tmp_path / "out" / "birds-preregistration.md").read_text()
    assert told["design_sha256"] in text
    assert (tmp_path / "out" / "birds-preregistration.pdf").read_bytes().startswith(b"%PDF-")
    assert files.pdf(registration(study)) == (tmp_path / "out" / "birds-preregistration.pdf").read_bytes()
    (asked,) = [one for one in told["forms"]["AsPredicted"] if one["question"].startswith("7)")]
    assert asked["answer"][0].startswith("3 stimuli with answers of 5 different people each: 15 answers.")
    assert "12.5 points wide" in asked["answer"][1]
    with pytest.raises(CommandError, match="there already; choose another folder"):
        call_command("preregister", "birds", tmp_path / "out")


def test_before_it_is_prepared_there_is_nothing_to_register():
    study = make_study(slug="birds")
    lifecycle.change_design(study, study.design | {"seed": 3})
    with pytest.raises(CommandError, match=r"^study birds is draft: prepare it first"):
        call_command("preregister", "birds")


def test_answers_that_were_there_already_are_told():
    answers = dict(registration(answered_study(close=False)).answers["OSF Preregistration"])
    assert answers["Existing data"][0].startswith("Yes: 60 answers had been given when this was written")


def test_what_was_done_otherwise_is_named():
    study = answered_study(close=False)
    record_interim_look(study, "analyse")
    amend_study(study, reason="a slip", changes={"threshold": 3})
    lifecycle.close_study(study)
    study.refresh_from_db()
    table = registered_against_done(study, counts(study))
    told = {row[0]: row[1:] for row in table.rows}
    assert told["Answers that count"] == ["60", "60", "as registered"]
    assert told["Interim looks"] == ["none", "at 100%", "differs"]
    assert told["Setting threshold"] == ["4", "3", "differs"]
    assert told["Amendments"] == ["0", "1", "differs"]
    assert table.note == "3 of 9 differ."


def test_a_study_as_registered_says_so():
    study = answered_study()
    assert registered_against_done(study, counts(study)).note == "Everything was done as it was registered."


def test_texts_stay_texts_in_markdown():
    study = make_study(slug="birds")
    lifecycle.change_texts(study, title="<b>*Birds*</b> | $x_1$", consent_text="")
    study.refresh_from_db()
    assert r"# Preregistration: \<b\>\*Birds\*\</b\> \| $x\_1$" in files.markdown(registration(study))
    assert files.pdf(registration(study)).startswith(b"%PDF-")
