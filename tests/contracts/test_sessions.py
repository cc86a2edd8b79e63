"""A whole session of every protocol with everything that can come around its trials switched on, page by page."""

import math
import re
from datetime import timedelta

import lxml.html
import pytest

from studies import lifecycle, participation, protocols
from studies.models import Participant, Role, Study, Trial
from studies.protocols import DesignError
from studies.results import result
from studies.simulation import age
from tests.bench import CLASSES, made_up_study
from tests.examples import SESSION
from tests.participant_client import Visitor, heading, text

pytestmark = pytest.mark.django_db

KEYS = list(protocols.available())
ON = {**SESSION, "language": "en", "trials_per_participant": 4}
#: Enough images of each class for rounds of a class assignment in which every image is clear.
IMAGES = 8 * 24
ATTRIBUTE = "attribute_annotation"
#: Whose checks are no questions about a class, to be answered yes or no.
OTHERWISE = ("two_choice", "preference", "distinction", "advice", "simulatability", ATTRIBUTE)
NAMED = {"names": "classes", "rounds": 3, "conditions": ["random"]}


@pytest.fixture(params=KEYS)
def study(request) -> Study:
    study = made_up_study(request.param, ON, n_images=IMAGES)
    lifecycle.open_study(study)
    return study


def choices(visitor: Visitor) -> list[str]:
    """The answers of the page's form, by their buttons, or where more is asked by their places to tick."""
    return lxml.html.fromstring(visitor.get().content).xpath("//form//*[@name='answer']/@value")


def answer(visitor: Visitor, *, right: bool) -> Trial:
    """Answer the trial on the page, a check right or wrong."""
    trial = visitor.trial
    offered = choices(visitor)
    assert len(offered) > 1
    if (expected := trial.stimulus.truth.get("expected")) and not right:
        is_expected = protocols.get(trial.study.protocol).is_expected
        offered = [value for value in offered if not is_expected(value, expected)]
    # As if they had looked at it for a minute, which no protocol takes for too fast or too slow.
    age(visitor.participant, timedelta(minutes=1))
    visitor.send(answer=expected if expected and right else offered[0])
    trial.refresh_from_db()
    return trial


def begin(study: Study) -> Visitor:
    visitor = Visitor(study)
    visitor.send()
    visitor.send(question_1="34", question_2="no")
    visitor.send()
    return visitor


def sizes(study: Study) -> tuple[int, int]:
    """How many main and training trials a visit has."""
    phases = protocols.get(study.protocol).phases(study.design)
    return study.design["trials_per_participant"], sum(phase.trials for phase in phases if phase.training)


def test_a_session_goes_from_consent_to_the_completion_code_page_by_page(study):
    visitor = Visitor(study)
    visitor.send()
    assert heading(visitor.get()) == "A few questions about you"
    visitor.send(question_1="34", question_2="no")
    assert "An example" in text(visitor.get())
    assert "Expected answer:" in text(visitor.get())
    visitor.send()
    for number in (1, 2):
        assert f"Practice {number} of 2" in text(visitor.get())
        trial = answer(visitor, right=number == 1)
        assert (trial.role, trial.correct, trial.counted) == (Role.PRACTICE, number == 1, False)
        assert ("which is the expected answer." if number == 1 else "The expected answer is") in text(visitor.get())
        assert ("That was the practice" in text(visitor.get())) is (number == 2)
        visitor.send()
    met, (main, training) = [], sizes(study)
    while visitor.trial:
        assert f"{len(met) + 1} of {main + training + 2}" in text(visitor.get())
        met.append(answer(visitor, right=True))
        if met[-1].role == Role.TRAINING:
            visitor.send()
    roles = [trial.role for trial in met]
    assert (roles.count(Role.MAIN), roles.count(Role.GOLD), roles.count(Role.TRAINING)) == (main, 2, training)
    assert all(trial.correct for trial in met if trial.role == Role.GOLD)
    assert all(trial.correct is None for trial in met if trial.role == Role.MAIN)
    person = visitor.participant
    if person.returns_at:
        return  # a second visit follows after days; its own tests are elsewhere
    visitor.send(comments="  Nothing was wrong.  ")
    end = visitor.get()
    person.refresh_from_db()
    assert person.comments == "Nothing was wrong."
    assert person.background == {"How old are you?": "34", "Do you wear glasses?": "no", "What do you work as?": ""}
    assert f"You answered {len(met)} questions" in text(end)
    assert SESSION["debrief"] in text(end)
    onward = f"https://recruiter.example/done?code={person.completion_code}&outcome=completed"
    assert onward in lxml.html.fromstring(end.content).xpath("//a/@href")


