"""A study is created whole, opened once, and refuses in one line what its state does not allow."""

import json

import pytest
from django.core.management import CommandError, call_command

from studies import lifecycle, participation
from studies.designs.consent import consent_texts
from studies.lib.canonical_json import digest
from studies.lib.errors import StudyError
from studies.models import Slot, Study
from studies.protocols.base.session_form import LATER, SessionForm
from tests.factories import make_classifier, make_image_set, make_study, open_study

pytestmark = pytest.mark.django_db

State = Study.State


@pytest.fixture
def design() -> dict:
    return {"classifier": make_classifier(make_image_set(), "net").name}


def create(tmp_path, design, slug: str = "study", protocol: str = "rectified_labeling") -> Study:
    path = tmp_path / "design.json"
    path.write_text(design if isinstance(design, str) else json.dumps(design))
    call_command("create_study", slug, protocol=protocol, design=path)
    return Study.objects.get(slug=slug)


def test_a_design_is_stored_complete(tmp_path, design):
    study = create(tmp_path, design | {"trials_per_participant": 10})
    assert study.state == State.DRAFT
    session = {name: field.initial for name, field in SessionForm.base_fields.items()}
    # These came later: where they have their defaults, a design is what it was before.
    for name in LATER:
        del session[name]
    assert study.design == session | {
        "classifier": "net",
        "classifiers": [],
        "answers_per_stimulus": 5,
        "threshold": 4,
        "unequal_panels": "drop",
        "estimand": "this image set",
        "trials_per_participant": 10,
        "top_k": 1,
        "selection": "top1_errors",
        "asking": "one_question",
        "classes": [],
        "sample": None,
        "seed": 0,
    }


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"treshold": 4}, "treshold: unknown setting (did you mean threshold?)"),
        ({"threshold": 6}, "threshold: Must not be above answers_per_stimulus, which is 5."),
        ({"threshold": 0}, "threshold: Ensure this value is greater than or equal to 1."),
        ({"threshold": 3.5}, "threshold: must be a whole number, not "),
        ({"threshold": True}, "threshold: must be a whole number, not True"),
        ({"threshold": "four"}, "threshold: must be a whole number, not "),
        ({"answers_per_stimulus": 0}, "answers_per_stimulus: Ensure this value is greater than or equal to 1."),
        ({"classifier": "other"}, "classifier: other is not the name of a classifier (there are: net)."),
        ({"classes": ["zebra"]}, "classes: This classifier has no class zebra."),
        ({"classes": ["bell", "bell"]}, "classes: Named twice: bell."),
        ({"classes": {"bell": 1}}, "classes: must be a text with a line for each, or a list of texts"),
        ({"sample": 0}, "sample: Ensure this value is greater than or equal to 1."),
        ({"seed": -1}, "seed: Ensure this value is greater than or equal to 0."),
    ],
)
def test_a_wrong_setting_is_named(tmp_path, design, change, said):
    complete = design | {"answers_per_stimulus": 5, "threshold": 4, "trials_per_participant": 10}
    with pytest.raises(CommandError) as caught:
        create(tmp_path, complete | change)
    assert said in str(caught.value)
    assert not Study.objects.exists()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "line 1: Expecting property name"),
        ("[]", "a design is a JSON object of settings"),
        ("{}", "classifier: This field is required."),
        ('{"classifier": NaN}', "classifier:"),
    ],
)
def test_a_file_that_is_no_design_is_refused(tmp_path, design, text, said):
    with pytest.raises(CommandError) as caught:
        create(tmp_path, text)
    assert said in str(caught.value)


def test_an_unknown_protocol_names_those_there_are(tmp_path, design):
    with pytest.raises(CommandError, match=r"no protocol 'labelling'; there are: .*rectified_labeling"):
        create(tmp_path, design, protocol="labelling")


def test_a_missing_design_file_is_refused(tmp_path):
    with pytest.raises(CommandError, match="No such file"):
        call_command("create_study", "study", protocol="rectified_labeling", design=tmp_path / "none.json")


