"""Evidence is recorded where people agreed to it, bounded, tallied, and ends nobody's participation."""

import csv
import json

import pytest

from studies import lifecycle, participation
from studies.designs.consent_claims import EVIDENCE_RECORDED
from studies.export import export
from studies.lib.errors import StudyError
from studies.models import Participant, Slot, Trial
from studies.results import result
from tests.factories import make_study, open_study
from tests.participant_client import Visitor, heading, text

pytestmark = pytest.mark.django_db
SESSION = {"webdriver": False, "width": 1280, "height": 720, "ratio": 2, "hertz": 60, "touch_points": 0}
MOUSE = {"by": "mouse", "trusted": True, "input": True, "off": [0.1, 0.2], "moves": 40, "distance": 310, "net": 300}
MOUSE |= {"straight": 0.97, "first_ms": 420, "keys": 0, "pastes": 0, "focus": True, "visible": True, "setup": SESSION}
SCRIPT = MOUSE | {"by": "action", "trusted": False, "input": False, "off": None}
DESIGN = {"threshold": 1, "evidence": True, "hidden_field": True, "by_yourself": True}


def answers(study, told, n: int = 1, **sent) -> Visitor:
    visitor = Visitor(study).begin()
    for _ in range(n):
        visitor.send(answer="yes", evidence=told if isinstance(told, str) else json.dumps(told), **sent)
    return visitor


def test_what_a_page_saw_is_kept_with_the_answer_and_once_for_the_browser(tmp_path):
    study = open_study(2, 1, **DESIGN)
    visitor = answers(study, MOUSE, 2)
    first = Trial.objects.filter(answered_at__isnull=False).first()
    assert first.evidence == {name: value for name, value in MOUSE.items() if name != "setup"}
    person = visitor.participant
    assert person.evidence["session"] == SESSION | {"browser": ""}
    assert (person.evidence["tally"]["answers"], person.flags) == (2, [])
    lifecycle.close_study(study)
    study.refresh_from_db()
    export.write(study, tmp_path / "export")
    with (tmp_path / "export" / "answers.csv").open() as file:
        assert json.loads(next(csv.DictReader(file))["evidence"])["net"] == 300
    with (tmp_path / "export" / "participants.csv").open() as file:
        row = next(csv.DictReader(file))
    assert (json.loads(row["flags"]), json.loads(row["evidence"])["session"]["hertz"]) == ([], 60)


def test_nothing_is_asked_for_or_kept_that_people_did_not_agree_to():
    study = open_study(2, 2, threshold=1)
    assert not {"evidence", "more"} & set(Visitor(study).begin().form())
    visitor = answers(study, MOUSE | {"setup": {"webdriver": True}}, more="x")
    assert (visitor.participant.evidence, visitor.participant.flags) == (None, None)
    assert not Trial.objects.filter(evidence__isnull=False).exists()


@pytest.mark.parametrize(
    "told",
    [
        "",
        "{",
        "[]",
        "null",
        json.dumps(MOUSE | {"by": "<script>"}),
        json.dumps(MOUSE | {"more": "x" * 2000}),
        "[" * 1900,
        '{"by": "mouse", "moves": 1e999}'.replace("mouse", "nobody"),
    ],
)
def test_what_cannot_be_evidence_is_left_out_and_the_answer_stands(told):
    answers(open_study(1, 1, **DESIGN), told)
    trial = Trial.objects.get(answered_at__isnull=False)
    assert (trial.evidence, trial.counted) == (None, True)


def test_numbers_that_cannot_be_are_left_out_of_it():
    odd = MOUSE | {"moves": -3, "net": "far", "straight": 7, "first_ms": True, "off": [0, "x"], "keys": 1e99}
    answers(open_study(1, 1, **DESIGN), json.dumps(odd)[:-1] + ', "distance": 1e999}')
    kept = Trial.objects.get(answered_at__isnull=False).evidence
    assert [kept[name] for name in ("net", "straight", "first_ms", "off", "distance")] == [None] * 5
    assert kept["keys"] == 0


