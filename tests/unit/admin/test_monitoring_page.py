"""An open study as it runs: what is counted, that no outcome is told, and excluding somebody at the desk."""

from datetime import timedelta

import lxml.html
import pytest
from django.core.cache import cache
from django.urls import reverse
from django.utils import timezone

from studies import lifecycle, participation
from studies.models import Participant, Study, Trial
from studies.results.monitoring import over_time, running
from tests.bench import made_up_study
from tests.factories import answered_study, make_study, open_study
from tests.logged_in_users import researcher, said, staff, text

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def nothing_remembered():
    cache.clear()


def at(study: Study, name: str = "running", query: str = "") -> str:
    return reverse(f"admin:studies_study_{name}", args=[study.pk]) + query


def person_in(study: Study, answers: int = 0, start: bool = True, answer: str = "yes") -> Participant:
    person, _token = participation.enrol(study, consent=participation.current_consent(study))
    if start:
        participation.start(person)
    for _ in range(answers):
        trial = participation.current_trial(person)
        participation.answer(person, trial.pk, trial.stimulus.truth.get("expected", answer), response_ms=1500)
    person.refresh_from_db()
    return person


def test_panels_are_full_partly_full_or_empty():
    study = open_study(4, 2, trials_per_participant=4)
    person_in(study, 2)
    person_in(study, 4)
    found = running(study)
    assert (found.full, found.partly, found.empty) == (2, 2, 0)
    assert (found.answered, found.wanted) == (6, 8)
    assert (running(open_study(3)).full, running(open_study(3)).partly, running(open_study(3)).empty) == (0, 0, 3)


def test_people_are_counted_by_how_far_they_got():
    session = {"questions": "How old are you? | number", "practice": 1, "gold": 2, "trials_per_participant": 2}
    study = made_up_study("rectified_labeling", session, n_images=240)
    lifecycle.open_study(study)
    person_in(study, start=False)
    asked = person_in(study, start=False)
    participation.tell_background(asked, {})
    for n, answers in enumerate((0, 1, 3)):
        person = person_in(study, start=False)
        participation.tell_background(person, {})
        participation.start(person)
        for _ in range(answers):
            trial = participation.current_trial(person)
            participation.answer(person, trial.pk, trial.stimulus.truth.get("expected", "yes"))
            if trial.role == "practice":
                participation.leave_feedback(person, trial.pk)
        assert n < 3
    out = person_in(study)
    Participant.objects.filter(pk=out.pk).update(screened_out_at=timezone.now(), finished_at=timezone.now())
    gone = person_in(study)
    participation.exclude(gone, reason="a bot")
    found = running(study)
    assert {step.name: step.people for step in found.funnel} == {
        "Agreed": 7,
        "Left the questions": 4,
        "Left the instructions": 5,
        "Left the practice": 2,
        "Answered a trial": 1,
        "Finished": 0,
    }
    assert (found.screened_out, found.excluded) == (1, 1)


def test_the_gold_rate_and_the_median_are_of_what_was_answered():
    study = made_up_study("rectified_labeling", {"gold": 2, "trials_per_participant": 4}, n_images=240)
    lifecycle.open_study(study)
    for _ in range(2):
        person_in(study, 6)
    gold = Trial.objects.filter(role="gold")
    Trial.objects.filter(pk=gold.first().pk).update(correct=False)
    found = running(study)
    assert (found.gold, found.gold_right, found.gold_percent) == (4, 3, 75)
    assert found.median_seconds == 1.5


def test_the_end_is_estimated_from_the_pace_of_the_last_day():
    study = open_study(20, 2, trials_per_participant=20)
    Study.objects.filter(pk=study.pk).update(opened_at=timezone.now() - timedelta(days=3))
    study.refresh_from_db()
    assert running(study).ends_at is None
    person_in(study, 20)
    found = running(study)
    # Twenty answers in a day, and twenty are left.
    assert found.pace == 20
    assert abs(found.ends_at - found.at - timedelta(days=1)) < timedelta(seconds=1)
    lifecycle.pause_study(study)
    assert running(study).ends_at is None
    Trial.objects.update(answered_at=timezone.now() - timedelta(days=2))
    assert running(study).pace is None


def test_whoever_is_not_heard_of_for_a_day_is_gone():
    study = open_study(4, 3, trials_per_participant=4)
    long_ago = timezone.now() - timedelta(days=2)
    quiet, busy, done = person_in(study, 1), person_in(study, 1), person_in(study, 4)
    Participant.objects.update(consented_at=long_ago)
    Trial.objects.filter(participant__in=[quiet, done]).update(answered_at=long_ago)
    assert done.finished_at
    assert busy.finished_at is None
    assert running(study).gone == 1


