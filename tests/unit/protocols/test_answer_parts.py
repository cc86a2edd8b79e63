"""What is asked beside the decision: how it is read, refused, stored at once with it, shown and exported."""

import csv
import json

import lxml.html
import numpy as np
import pytest

from studies import lifecycle, participation, protocols
from studies.designs.choices import catalogue
from studies.export import export
from studies.models import Trial
from studies.protocols.base.answer_parts import Number, OneOf, PartError, Point, Rating, SomeOf, Text
from studies.results import figures
from tests.bench import made_up_study
from tests.factories import open_study
from tests.participant_client import Visitor

COLOURS = (("red", "Red"), ("blue", "Blue"))
PARTS = [
    OneOf("colour", "Which colour?", "…", options=COLOURS),
    SomeOf("colours", "Which colours?", "…", options=COLOURS),
    Rating("sure", "How sure?", "…", low=-2, high=2),
    Number("share", "How much?", "…", low=0, high=1, step=0.25),
    Text("why", "Why?", "…", longest=10),
    Point("where", "Where?", "…", cells=4),
]


@pytest.mark.parametrize(
    ("name", "sent", "value", "cell"),
    [
        ("colour", ["red"], "red", "red"),
        ("colours", ["blue", "red"], ["red", "blue"], "red; blue"),
        ("sure", ["-2"], -2, -2),
        ("share", ["0,75"], 0.75, 0.75),
        ("why", ["  so   it\tis "], "so it is", "so it is"),
        ("where", ["0,3"], [0.125, 0.875], "0.125; 0.875"),
    ],
)
def test_a_part_is_read_stored_as_json_and_exported_in_one_cell(name, sent, value, cell):
    (part,) = (one for one in PARTS if one.name == name)
    assert part.read(sent) == value
    assert json.loads(json.dumps(value)) == value
    assert part.cell(value) == cell


@pytest.mark.parametrize(
    ("name", "sent"),
    [
        ("colour", ["green"]),
        ("colour", ["red", "blue"]),
        ("colours", ["red", "green"]),
        ("sure", ["3"]),
        ("sure", ["1.5"]),
        ("share", ["0.3"]),
        ("share", ["nan"]),
        ("share", ["1e99"]),
        ("share", ["x"]),
        ("why", ["much too long a text"]),
        ("where", ["4,0"]),
        ("where", ["0,0,0"]),
    ],
)
def test_what_cannot_be_given_is_refused_in_a_line_that_says_which(name, sent):
    (part,) = (one for one in PARTS if one.name == name)
    with pytest.raises(PartError, match=f"cannot|can be given: {part.label[:5]}"):
        part.read(sent)


@pytest.mark.parametrize("part", PARTS, ids=lambda part: part.name)
def test_what_is_missing_is_refused_where_it_is_wanted(part):
    for nothing in ([], [""], [" \x00 "]):
        with pytest.raises(PartError, match="Please answer this too"):
            part.read(nothing)
    assert type(part)(part.name, part.label, part.meaning, required=False).read([]) is None


@pytest.mark.parametrize("part", PARTS, ids=lambda part: part.name)
def test_simulated_people_give_what_is_accepted(part):
    random = np.random.default_rng(0)
    for _ in range(20):
        part.read(part.simulated(random))


# --- confidence beside any answer -------------------------------------------------------------------------------------


@pytest.mark.django_db
@pytest.mark.parametrize("key", protocols.available())
def test_confidence_is_asked_on_the_page_of_every_protocol_and_stored_with_the_decision(key):
    study = made_up_study(key, {"confidence": True}, n_images=96)
    lifecycle.open_study(study)
    visitor = Visitor(study).begin()
    before = protocols.get(key).before(study.design, participation.shown_to(visitor.trial))
    page = lxml.html.fromstring(visitor.get().content)
    decisions = page.xpath("//form//input[@type='radio'][@name='answer']")
    assert before or [one.get("value") for one in decisions]
    assert len(page.xpath("//form//input[@type='radio'][@name='part_confidence']")) == 5
    # Each has a name that a screen reader says, and none is chosen before.
    assert all(one.getparent().text_content().strip() for one in decisions)
    assert not page.xpath("//form//input[@type='radio'][@checked]")
    pk = visitor.trial.pk
    visitor.send(answer=decisions[0].get("value"), part_confidence="4")
    trial = Trial.objects.get(pk=pk)
    assert (trial.answer, trial.parts) == (decisions[0].get("value"), {"confidence": 4})


