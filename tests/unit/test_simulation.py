"""Simulated participants: rates by condition, aged rows instead of sleeping, and second visits."""

from datetime import timedelta

import pytest

from studies import lifecycle, participation, visits
from studies.errors import StudyError
from studies.models import Condition, Participant, Slot, Stimulus, Trial
from studies.simulation import age, rate_of, read_rates, simulate
from tests.bench import made_up_study
from tests.factories import open_study


def stimulus(condition: str) -> Stimulus:
    return Stimulus(condition=Condition(key=condition), truth={"image": "a.png", "label": "bell"})


def test_a_rate_is_of_its_condition_or_else_of_any(tmp_path):
    path = tmp_path / "rates.csv"
    path.write_text("image,label,condition,rate\na.png,bell,whole,0.25\na.png,bell,,0.75\n")
    rates = read_rates(path)
    assert [rate_of(rates, stimulus(key)) for key in ("whole", "explanation")] == [0.25, 0.75]


def test_rates_need_no_condition(tmp_path):
    path = tmp_path / "rates.csv"
    path.write_text("image,label,rate\na.png,bell,0.5\n")
    assert rate_of(read_rates(path), stimulus("whole")) == 0.5


@pytest.mark.django_db
def test_a_missing_rate_is_named_before_anybody_comes():
    with pytest.raises(StudyError, match="the rates have no line for image"):
        simulate(open_study(), participants=1, rates={})


@pytest.mark.django_db
def test_ageing_sets_everything_back_and_keeps_the_lease():
    study = open_study(2, 1)
    person, _ = participation.enrol(study, consent=participation.current_consent(study))
    participation.start(person)
    trial = participation.current_trial(person)
    lease = Slot.objects.get(holder=trial).leased_until
    person.refresh_from_db()
    age(person, timedelta(seconds=42))
    answered = participation.answer(person, trial.pk, "yes").trial
    assert (answered.answered_at - answered.presented_at).total_seconds() >= 42
    assert person.consented_at - Participant.objects.get().consented_at == timedelta(seconds=42)
    assert Slot.objects.get(stimulus=trial.stimulus).filled
    assert lease > answered.answered_at


@pytest.mark.parametrize(("days", "returned"), [(None, 0), (1, 0), (3, 4)])
def test_people_come_back_after_so_many_days(live_server, transactional_db, days, returned):
    study = made_up_study("adversarial_trials", {"answers_per_stimulus": 4}, n_images=9)
    lifecycle.open_study(study)
    outcome = simulate(study, participants=9, seed=1, days=days, url=live_server.url)
    found = visits.counts(study)
    assert (outcome.participants, found["returned"], found["waiting"]) == (4, returned, 4 - returned)
    assert outcome.wanted == (0 if returned else study.slots.count() / 2)
    times = [(t.answered_at - t.presented_at).total_seconds() * 1000 - t.response_ms for t in Trial.objects.all()]
    assert all(0 <= difference < 60_000 for difference in times)
