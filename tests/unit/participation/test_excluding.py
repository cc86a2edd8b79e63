"""Excluding a participant: nothing is deleted, nothing of theirs counts, their places go to others, and it is told."""

import csv
import io
import zipfile

import pytest
from django.urls import reverse
from django.utils import timezone

from studies import lifecycle, participation
from studies.export import export
from studies.lib.errors import StudyError
from studies.models import Slot, Study, Trial
from studies.results.result import counts
from tests.bench import made_up_study
from tests.factories import open_study

pytestmark = pytest.mark.django_db


def person_in(study: Study, answers: int = 0):
    person, token = participation.enrol(study, consent=participation.current_consent(study))
    participation.start(person)
    for _ in range(answers):
        trial = participation.current_trial(person)
        participation.answer(person, trial.pk, "yes")
    return person, token


def test_answers_stay_and_count_no_more_and_the_slots_are_free_again():
    study = open_study(4, 2)
    person, _token = person_in(study, 3)
    other, _token = person_in(study, 2)
    assert participation.exclude(person, reason="a bot") == 3
    person.refresh_from_db()
    assert (person.exclusion_reason, person.excluded_at is not None) == ("a bot", True)
    answered = Trial.objects.filter(participant=person, answered_at__isnull=False)
    assert set(answered.values_list("answer", "counted", "exclusion")) == {("yes", False, "excluded")}
    assert answered.count() == 3
    assert not Slot.objects.filter(holder__participant=person).exists()
    assert study.slots.filter(filled=True).count() == 2
    assert Trial.objects.filter(participant=other, counted=True).count() == 2


def test_what_was_kept_ready_for_somebody_excluded_is_given_back():
    study = open_study(4, 2)
    person, _token = person_in(study, 1)
    ready = Trial.objects.get(participant=person, presented_at=None)
    participation.exclude(person, reason="a bot")
    ready.refresh_from_db()
    assert ready.released_at
    assert not Slot.objects.filter(holder__participant=person).exists()


def test_others_are_asked_in_their_place_until_every_panel_is_full():
    study = open_study(3, 2)
    bad, _token = person_in(study, 3)
    participation.exclude(bad, reason="a bot")
    for _ in range(2):
        person_in(study, 3)
    assert study.slots.filter(filled=True).count() == 6
    assert not Trial.objects.filter(participant=bad, counted=True).exists()


def test_an_answer_that_was_on_their_screen_is_kept_and_does_not_count():
    study = open_study(3, 2)
    person, _token = person_in(study, 1)
    trial = participation.current_trial(person)
    participation.exclude(person, reason="a bot")
    given = participation.answer(person, trial.pk, "no")
    trial.refresh_from_db()
    assert (trial.answer, trial.counted, trial.exclusion) == ("no", False, "excluded")
    assert given.standing.shown is None
    assert study.slots.filter(filled=True).count() == 0


def test_an_excluded_participant_sees_the_end_and_their_code(client):
    study = open_study(3, 2)
    person, token = person_in(study, 2)
    participation.exclude(person, reason="a bot")
    page = client.get(reverse("studies:take", args=[token])).content.decode()
    assert person.completion_code in page
    assert "a bot" not in page
    assert "exclu" not in page


def test_somebody_excluded_between_two_visits_does_not_come_back():
    study = made_up_study("adversarial_trials", {"washout_days": 0.01}, n_images=24)
    lifecycle.open_study(study)
    person, _token = participation.enrol(study, consent=participation.current_consent(study))
    participation.start(person)
    while trial := participation.current_trial(person):
        participation.answer(person, trial.pk, "yes")
    person.refresh_from_db()
    assert person.returns_at
    # The washout is over: they could begin.
    person.returns_at = timezone.now()
    person.save(update_fields=["returns_at"])
    participation.exclude(person, reason="a bot")
    participation.start(person)
    person.refresh_from_db()
    assert (person.visit, person.returns_at) == (1, None)
    assert participation.current_trial(person) is None


@pytest.mark.parametrize("reason", ["", "   "])
def test_an_exclusion_needs_a_reason(reason):
    study = open_study(2)
    person, _token = person_in(study, 1)
    with pytest.raises(StudyError, match="needs a reason"):
        participation.exclude(person, reason=reason)
    assert study.slots.filter(filled=True).count() == 1


def test_nobody_is_excluded_twice_or_from_a_closed_study():
    study = open_study(2)
    person, _token = person_in(study, 1)
    other, _token = person_in(study, 1)
    participation.exclude(person, reason="a bot")
    with pytest.raises(StudyError, match="excluded already"):
        participation.exclude(person, reason="again")
    lifecycle.close_study(study)
    other.study.refresh_from_db()
    with pytest.raises(StudyError, match="while it runs"):
        participation.exclude(other, reason="a surprising answer")


def test_it_is_in_the_log_the_counts_and_the_export(client, django_user_model):
    study = open_study(2, 2)
    person, _token = person_in(study, 2)
    person_in(study, 2)
    actor = django_user_model.objects.create(username="ada")
    participation.exclude(person, reason="a bot", actor=actor)
    event = study.events.get(what="excluded")
    assert (event.who, event.details["reason"], event.details["answers"]) == ("ada", "a bot", 2)
    assert event.details["participant"] == str(person.public_id)
    told = counts(study)
    assert (told["participants"], told["finished_participants"], told["excluded_participants"]) == (2, 1, 1)
    lifecycle.close_study(study)
    with zipfile.ZipFile(io.BytesIO(export.zipped(study))) as folder:
        rows = list(csv.DictReader(io.StringIO(folder.read(f"{study.slug}/participants.csv").decode("utf-8-sig"))))
    assert [(row["exclusion_reason"], bool(row["excluded_at"]), row["counted"]) for row in rows] == [
        ("a bot", True, "0"),
        ("", False, "2"),
    ]
