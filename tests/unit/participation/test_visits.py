"""Arms, visits and families: nobody meets one image in two conditions within the washout."""

from datetime import timedelta

import pytest
from django.db import IntegrityError, connection, transaction
from django.db.models import F
from django.urls import reverse
from django.utils import timezone

from studies import lifecycle, participation
from studies.export import data_dictionary
from studies.models import Participant, Stimulus, Study, Trial
from studies.participation import visits
from studies.results import frames, result
from studies.simulation import age
from studies.views import session_pages
from tests.bench import made_up_study

pytestmark = pytest.mark.django_db

DAY = timedelta(days=1)


def opened(**design) -> Study:
    study = made_up_study("adversarial_trials", {"threshold": 1, **design})
    lifecycle.open_study(study)
    return study


def come(study) -> tuple[Participant, str]:
    person, token = participation.enrol(study, consent=participation.current_consent(study))
    participation.start(person)
    return person, token


def answer_all(person) -> list[Stimulus]:
    met = []
    while trial := participation.current_trial(person):
        met.append(trial.stimulus)
        participation.answer(person, trial.pk, "yes")
    person.refresh_from_db()
    return met


def conditions(stimuli) -> set[str]:
    return {stimulus.condition.key for stimulus in stimuli}


def families(stimuli) -> list[str]:
    return sorted(stimulus.family for stimulus in stimuli)


def test_a_visit_shows_one_condition_and_the_next_visit_the_other():
    study = opened()
    person, _ = come(study)
    first = answer_all(person)
    assert conditions(first) == {"whole"}
    assert person.finished_at is None
    age(person, 3 * DAY)
    participation.start(person)
    second = answer_all(person)
    assert conditions(second) == {"explanation"}
    assert families(first) == families(second)
    assert len(set(families(first))) == study.stimuli.count() / 2
    assert (person.visit, person.returns_at, person.finished_at is not None) == (2, None, True)


def test_the_second_visit_is_refused_until_the_washout_is_over_by_the_servers_clock():
    study = opened(washout_days=3)
    person, _ = come(study)
    answer_all(person)
    last = Trial.objects.latest("answered_at").answered_at
    assert person.returns_at == last + 3 * DAY
    age(person, 3 * DAY - timedelta(minutes=1))
    with pytest.raises(participation.TooEarly):
        participation.start(person)
    person.refresh_from_db()
    assert person.visit == 1
    assert participation.current_trial(person) is None
    age(person, timedelta(minutes=1))
    participation.start(person)
    assert participation.current_trial(person).visit == 2


def test_the_page_says_when_to_come_back_and_then_goes_on(client):
    study = opened()
    person, token = come(study)
    page = reverse("studies:take", args=[token])
    early = lxml_form(client.get(page))
    answer_all(person)
    text = client.get(page).content.decode()
    when = person.returns_at + timedelta(minutes=1)
    assert when.strftime("%H:%M (UTC)") in text
    assert f"http://testserver{page}" in text
    assert person.completion_code in text
    assert "<form" not in text
    # A form kept from before, and one of the instructions, are refused before the time is over.
    start = participation_form(person)
    assert client.post(page, {"trial": start}).status_code == 403
    assert client.post(page, {"trial": early, "answer": "no"}).status_code == 303
    assert Trial.objects.filter(answer="no").count() == 0
    age(person, 3 * DAY)
    text = client.get(page).content.decode()
    assert "Welcome back" in text
    assert client.post(page, {"trial": start}).status_code == 303
    assert "<form" in client.get(page).content.decode()
    assert Participant.objects.get().visit == 2


def lxml_form(response) -> str:
    import lxml.html

    return dict(lxml.html.fromstring(response.content).forms[0].form_values())["trial"]


def participation_form(person) -> str:
    return session_pages.signer(person).sign(session_pages.START)


def test_in_separate_groups_nobody_comes_back_and_groups_fill_evenly():
    study = opened(meeting="separate_groups", answers_per_stimulus=2)
    arms = []
    for _ in range(4):
        person, _token = come(study)
        met = answer_all(person)
        assert len(conditions(met)) == 1
        assert person.finished_at
        arms.append(person.arm.key)
    assert sorted(arms) == ["explanation", "explanation", "whole", "whole"]
    assert not study.slots.filter(filled=False).exists()


def test_people_begin_with_either_condition_and_answers_of_those_who_come_back_are_kept_for_them():
    study = opened(answers_per_stimulus=4)
    people = []
    while participation.has_room(study):
        people.append(come(study)[0])
        answer_all(people[-1])
    assert [person.arm.key for person in people] == ["whole", "explanation"] * 2
    assert study.slots.filter(filled=False).count() == study.slots.count() / 2
    for person in people:
        age(person, 3 * DAY)
        participation.start(person)
        answer_all(person)
    assert not study.slots.filter(filled=False).exists()


def test_who_does_not_come_back_for_another_washout_is_lost_and_their_places_are_free():
    study = opened(answers_per_stimulus=1)
    person, _ = come(study)
    answer_all(person)
    assert visits.counts(study) == {"waiting": 1, "due": 0, "returned": 0, "lost": 0}
    assert not participation.has_room(study)
    age(person, 4 * DAY)
    assert visits.counts(study) == {"waiting": 0, "due": 1, "returned": 0, "lost": 0}
    age(person, 3 * DAY)
    assert visits.counts(study) == {"waiting": 0, "due": 0, "returned": 0, "lost": 1}
    assert participation.has_room(study)