@pytest.mark.parametrize("hours", [5, 100])
def test_charts_hold_every_answer_and_everybody_who_agreed(hours):
    study = open_study(6, 2, trials_per_participant=6)
    person_in(study, 6)
    person_in(study, 3)
    first, *_rest = Trial.objects.filter(counted=True).order_by("pk").values_list("pk", flat=True)
    Trial.objects.filter(pk=first).update(answered_at=timezone.now() - timedelta(hours=hours))
    answers, people = over_time(study)
    assert sum(answers.series[0]["y"]) == 9
    assert sum(people.series[0]["y"]) == 2
    assert answers.series[0]["y"][0] == 1
    assert answers.x == ("hour" if hours < 48 else "day")
    assert len(answers.series[0]["x"]) == len(people.series[0]["x"])


def test_the_page_tells_counts_and_renews_itself_while_the_study_runs():
    study, client = open_study(3, 2, trials_per_participant=3), researcher()
    person_in(study, 3)
    response = client.get(at(study))
    words = text(response)
    assert "3 of 6" in words
    assert "Answers over time" not in words
    chart = text(client.get(at(study, "charts")))
    assert "Answers over time" in chart
    assert "Recruitment over time" in chart
    parts = lxml.html.fromstring(response.content).xpath("//*[@id='charts']/@hx-get")
    assert parts == [at(study, "charts")]
    renews = "//*[@id='running']/@hx-trigger"
    assert lxml.html.fromstring(response.content).xpath(renews) == ["every 15s"]
    lifecycle.close_study(study)
    assert lxml.html.fromstring(client.get(at(study)).content).xpath(renews) == []


def test_no_outcome_is_told_while_a_study_runs():
    pages = []
    for answer in ("yes", "no"):
        study = open_study(3, 2, slug=f"says-{answer}", trials_per_participant=3)
        person_in(study, 3, answer=answer)
        moment = timezone.now().replace(microsecond=0) - timedelta(minutes=5)
        Trial.objects.filter(study=study).update(answered_at=moment, presented_at=moment)
        Participant.objects.filter(study=study).update(consented_at=moment)
        main = text(researcher().get(at(study)))
        pages.append(main[main.index("3 of 6") :].partition("Estimated")[0])
        figures = over_time(study)
        pages.append(str([figure.series for figure in figures]))
    assert pages[0] == pages[2]
    assert pages[1] == pages[3]


def test_what_nobody_can_answer_yet_does_not_run():
    study = make_study(2)
    (line,) = said(researcher().get(at(study), follow=True))
    assert "it cannot be answered yet" in line


# --- participants, and excluding them ---------------------------------------------------------------------------------


def test_a_participant_is_found_by_number_identifier_and_code():
    study, client = answered_study(6, 2, 4, close=False), researcher()
    person = study.participants.get(number=3)
    for asked in ("3", str(person.public_id), person.completion_code.lower()):
        words = text(client.get(at(study, "participants"), {"q": asked}))
        assert str(person.public_id) in words
        assert "1 participants" in words
    for asked in ("99", "nobody", "½", "9" * 40):
        assert "No participant has this number" in text(client.get(at(study, "participants"), {"q": asked}))


def test_excluding_asks_why_says_what_it_does_and_cannot_be_taken_back():
    study, client = open_study(3, 2, trials_per_participant=3), researcher()
    person = person_in(study, 2)
    address = at(study, "exclude", f"?number={person.number}")
    page = text(client.get(address))
    assert "They gave 2 answers" in page
    assert "cannot be undone" in page
    assert "required" in text(client.post(address, {"reason": " "}))
    assert study.slots.filter(filled=True).count() == 2
    (line,) = said(client.post(address, {"reason": "answered in no time"}, follow=True))
    assert "2 places opened again" in line
    assert study.slots.filter(filled=True).count() == 0
    listed = text(client.get(at(study, "participants")))
    assert "Excluded: answered in no time" in listed
    assert "Exclude …" not in listed
    assert "excluded already" in text(client.post(address, {"reason": "again"}))


@pytest.mark.parametrize("number", ["", "0", "7", "x", "9" * 40])
def test_nobody_of_another_number_is_excluded(number):
    study = open_study(2)
    person_in(study, 1)
    assert researcher().post(at(study, "exclude", f"?number={number}"), {"reason": "why"}).status_code == 404


def test_whoever_only_reads_excludes_nobody():
    study = open_study(2)
    person_in(study, 1)
    client = staff("view_study", sees=study)
    assert "Exclude …" not in text(client.get(at(study, "participants")))
    assert client.post(at(study, "exclude", "?number=1"), {"reason": "why"}).status_code == 403


def test_after_closing_nobody_is_excluded():
    study = open_study(2)
    person_in(study, 1)
    lifecycle.close_study(study)
    client = researcher()
    assert "Exclude …" not in text(client.get(at(study, "participants")))
    assert "while it runs" in text(client.post(at(study, "exclude", "?number=1"), {"reason": "why"}))