def test_checks_take_no_slots_and_are_never_counted(study):
    visitor = begin(study)
    while visitor.participant.started_at and (visitor.trial or visitor_reads_feedback(visitor)):
        if visitor.trial:
            answer(visitor, right=True)
        else:
            visitor.send()
    checks = Trial.objects.exclude(role=Role.MAIN)
    assert checks.filter(answered_at__isnull=False).count() == 4 + sizes(study)[1]
    assert not checks.filter(counted=True).exists()
    assert not study.slots.exclude(stimulus__role=Role.MAIN).exists()
    counts = result.counts(study)
    assert counts["stimuli"] == study.stimuli.filter(role=Role.MAIN).count() < study.stimuli.count()
    counts["checks"].pop("training", None)
    assert counts["checks"] == {"practice": {"answers": 2, "right": 2}, "gold": {"answers": 2, "right": 2}}


def visitor_reads_feedback(visitor: Visitor) -> bool:
    return Trial.objects.filter(
        role__in=(Role.PRACTICE, Role.TRAINING), answered_at__isnull=False, feedback_seen_at=None
    ).exists()


@pytest.mark.parametrize("reopen", [False, True])
def test_whoever_answers_too_much_gold_wrong_ends_politely_and_is_coded(study, reopen):
    study.design["reopen_screened"] = reopen
    study.save(update_fields=["design"])
    visitor = begin(study)
    for _ in range(2):
        answer(visitor, right=True)
        visitor.send()
    gold = []
    while visitor.trial:
        trial = answer(visitor, right=False)
        gold += [trial] if trial.role == Role.GOLD else []
        if trial.role == Role.TRAINING:
            visitor.send()
    person = visitor.participant
    # One of two wrong still leaves half of them right.
    assert [trial.correct for trial in gold] == [False, False]
    assert person.screened_out_at
    assert person.finished_at
    visitor.send(comments="")
    assert "The study ends here for you" in text(visitor.get())
    assert "outcome=screened_out" in visitor.get().content.decode()
    kept = Trial.objects.filter(participant=person, role=Role.MAIN, answered_at__isnull=False)
    assert kept.exists()
    assert not Trial.objects.filter(participant=person, presented_at=None, released_at=None).exists()
    assert not study.slots.filter(holder__participant=person, filled=False).exists()
    assert study.slots.filter(holder__participant=person).exists() is not reopen
    assert set(kept.values_list("exclusion", flat=True)) == ({"screened out"} if reopen else {""})
    assert result.counts(study)["screened_out_participants"] == 1


def test_gold_stands_at_places_drawn_for_each_participant(study):
    places = set()
    for number in range(1, 7):
        person, _token = participation.enrol(study, consent=participation.current_consent(study))
        participation.start(person)
        roles = []
        while (standing := participation.arrive(Participant.objects.get(pk=person.pk))).shown or standing.feedback:
            if standing.feedback:
                participation.leave_feedback(person, standing.feedback.pk)
                continue
            age(person, timedelta(minutes=1))
            protocol, stimulus = protocols.get(study.protocol), standing.shown.stimulus
            offered = protocol.choices(study.design, stimulus.shown)
            given = participation.answer(
                person,
                standing.shown.pk,
                stimulus.truth.get("expected", offered[0].value),
                parts={
                    part.name: [stimulus.truth.get("expected_parts", {}).get(part.name, "no")]
                    for part in protocol.parts(study.design, stimulus.shown)
                },
            )
            roles += [given.trial.role] if given.trial.role != Role.PRACTICE else []
        assert roles.count(Role.GOLD) == 2, number
        places.add(tuple(at for at, role in enumerate(roles) if role == Role.GOLD))
    assert len(places) > 1


def told_apart_by(study: Study, trial: Trial, page: str) -> str:
    """What of a trial's page is not its pictures, its signature, its place in the session, or the name of a class."""
    for name in protocols.get(study.protocol).pictures(trial.stimulus.shown):
        page = page.replace(name, "PICTURE")
    about = study.design.get("attributes") or [study.design.get("attribute", CLASSES[0])]
    asked = [*CLASSES, *(name.replace("_", " ") for name in CLASSES), *about]
    page = re.sub("|".join(map(re.escape, asked)), "CLASS", page)
    page = re.sub(r'(name="trial" value|data-ahead|<progress value)="[^"]*"', r"\1", page)
    # What a classifier is sure of differs from trial to trial.
    page = re.sub(r"\d+% sure", "N% sure", page)
    return re.sub(r"\d+ of \d+|about .* left", "N of N", page)


#: With something said of every class too, but where an attribute is asked about: there only checks are about classes.
GLOSSED = [
    (key, glossed) for key in KEYS for glossed in (False, True) if not (glossed and key == "attribute_annotation")
]