def test_who_left_in_the_middle_is_waited_for_a_day():
    study = opened(answers_per_stimulus=1, meeting="separate_groups")
    people = [come(study)[0] for _ in range(2)]
    assert not participation.has_room(study)
    for person in people:
        age(person, visits.PATIENCE)
    assert participation.has_room(study)


def test_returned_and_lost_are_counted_in_the_result():
    study = opened()
    returning, gone = come(study)[0], come(study)[0]
    for person in (returning, gone):
        answer_all(person)
    age(returning, 3 * DAY)
    participation.start(returning)
    lifecycle.close_study(study)
    found = result.result(study)
    assert found.counts["visits"] == {"waiting": 0, "due": 0, "returned": 1, "lost": 1}
    rows = {row[1]: dict(zip(data_dictionary.PARTICIPANTS, row, strict=True)) for row in frames.participants(study)}
    assert (rows[str(returning.public_id)]["visits"], rows[str(gone.public_id)]["visits"]) == (2, 1)
    assert rows[str(gone.public_id)]["returns_at"]


def test_a_study_without_visits_counts_none():
    assert result.counts(opened(meeting="separate_groups"))["visits"] is None


def test_a_paused_study_begins_no_visit_and_goes_on_afterwards(client):
    study = opened()
    person, token = come(study)
    answer_all(person)
    age(person, 3 * DAY)
    lifecycle.pause_study(study)
    participation.start(person)
    assert Participant.objects.get().visit == 1
    assert "paused" in client.get(reverse("studies:take", args=[token])).content.decode()
    lifecycle.open_study(study)
    participation.start(person)
    assert Participant.objects.get().visit == 2


def test_two_tabs_begin_one_visit():
    study = opened()
    person, _ = come(study)
    answer_all(person)
    age(person, 3 * DAY)
    other_tab = Participant.objects.get(pk=person.pk)
    participation.start(person)
    participation.start(other_tab)
    assert Participant.objects.get().visit == 2
    assert Trial.objects.filter(visit=2, presented_at__isnull=False).count() == 1


def test_a_tab_from_before_goes_on_in_the_visit_that_has_begun():
    study = opened()
    person, _ = come(study)
    answer_all(person)
    age(person, 3 * DAY)
    older_tab = Participant.objects.select_related("study").get(pk=person.pk)
    participation.start(person)
    for _ in range(2):
        shown = participation.arrive(Participant.objects.select_related("study").get(pk=person.pk)).shown
        participation.answer(older_tab, shown.pk, "yes")
    trials = Trial.objects.filter(participant=person, visit=2)
    assert trials.count() == 4
    assert set(trials.values_list("washed_out_at", flat=True)) == {Participant.objects.get().washed_out_at}


# --- the database itself ----------------------------------------------------------------------------------------------


def other_condition(trial: Trial) -> dict:
    twin = Stimulus.objects.exclude(pk=trial.stimulus_id).get(family=trial.stimulus.family)
    return {
        "study": trial.study,
        "participant": trial.participant,
        "stimulus": twin,
        "family": twin.family,
        "position": 99,
        "claimed_at": timezone.now(),
    }


def test_the_database_refuses_the_other_condition_of_an_image_in_one_visit():
    trial = participation.current_trial(come(opened())[0])
    with pytest.raises(IntegrityError), transaction.atomic():
        Trial.objects.create(**other_condition(trial))


@pytest.mark.parametrize("washed_out", [None, timedelta(minutes=1)])
def test_the_database_refuses_a_second_visit_without_or_before_the_end_of_a_washout(washed_out):
    trial = participation.current_trial(come(opened())[0])
    until = timezone.now() + washed_out if washed_out else None
    with pytest.raises(IntegrityError), transaction.atomic():
        Trial.objects.create(**other_condition(trial), visit=2, washed_out_at=until)
    # The control: after a washout the very same row is taken.
    Trial.objects.create(**other_condition(trial), visit=2, washed_out_at=timezone.now() - timedelta(minutes=1))


def test_the_database_refuses_a_participant_in_a_second_visit_without_a_washout():
    person, _ = come(opened())
    with pytest.raises(IntegrityError), transaction.atomic():
        Participant.objects.filter(pk=person.pk).update(visit=F("visit") + 1)


def test_of_a_family_one_is_met_where_there_are_no_arms(monkeypatch):
    from studies.protocols.adversarial_trials import AdversarialTrials

    monkeypatch.setattr(AdversarialTrials, "arms", lambda self, design: None)
    study = opened()
    person, _ = come(study)
    met = answer_all(person)
    assert len(met) == len(set(families(met))) == study.stimuli.count() / 2
    assert person.finished_at


def test_without_the_constraints_both_conditions_would_be_met():
    """The negative control: the very rows refused above are taken once their constraints are gone."""
    trial = participation.current_trial(come(opened())[0])
    twin = other_condition(trial)
    with connection.cursor() as cursor:
        cursor.execute("DROP INDEX one_of_a_family_a_visit")
    with transaction.atomic():
        Trial.objects.create(**twin).delete()
    early = {**twin, "visit": 2, "washed_out_at": timezone.now() + timedelta(minutes=1)}
    with pytest.raises(IntegrityError), transaction.atomic():
        Trial.objects.create(**early)
    try:
        with connection.cursor() as cursor:
            cursor.execute("PRAGMA ignore_check_constraints = ON")
        Trial.objects.create(**early)
    finally:
        with connection.cursor() as cursor:
            cursor.execute("PRAGMA ignore_check_constraints = OFF")
