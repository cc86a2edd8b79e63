"""Enrolling, claiming and answering, one behaviour at a time; crowds are in tests/services."""

from datetime import timedelta
from math import log2

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone

from studies import lifecycle, participation
from studies.models import Participant, Slot, Trial
from studies.participation.claiming import lease
from studies.participation.standing import SessionState
from tests.factories import make_study, open_study

pytestmark = pytest.mark.django_db


def come(study) -> Participant:
    person, _ = participation.enrol(study, consent=participation.current_consent(study))
    participation.start(person)
    return person


def lease_runs_out(trial: Trial) -> None:
    Slot.objects.filter(holder=trial).update(leased_until=timezone.now() - timedelta(seconds=1))


def now_at(person) -> Trial:
    return participation.current_trial(person)


def test_a_completion_code_cannot_be_guessed_and_has_nothing_that_looks_alike():
    study = open_study()
    people = [participation.enrol(study, consent=participation.current_consent(study))[0] for _ in range(30)]
    codes = [person.completion_code for person in people]
    letters = set("".join(codes))
    assert len(set(codes)) == 30
    assert {len(code) for code in codes} == {10}
    assert not letters & set("01ILOU")
    # Of ten letters each so many bits, by how many different ones there were.
    assert 10 * log2(len(letters)) > 45


def test_only_the_hash_of_a_token_is_stored():
    study = open_study()
    person, token = participation.enrol(study, consent=participation.current_consent(study))
    assert participation.find(token) == person
    assert participation.find(token[:-1] + "!") is None
    assert token not in str(vars(person))


def test_a_person_meets_every_stimulus_once_and_is_done():
    study = open_study(4)
    person = come(study)
    met = []
    while trial := now_at(person):
        met.append(trial.stimulus_id)
        participation.answer(person, trial.pk, "yes")
    assert sorted(met) == sorted(study.stimuli.values_list("pk", flat=True))
    person.refresh_from_db()
    assert person.finished_at


def test_nobody_is_given_more_than_the_design_says():
    study = open_study(5, trials_per_participant=3)
    person = come(study)
    for _ in range(3):
        participation.answer(person, now_at(person).pk, "no")
    assert now_at(person) is None
    assert Trial.objects.filter(participant=person).count() == 3


def test_the_least_answered_come_first():
    study = open_study(4, 2, trials_per_participant=2)
    for _ in range(2):
        person = come(study)
        while trial := now_at(person):
            participation.answer(person, trial.pk, "yes")
    assert list(Slot.objects.filter(filled=True).values_list("slot_no", flat=True)) == [1] * 4


def test_coming_back_continues_the_same_trial():
    study = open_study()
    person = come(study)
    first = now_at(person)
    assert now_at(person) == first
    lease_runs_out(first)
    assert now_at(person) == first
    assert first.slot.leased_until > timezone.now()


def test_the_first_answer_stands_and_every_repeat_is_harmless():
    study = open_study()
    person = come(study)
    trial = now_at(person)
    assert not participation.answer(person, trial.pk, "yes", response_ms=900).repeated
    after = now_at(person)
    again = participation.answer(person, trial.pk, "no", response_ms=5)
    assert again.repeated
    assert (again.trial.answer, again.trial.response_ms) == ("yes", 900)
    assert now_at(person) == after


def test_a_slot_whose_lease_ran_out_goes_to_somebody_else_and_the_late_answer_is_kept_uncounted():
    study = open_study(1, 1)
    slow, quick = come(study), None
    trial = now_at(slow)
    lease_runs_out(trial)
    quick = come(study)
    participation.answer(quick, now_at(quick).pk, "yes")
    participation.answer(slow, trial.pk, "no")
    trial.refresh_from_db()
    assert (trial.answer, trial.counted, trial.exclusion) == ("no", False, "late")
    assert Trial.objects.filter(counted=True).count() == 1


def test_a_late_answer_counts_while_another_slot_of_its_stimulus_is_free():
    study = open_study(1, 2)
    slow = come(study)
    trial = now_at(slow)
    lease_runs_out(trial)
    quick = come(study)
    participation.answer(quick, now_at(quick).pk, "yes")
    participation.answer(slow, trial.pk, "no")
    trial.refresh_from_db()
    assert trial.counted


def test_a_picture_kept_ready_and_lost_is_never_shown():
    study = open_study(2, 1)
    slow = come(study)
    shown, ready = now_at(slow), participation.arrive(Participant.objects.get(pk=slow.pk)).ready[0]
    lease_runs_out(ready)
    quick = come(study)
    participation.answer(quick, now_at(quick).pk, "yes")
    participation.answer(slow, shown.pk, "yes")
    assert now_at(slow) is None
    ready.refresh_from_db()
    assert ready.released_at
    assert ready.presented_at is None


def arrived(person: Participant) -> SessionState:
    """As at a request of theirs."""
    return participation.arrive(Participant.objects.select_related("study").get(pk=person.pk))


