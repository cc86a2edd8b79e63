"""A whole session of every protocol with everything that can come around its trials switched on, page by page."""

from datetime import timedelta

import lxml.html
import pytest

from studies import lifecycle, participation, protocols
from studies.models import Participant, Role, Study, Trial
from studies.protocols import DesignError
from studies.reports import results
from studies.simulation import age
from tests.bench import made_up_study
from tests.examples import SESSION
from tests.visitor import Visitor, heading, text

pytestmark = pytest.mark.django_db

KEYS = list(protocols.available())
ON = {**SESSION, "language": "en", "trials_per_participant": 4}
#: Enough images of each class for rounds of a class assignment in which every image is clear.
IMAGES = 8 * 24


@pytest.fixture(params=KEYS)
def study(request) -> Study:
    study = made_up_study(request.param, ON, n_images=IMAGES)
    lifecycle.open_study(study)
    return study


def choices(visitor: Visitor) -> list[str]:
    """The answers of the page's form, by their buttons."""
    buttons = lxml.html.fromstring(visitor.get().content).xpath("//form//button[@name='answer']")
    return [button.get("value") for button in buttons]


def answer(visitor: Visitor, *, right: bool) -> Trial:
    """Answer the trial on the page, a check right or wrong."""
    trial = visitor.trial
    offered = choices(visitor)
    assert len(offered) > 1
    if (expected := trial.stimulus.truth.get("expected")) and not right:
        offered.remove(expected)
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
        assert ("as we expected." if number == 1 else "We expected") in text(visitor.get())
        assert ("That was the practice" in text(visitor.get())) is (number == 2)
        visitor.send()
    met = []
    while visitor.trial:
        assert f"{len(met) + 1} of 6" in text(visitor.get())
        met.append(answer(visitor, right=True))
    roles = [trial.role for trial in met]
    assert (roles.count(Role.MAIN), roles.count(Role.GOLD)) == (4, 2)
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
    assert "You answered 6 questions" in text(end)
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
    assert checks.filter(answered_at__isnull=False).count() == 4
    assert not checks.filter(counted=True).exists()
    assert not study.slots.exclude(stimulus__role=Role.MAIN).exists()
    counts = results.counts(study)
    assert counts["stimuli"] == study.stimuli.filter(role=Role.MAIN).count() < study.stimuli.count()
    assert counts["checks"] == {"practice": {"answers": 2, "right": 2}, "gold": {"answers": 2, "right": 2}}


def visitor_reads_feedback(visitor: Visitor) -> bool:
    return Trial.objects.filter(role=Role.PRACTICE, answered_at__isnull=False, feedback_seen_at=None).exists()


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
    person = visitor.participant
    # One of two wrong still leaves half of them right.
    assert [trial.correct for trial in gold] == [False, False]
    assert person.screened_out_at
    assert person.finished_at
    visitor.send(comments="")
    assert "This is the end of the study for you" in text(visitor.get())
    assert "outcome=screened_out" in visitor.get().content.decode()
    kept = Trial.objects.filter(participant=person, role=Role.MAIN, answered_at__isnull=False)
    assert kept.exists()
    assert study.slots.filter(holder__participant=person).exists() is not reopen
    assert set(kept.values_list("exclusion", flat=True)) == ({"screened out"} if reopen else {""})
    assert results.counts(study)["screened_out_participants"] == 1


def test_gold_stands_at_places_drawn_for_each_participant_and_looks_like_the_rest(study):
    places, pages = set(), {}
    for _ in range(6):
        visitor = begin(study)
        for _ in range(2):
            answer(visitor, right=True)
            visitor.send()
        roles = []
        while visitor.trial:
            page = lxml.html.fromstring(visitor.get().content)
            pages.setdefault(visitor.trial.role, set()).add(tuple(one.tag for one in page.iter() if one.tag != "img"))
            roles.append(answer(visitor, right=True).role)
        places.add(tuple(at for at, role in enumerate(roles) if role == Role.GOLD))
    assert len(places) > 1
    # What differs between trials of one kind may differ; nothing tells the kinds apart.
    assert pages[Role.GOLD] & pages[Role.MAIN]


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
    assert "as we expected." in text(visitor.get())
    visitor.send()
    assert "Practice 2 of 2" in text(visitor.get())
    visitor.post(before)
    assert "Practice 2 of 2" in text(visitor.get())
    assert participation.progress(visitor.participant)[0] == 0