@pytest.mark.django_db
def test_an_answer_without_its_confidence_is_not_stored_and_says_what_is_missing():
    visitor = Visitor(open_study(confidence=True)).begin()
    trial = visitor.trial
    for sent in ({}, {"part_confidence": "9"}, {"part_confidence": ""}):
        response = visitor.post(visitor.form() | {"answer": "yes"} | sent)
        assert response.status_code == 400
        assert "How sure are you?" in response.content.decode()
        trial.refresh_from_db()
        assert (trial.answered_at, trial.parts) == (None, None)
    visitor.send(answer="yes", part_confidence="1")
    trial.refresh_from_db()
    assert trial.parts == {"confidence": 1}
    assert trial.counted


@pytest.mark.django_db
def test_a_design_without_the_switch_is_what_it_was_before_there_was_one():
    study = open_study()
    assert "confidence" not in study.design
    kind = protocols.get(study.protocol)
    again = kind.clean({**study.design, "confidence": False}, catalogue=catalogue())
    assert again == study.design
    assert kind.clean({**study.design, "confidence": True}, catalogue=catalogue())["confidence"] is True


@pytest.mark.django_db
def test_the_export_has_a_column_for_it_and_none_where_it_is_not_asked(tmp_path, monkeypatch):
    monkeypatch.setattr(figures, "svg", lambda figure: "<svg/>")
    for name, design in (("with", {"confidence": True}), ("without", {})):
        study = open_study(n_stimuli=2, answers_per_stimulus=1, **design)
        visitor = Visitor(study).begin()
        while visitor.trial:
            visitor.send(answer="yes", **({"part_confidence": "2"} if design else {}))
        lifecycle.close_study(study)
        export.write(study, tmp_path / name)
        with (tmp_path / name / "answers.csv").open(encoding="utf-8-sig") as file:
            rows = list(csv.DictReader(file))
        assert [row.get("confidence") for row in rows] == (["2", "2"] if design else [None, None])
    described = json.loads((tmp_path / "with" / "dataset_description.json").read_text())["variableMeasured"]
    assert any(one["name"] == "confidence" and "from 1" in one["description"] for one in described)


@pytest.mark.django_db
def test_removing_the_answers_of_somebody_who_withdraws_removes_their_parts():
    study = made_up_study("advice", {"mode": "two_step", "withdrawal": "remove", "confidence": True}, n_images=96)
    lifecycle.open_study(study)
    visitor = Visitor(study).begin()
    options = visitor.trial.stimulus.shown["options"]
    visitor.send(part_first_answer=options[0]["value"])
    visitor.send(answer=options[0]["value"], part_confidence="3")
    visitor.send(part_first_answer=visitor.trial.stimulus.shown["options"][0]["value"])
    assert Trial.objects.filter(parts__isnull=False).count() == 2
    participation.withdraw(visitor.participant)
    assert Trial.objects.filter(parts__isnull=False).count() == 0


# --- an answer before the rest is shown -------------------------------------------------------------------------------


@pytest.fixture
def two_steps(db):
    study = made_up_study("advice", {"mode": "two_step", "explainers": ["occlusion"], "gold": 0}, n_images=96)
    lifecycle.open_study(study)
    return Visitor(study).begin()


def test_the_advice_is_not_on_the_page_before_the_first_answer_is_stored(two_steps):
    trial, shown = two_steps.trial, two_steps.trial.stimulus.shown
    page = two_steps.get().content.decode()
    assert shown["explanation"]["file"] not in page
    assert f"{shown['percent']}%" not in page
    assert "The program says" not in page
    two_steps.send(part_first_answer=shown["options"][0]["value"])
    trial.refresh_from_db()
    assert trial.parts == {"first_answer": shown["options"][0]["value"]}
    assert trial.answered_at is None
    assert two_steps.trial.pk == trial.pk
    assert shown["explanation"]["file"] in two_steps.get().content.decode()
    two_steps.send(answer=shown["options"][1]["value"])
    trial.refresh_from_db()
    assert trial.answer == shown["options"][1]["value"]
    assert trial.parts == {"first_answer": shown["options"][0]["value"]}
    assert trial.counted


def test_the_first_answer_stands_and_no_final_one_is_taken_before_it(two_steps):
    trial, options = two_steps.trial, two_steps.trial.stimulus.shown["options"]
    response = two_steps.post(two_steps.form() | {"answer": options[0]["value"]})
    assert response.status_code == 400
    form = two_steps.form()
    for value in (options[0]["value"], options[1]["value"]):
        assert two_steps.post(form | {"part_first_answer": value}).status_code == 303
    trial.refresh_from_db()
    assert trial.parts == {"first_answer": options[0]["value"]}
    assert trial.answered_at is None
    assert Trial.objects.filter(participant=trial.participant, presented_at__isnull=False).count() == 1