def lose(trial: Trial) -> None:
    """The trial's lease runs out, and somebody else answers in its place."""
    other, _ = participation.enrol(trial.study, consent=participation.current_consent(trial.study))
    now, slot = timezone.now(), Slot.objects.get(holder=trial)
    theirs = Trial.objects.create(
        study=trial.study,
        participant=other,
        stimulus_id=trial.stimulus_id,
        position=1,
        claimed_at=now,
        presented_at=now,
        answered_at=now,
        answer="yes",
        counted=True,
    )
    Slot.objects.filter(pk=slot.pk).update(holder=theirs, leased_until=None, filled=True)


@pytest.mark.parametrize("lost", [(0,), (0, 1), (2,)])
def test_what_was_kept_ready_and_lost_does_not_count_as_given_to_somebody(lost):
    study = open_study(9, 1, trials_per_participant=4)
    person = come(study)
    answered = 0
    while trial := arrived(person).shown:
        if answered in lost:
            lose(arrived(person).ready[0])
        participation.answer(person, trial.pk, "yes")
        answered += 1
        assert participation.progress(person) == (answered, 4)
    assert answered == 4
    assert Trial.objects.filter(participant=person, released_at__isnull=False).count() == len(lost)


def test_what_was_kept_ready_and_lost_does_not_count_as_met_in_its_condition():
    study = make_study(12, 1, trials_per_participant=4)
    other = study.conditions.create(key="others")
    study.stimuli.filter(number__gt=6).update(condition=other)
    lifecycle.open_study(study)
    for _ in range(6):
        person = come(study)
        first, ready = arrived(person).shown, arrived(person).ready[0]
        assert first.stimulus.condition_id != ready.stimulus.condition_id
        lose(ready)
        second = participation.answer(person, first.pk, "yes").standing.shown
        # The condition that was lost is still to come, whichever of the two the round began with.
        assert second.stimulus.condition_id == ready.stimulus.condition_id
        Slot.objects.update(holder=None, filled=False, leased_until=None)


@pytest.mark.parametrize(("over", "renewed"), [(0.4, False), (0.6, True), (1.1, True)])
def test_coming_back_renews_a_lease_of_which_more_than_half_is_over(over, renewed):
    study = open_study()
    person, whole = come(study), lease(study)
    held = Slot.objects.filter(holder=now_at(person))
    held.update(leased_until=timezone.now() + (1 - over) * whole)
    before = held.get().leased_until
    assert arrived(person).shown
    after = held.get().leased_until
    assert (after > timezone.now() + 0.9 * whole) if renewed else (after == before)


def test_an_answer_the_protocol_excludes_is_kept_and_its_slot_opens_again(monkeypatch):
    from studies.protocols import Protocol

    study = open_study(1, 1)
    person = come(study)
    trial = now_at(person)
    monkeypatch.setattr(Protocol, "exclusion", lambda *_: "too fast")
    participation.answer(person, trial.pk, "yes")
    trial.refresh_from_db()
    assert (trial.answer, trial.counted, trial.exclusion) == ("yes", False, "too fast")
    assert Slot.objects.get().holder is None
    monkeypatch.undo()
    other = come(study)
    participation.answer(other, now_at(other).pk, "yes")
    assert Slot.objects.get().filled


@pytest.mark.parametrize("value", ["", "maybe", "YES", "yes\x00"])
def test_an_answer_that_is_not_offered_is_refused(value):
    study = open_study()
    person = come(study)
    trial = now_at(person)
    with pytest.raises(participation.AnswerRefused, match="one of the answers offered"):
        participation.answer(person, trial.pk, value)
    trial.refresh_from_db()
    assert trial.answered_at is None


def test_a_trial_of_somebody_else_is_refused():
    study = open_study()
    mine, theirs = come(study), come(study)
    with pytest.raises(participation.AnswerRefused, match="does not belong to you"):
        participation.answer(mine, now_at(theirs).pk, "yes")


def test_a_paused_study_takes_the_answer_on_screen_and_gives_out_nothing_more():
    study = open_study()
    person = come(study)
    trial = now_at(person)
    lifecycle.pause_study(study)
    assert not participation.answer(person, trial.pk, "yes").repeated
    person = Participant.objects.get(pk=person.pk)
    assert now_at(person) is None
    assert person.finished_at is None
    lifecycle.open_study(study)
    assert now_at(Participant.objects.get(pk=person.pk)) is not None


def test_nobody_enrols_in_a_study_that_is_not_open():
    study = open_study()
    consent = participation.current_consent(study)
    lifecycle.pause_study(study)
    with pytest.raises(participation.StudyError, match="not open"):
        participation.enrol(study, consent=consent)


def test_the_database_itself_refuses_a_second_meeting():
    study = open_study(1, 2)
    person = come(study)
    trial = now_at(person)
    with pytest.raises(IntegrityError), transaction.atomic():
        Trial.objects.create(
            study=study, participant=person, stimulus=trial.stimulus, position=9, claimed_at=timezone.now()
        )


@pytest.mark.parametrize("n_stimuli", [3, 300])
def test_a_trial_cycle_asks_the_database_as_often_in_a_large_study(n_stimuli, django_assert_max_num_queries):
    study = open_study(n_stimuli)
    person = come(study)
    trial = now_at(person)
    with django_assert_max_num_queries(14):
        participation.answer(person, trial.pk, "yes")