@pytest.mark.parametrize("command", ["prepare", "open_study", "pause_study", "close_study", "simulate", "analyse"])
def test_every_command_knows_when_there_is_no_such_study(command):
    options = {"participants": 1} if command == "simulate" else {}
    with pytest.raises(CommandError, match="there is no study called nowhere"):
        call_command(command, "nowhere", **options)


def test_opening_freezes_the_design_and_makes_the_slots():
    study = make_study(4, 3)
    lifecycle.open_study(study)
    assert study.state == State.OPEN
    assert study.frozen["design"] == study.design
    assert study.design_sha256 == digest(study.frozen)
    assert {one.text for one in study.consents.all()} == set(consent_texts(study).values())
    assert list(Slot.objects.values_list("slot_no", flat=True).order_by("slot_no")) == [1] * 4 + [2] * 4 + [3] * 4
    for slot_no in (1, 2, 3):
        assert sorted(Slot.objects.filter(slot_no=slot_no).values_list("rank", flat=True)) == [0, 1, 2, 3]


def test_opening_again_after_a_pause_makes_no_further_slots():
    study = open_study(4, 3)
    frozen = study.design_sha256
    lifecycle.pause_study(study)
    lifecycle.open_study(study)
    assert study.slots.count() == 12
    assert study.design_sha256 == frozen


ALLOWED = {
    "open": {State.READY: State.OPEN, State.PAUSED: State.OPEN},
    "pause": {State.OPEN: State.PAUSED},
    "close": {State.OPEN: State.CLOSED, State.PAUSED: State.CLOSED},
}


@pytest.mark.parametrize("state", State.values)
@pytest.mark.parametrize("verb", ALLOWED)
def test_a_step_is_taken_where_allowed_and_refused_elsewhere(verb, state):
    study = make_study(1, 1)
    Study.objects.filter(pk=study.pk).update(state=state)
    study.refresh_from_db()
    step = getattr(lifecycle, f"{verb}_study")
    if state in ALLOWED[verb]:
        step(study)
        assert study.state == ALLOWED[verb][state]
    else:
        with pytest.raises(StudyError, match=f"is {state}"):
            step(study)
        study.refresh_from_db()
        assert study.state == state
        assert not study.slots.exists()


def test_an_unprepared_study_cannot_be_opened(tmp_path, design):
    create(tmp_path, design | {"threshold": 4, "answers_per_stimulus": 5, "trials_per_participant": 10})
    with pytest.raises(CommandError, match="study study is draft: prepare it first"):
        call_command("open_study", "study")


def test_an_open_study_keeps_its_design():
    study = open_study(2)
    design = dict(study.design)
    with pytest.raises(StudyError, match="its design can no longer be changed"):
        lifecycle.change_design(study, {**design, "threshold": 1})
    assert Study.objects.get().design == design


def test_a_changed_design_has_to_be_prepared_again():
    study = make_study(2)
    lifecycle.change_design(study, dict(study.design) | {"threshold": 1})
    assert study.state == State.DRAFT


def test_a_closed_study_takes_no_answer():
    study = open_study(2)
    person, _ = participation.enrol(study, consent=participation.current_consent(study))
    participation.start(person)
    trial = participation.current_trial(person)
    lifecycle.close_study(study)
    with pytest.raises(StudyError, match="closed"):
        participation.answer(person, trial.pk, "yes")
    trial.refresh_from_db()
    assert trial.answered_at is None


@pytest.mark.parametrize(
    ("names", "said"),
    [
        ({"slug": 101 * "x"}, "has 101 characters, and a short name at most 100"),
        ({"slug": "x", "title": 201 * "y"}, "has 201 characters, and a title at most 200"),
    ],
)
def test_names_that_no_column_has_room_for_are_refused_on_every_database(names, said):
    with pytest.raises(StudyError) as refused:
        lifecycle.create_study(**names, protocol="rectified_labeling", design={})
    assert said in str(refused.value)
    assert not Study.objects.exists()