@pytest.mark.parametrize(
    ("key", "glossed", "more"),
    [*((*one, {}) for one in GLOSSED), *(("rectified_labeling", glossed, {"top_k": 5}) for glossed in (False, True))],
)
def test_pages_of_gold_are_those_of_other_trials_but_for_picture_class_and_signature(key, glossed, more):
    study = made_up_study(key, {"gold": 2, "trials_per_participant": 4, **more}, n_images=IMAGES, glossed=glossed)
    lifecycle.open_study(study)
    pages: dict[str, set[str]] = {}
    visitor = Visitor(study).begin()
    while trial := visitor.trial:
        page = visitor.get().content.decode()
        pages.setdefault(trial.role, set()).add(told_apart_by(study, trial, page))
        answer(visitor, right=True)
    assert pages[Role.GOLD] <= pages[Role.MAIN]


@pytest.mark.parametrize(
    ("key", "more"), [*((key, {}) for key in KEYS), ("rectified_labeling", {"top_k": 5}), ("class_assignment", NAMED)]
)
def test_what_a_check_expects_is_right_and_no_answer_is_right_for_all(key, more):
    checks = {"example": True, "practice": 3, "gold": 3}
    study = made_up_study(key, checks | more, n_images=2 * IMAGES)
    expected: dict[str, list[str]] = {}
    for stimulus in study.stimuli.control_stimuli().order_by("number"):
        truth, offered = stimulus.truth, protocols.get(key).choices(study.design, stimulus.shown)
        assert truth["expected"] in [choice.value for choice in offered]
        if stimulus.role == Role.TRAINING:
            continue
        expected.setdefault(stimulus.role, []).append(truth["expected"])
        if key in OTHERWISE:
            continue
        if "classes" in truth:
            assert truth["classes"]["ABCDEF".index(truth["expected"])] == truth["label"]
            continue
        asked = truth["label"].split("; ")
        assert (truth["expected"] == "yes") is (truth["true_label"] in asked)
        shown = stimulus.shown.get("asks", [stimulus.shown["ask"]])
        assert shown == [name.replace("_", " ") for name in asked]
        assert truth["true_probability"] >= 0.9
        assert len(set(asked)) == more.get("top_k", 1)
        if truth["expected"] == "no":
            # Nor is it what the classifier thinks of, the true class and the next four; of these only the last ones.
            far = [(CLASSES.index(name) - CLASSES.index(truth["true_label"])) % len(CLASSES) for name in asked]
            assert min(far) >= (5 if len(asked) == 1 else 3)
    # So many that each is met as often as a main stimulus, and as many as one person meets at the least.
    main, visits = study.stimuli.main().count(), 2 if key == "adversarial_trials" else 1
    gold = max(3 * visits, math.ceil(main * 3 / min(main, study.design["trials_per_participant"])))
    if key == ATTRIBUTE:
        # All that are named and not used otherwise.
        gold = len(study.design["checks"]) - 4
    assert {role: len(values) for role, values in expected.items()} == {"example": 1, "practice": 3, "gold": gold}
    if key in ("class_assignment", *OTHERWISE):
        assert len(set(expected["gold"])) > (1 if key in ("preference", "advice", ATTRIBUTE) else 2)
        return
    # An example shows what is meant by yes; of the others every second one is.
    assert expected == {"example": ["yes"], "practice": ["yes", "no", "yes"], "gold": (["yes", "no"] * gold)[:gold]}


@pytest.mark.parametrize("key", KEYS)
def test_too_few_clear_images_for_the_checks_are_one_clear_line(key):
    with pytest.raises(DesignError, match=r"the checks .*need .* and there are"):
        made_up_study(key, {"gold": 60, "practice": 9}, n_images=IMAGES)


def test_questions_sent_again_change_nothing_and_a_wrong_number_is_told(study):
    visitor = Visitor(study)
    visitor.send()
    form = visitor.form()
    refused = visitor.post(form | {"question_1": "old"})
    assert refused.status_code == 400
    assert "Enter a whole number." in text(refused)
    assert Participant.objects.get().background is None
    visitor.send(question_1="34")
    visitor.post(form | {"question_1": "99"})
    assert Participant.objects.get().background["How old are you?"] == "34"


def test_feedback_is_read_once_and_a_reload_stays_at_it(study):
    visitor = begin(study)
    answer(visitor, right=True)
    before = visitor.form()
    assert "which is the expected answer." in text(visitor.get())
    visitor.send()
    assert "Practice 2 of 2" in text(visitor.get())
    visitor.post(before)
    assert "Practice 2 of 2" in text(visitor.get())
    assert participation.progress(visitor.participant)[0] == 0
