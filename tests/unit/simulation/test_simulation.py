"""Simulated participants: rates by condition, aged rows instead of sleeping, and second visits."""

from datetime import timedelta

import numpy as np
import pytest

from studies import lifecycle, participation
from studies.lib.errors import StudyError
from studies.models import Condition, Participant, Slot, Stimulus, Trial
from studies.participation import visits
from studies.simulation import Population, Spread, age, rate_of, read_rates, simulate
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


SESSION = {
    "questions": "How old are you? | number\nDo you wear glasses? | yes | no\nAnything else?",
    "practice": 2,
    "gold": 1,
    "comments": True,
    "answers_per_stimulus": 2,
    "threshold": 1,
}


def played(live_server, *, participants: int = 6, concurrent: int = 1, design=None, seed: int = 3, **like: Spread):
    """A study of every page, and what came of simulated people in it."""
    study = made_up_study("rectified_labeling", SESSION | (design or {}))
    lifecycle.open_study(study)
    options = {"participants": participants, "seed": seed, "concurrent": concurrent, "url": live_server.url}
    return study, simulate(study, population=Population(**like), **options)


def test_whatever_page_comes_is_filled_in(live_server, transactional_db):
    study, outcome = played(live_server)
    assert (outcome.wanted, outcome.left) == (0, 0)
    people = list(study.participants.filter(finished_at__isnull=False))
    assert people
    for person in people:
        age_in_years, glasses, else_ = person.background.values()
        assert 18 <= int(age_in_years) < 80
        assert glasses in {"yes", "no"}
        assert (else_, person.comments) == ("", "")
        assert person.trials.filter(role="practice", feedback_seen_at__isnull=False).count() == 2
    assert set(study.trials.exclude(role="main").values_list("correct", flat=True)) == {True}


def test_clicking_twice_and_loading_again_change_no_answer(live_server, transactional_db):
    def said(study):
        order = study.trials.filter(answered_at__isnull=False).order_by("participant__number", "position")
        return list(order.values_list("participant__number", "stimulus__number", "answer", "response_ms"))

    careful, _ = played(live_server)
    clumsy, outcome = played(live_server, double=Spread(1), reload=Spread(0.5))
    assert said(clumsy) == said(careful)
    assert outcome.wanted == 0


def test_careless_people_get_checks_wrong_and_are_screened_out(live_server, transactional_db):
    study, _ = played(live_server, participants=8, design={"gold_rate": 1.0}, careless=Spread(1))
    assert study.participants.filter(screened_out_at__isnull=False).exists()
    assert study.participants.filter(finished_at__isnull=False, screened_out_at=None).exists()


def test_who_leaves_keeps_nothing_from_others(live_server, transactional_db):
    study, outcome = played(live_server, participants=60, leaving=Spread(0.2))
    assert outcome.left > 0
    assert outcome.wanted == 0
    assert study.participants.filter(finished_at=None).count() == outcome.left


def test_several_at_once_fill_every_panel_too(live_server, transactional_db):
    study, outcome = played(live_server, participants=12, concurrent=4)
    assert outcome.wanted == 0
    assert study.participants.filter(simulated=True).count() == outcome.participants


@pytest.mark.parametrize(("mean", "deviation"), [(0.1, 0.05), (0.6, 0.3)])
def test_people_are_spread_with_the_moments_that_were_asked_for(mean, deviation):
    spread, random = Spread.parse(f"{mean}:{deviation}"), np.random.default_rng(0)
    chances = [spread.chance(random) for _ in range(20_000)]
    factors = [spread.factor(random) for _ in range(20_000)]
    for drawn in (chances, factors):
        assert np.mean(drawn) == pytest.approx(mean, abs=0.02)
        assert np.std(drawn) == pytest.approx(deviation, abs=0.02)
    assert 0 <= min(chances) <= max(chances) <= 1


@pytest.mark.parametrize("like", [{"careless": Spread(1.5)}, {"leaving": Spread(0.5, 0.6)}, {"pace": Spread(0)}])
def test_nobody_can_be_like_that(like):
    with pytest.raises(StudyError, match=f"the {next(iter(like))} must be"):
        Population(**like).check()