@pytest.mark.parametrize(
    ("told", "sent", "sign"),
    [
        (MOUSE | {"setup": SESSION | {"webdriver": True}}, {}, "automated_browser"),
        (SCRIPT, {}, "scripted_answers"),
        (MOUSE, {"more": "yes"}, "hidden_field"),
    ],
)
def test_who_shows_a_sign_is_flagged_told_nothing_and_paid_as_others(told, sent, sign):
    study = open_study(3, 1, flagging="flag", **DESIGN)
    visitor = answers(study, told, 3, **sent)
    assert visitor.participant.flags == [sign]
    page = visitor.get()
    assert heading(page).startswith("Thank you")
    assert sign not in page.content.decode()
    assert visitor.participant.completion_code in text(page)
    assert Trial.objects.filter(counted=True).count() == 3


def test_a_registered_rule_does_not_count_their_answers_and_asks_others():
    study = open_study(4, 1, flagging="exclude", **DESIGN)
    assert any("sign of a program" in rule for rule in study.frozen["analysis"]["exclusions"])
    visitor = answers(study, SCRIPT, 4)
    person = visitor.participant
    assert person.flags == ["scripted_answers"]
    assert set(Trial.objects.filter(participant=person).values_list("counted", "exclusion")) == {
        (False, participation.FLAGGED)
    }
    assert not Slot.objects.filter(filled=True).exists()
    answers(study, MOUSE, 4)
    assert Slot.objects.filter(filled=True).count() == 4
    lifecycle.close_study(study)
    study.refresh_from_db()
    found = result.result(study)
    assert found.counts["exclusions"] == {participation.FLAGGED: 4}
    assert found.summary.measures["flagged"]["flagged"] == 1
    # With and without them, as with every exclusion.
    assert [step["after"] for step in found.summary.measures["sensitivity"]["steps"]] == ["registered", None]


def test_results_come_with_and_without_those_who_are_flagged():
    study = open_study(4, 2, flagging="flag", **DESIGN | {"threshold": 2})
    answers(study, SCRIPT, 4)
    answers(study, MOUSE, 4)
    lifecycle.close_study(study)
    study.refresh_from_db()
    summary = result.result(study).summary
    flagged = summary.measures["flagged"]
    assert (flagged["participants"], flagged["flagged"], flagged["without"]["answers"]) == (2, 1, 4)
    assert flagged["signals"] == {"automated_browser": 0, "scripted_answers": 1, "hidden_field": 0}
    titles = {table.title: table for table in summary.tables}
    assert "Of 2 participants with such records, 1 had at least one signal" in titles["Signs of programs"].note
    beside = titles["With and without participants with signs of a program"]
    assert [row[:2] for row in beside.rows] == [["registered: with them", 8], ["without them", 4]]


def test_the_browser_is_kept_as_first_seen_but_one_that_a_program_drives_later_is():
    study = open_study(3, 1, **DESIGN)
    visitor = answers(study, MOUSE)
    later = SESSION | {"width": 300, "webdriver": True}
    visitor.send(answer="yes", evidence=json.dumps(MOUSE | {"setup": later}))
    assert visitor.participant.evidence["session"] | {"browser": ""} == SESSION | {"webdriver": True, "browser": ""}


@pytest.mark.parametrize("language", ["en", "fr", "de"])
def test_people_agree_to_it_in_words_of_its_own_and_are_asked_to_answer_themselves(language):
    from django.utils import translation

    study = open_study(1, 1, language=language, **DESIGN)
    with translation.override(language):
        assert str(EVIDENCE_RECORDED) in participation.current_consent(study).text
    visitor = Visitor(study)
    visitor.send()
    asked = {"en": "Please answer by yourself", "fr": "Veuillez répondre vous-même", "de": "Bitte antworten Sie selbst"}
    assert asked[language] in text(visitor.get())


def test_withdrawing_and_forgetting_take_it_away():
    study = open_study(2, 2, **DESIGN)
    gone, stays = answers(study, MOUSE), answers(study, SCRIPT)
    participation.withdraw(gone.participant)
    assert Trial.objects.filter(evidence__isnull=False).count() == 1
    from studies.participation import erasing

    erasing.disconnect(Participant.objects.filter(pk=stays.participant.pk))
    assert not Participant.objects.filter(evidence__isnull=False).exists()


@pytest.mark.parametrize("name", ["hidden_field", "flagging"])
def test_a_rule_without_evidence_is_refused(name):
    with pytest.raises(StudyError, match="Needs evidence"):
        make_study(1, 1, **{name: "flag" if name == "flagging" else True})


def test_a_design_without_any_of_it_is_what_it_was():
    assert not {"evidence", "hidden_field", "by_yourself", "flagging"} & set(make_study(1, 1).design)
