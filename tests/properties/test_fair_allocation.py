"""Over many simulated studies: who comes when, and who leaves, decides nothing about what gets how many answers."""

from collections import Counter, defaultdict
from datetime import timedelta
from math import sqrt
from random import Random

import pytest
from django.db import transaction
from django.utils import timezone
from hypothesis import given, settings
from hypothesis import strategies as st

from studies import lifecycle, participation
from studies.models import Participant, Slot, Study, Trial
from tests.bench import made_up_study
from tests.factories import open_study

pytestmark = pytest.mark.django_db


class Crowd:
    """People in one process who take turns at random, some of whom leave in the middle."""

    def __init__(self, study: Study, dice: Random, *, at_once: int, leaving: float = 0.0):
        self.study, self.dice, self.at_once, self.leaving = study, dice, at_once, leaving
        self.consent = participation.current_consent(study)
        self.value = "A" if study.protocol == "class_assignment" else "yes"
        self.here: list[Participant] = []

    def come(self) -> None:
        person, _token = participation.enrol(self.study, consent=self.consent)
        participation.start(person)
        self.here.append(person)

    def step(self) -> None:
        """One of those who are here answers, or leaves, or is done."""
        person = self.dice.choice(self.here)
        trial = participation.current_trial(Participant.objects.select_related("study").get(pk=person.pk))
        if trial is None or self.dice.random() < self.leaving:
            self.here.remove(person)
        else:
            participation.answer(person, trial.pk, self.value)

    def fill(self) -> None:
        """People come until every panel is full; after everybody who left a while passes."""
        # Far more than chance needs: half of them may leave at every page.
        most = 50 + 40 * self.study.slots.count()
        for _ in range(most):
            if not Slot.objects.filter(study=self.study, filled=False).exists():
                return
            while len(self.here) < self.at_once and participation.has_room(self.study):
                self.come()
            if not self.here:
                held = Slot.objects.filter(study=self.study, filled=False, holder__isnull=False)
                held.update(leased_until=timezone.now() - timedelta(seconds=1))
                continue
            self.step()
        raise AssertionError("stimuli starve: people come and go, and panels stay open")


def claims(study: Study) -> list[tuple[int, int]]:
    """Participant and stimulus of every trial, in the order in which they were given out."""
    return list(Trial.objects.filter(study=study).order_by("pk").values_list("participant", "stimulus"))


@settings(max_examples=25, deadline=None)
@given(
    stimuli=st.integers(1, 9),
    panel=st.integers(1, 4),
    each=st.integers(1, 9),
    at_once=st.integers(1, 6),
    seed=st.integers(0, 2**31 - 1),
)
def test_the_least_answered_come_first_and_nothing_falls_behind(stimuli, panel, each, at_once, seed):
    with transaction.atomic():
        study = open_study(stimuli, panel, trials_per_participant=each, seed=seed)
        everything = set(study.stimuli.values_list("pk", flat=True))
        Crowd(study, Random(seed), at_once=at_once).fill()
        had, met = Counter(dict.fromkeys(everything, 0)), defaultdict(set)
        for person, stimulus in claims(study):
            open_to = [one for one in everything - met[person] if had[one] < panel]
            assert had[stimulus] == min(had[one] for one in open_to)
            had[stimulus] += 1
            met[person].add(stimulus)
            # Everybody who meets what others lack has met it all the more often themselves: no gap can grow.
            assert max(had.values()) - min(had.values()) <= 2
        assert max(map(len, met.values())) <= each
        assert set(had.values()) == {panel}
        transaction.set_rollback(True)


@settings(max_examples=15, deadline=None)
@given(
    stimuli=st.integers(1, 8),
    panel=st.integers(1, 3),
    each=st.integers(1, 8),
    leaving=st.floats(0.05, 0.5),
    seed=st.integers(0, 2**31 - 1),
)
def test_however_many_leave_every_panel_is_full_in_the_end(stimuli, panel, each, leaving, seed):
    with transaction.atomic():
        study = open_study(stimuli, panel, trials_per_participant=each, seed=seed)
        Crowd(study, Random(seed), at_once=4, leaving=leaving).fill()
        counted = Trial.objects.filter(study=study, counted=True)
        pairs = set(counted.values_list("stimulus", "participant"))
        assert Counter(stimulus for stimulus, _ in pairs) == dict.fromkeys(
            study.stimuli.values_list("pk", flat=True), panel
        )
        given_out = Counter(person for person, _ in claims(study))
        assert max(given_out.values()) <= each
        transaction.set_rollback(True)


def test_the_order_is_random_and_of_the_seed():
    def order(seed: int) -> list[int]:
        study = open_study(12, 1, seed=seed)
        crowd = Crowd(study, Random(0), at_once=1)
        crowd.fill()
        numbers = dict(study.stimuli.values_list("pk", "number"))
        return [numbers[stimulus] for _, stimulus in claims(study)]

    orders = [order(seed) for seed in (1, 1, 2)]
    assert orders[0] == orders[1] != orders[2]
    assert all(one != sorted(one) for one in orders)


@pytest.mark.parametrize("seed", [0, 1])
def test_conditions_are_balanced_within_a_person_and_over_positions(seed):
    """Seven conditions of class assignment; everybody answers as much as they are given at most."""
    n_people, each = 28, 8
    study = made_up_study(
        "class_assignment",
        {"rounds": 45, "answers_per_stimulus": 1, "trials_per_participant": each, "seed": seed},
        n_images=320,
    )
    lifecycle.open_study(study)
    conditions = set(study.conditions.values_list("key", flat=True))
    assert len(conditions) == 7
    crowd = Crowd(study, Random(seed), at_once=6)
    people = []
    while len(people) < n_people:
        while len(crowd.here) < min(crowd.at_once, n_people - len(people)):
            crowd.come()
            people.append(crowd.here[-1].pk)
        crowd.step()
    while crowd.here:
        crowd.step()
    of = defaultdict(list)
    for person, condition in (
        Trial.objects.filter(study=study, released_at=None)
        .order_by("participant", "position")
        .values_list("participant", "stimulus__condition__key")
    ):
        of[person].append(condition)
    # 315 wanted, 224 given out: of each condition something is free until the end.
    for person in people:
        had = Counter(dict.fromkeys(conditions, 0) | Counter(of[person]))
        assert max(had.values()) - min(had.values()) <= 1, had
    for position in range(each):
        at = Counter(one[position] for one in of.values() if len(one) > position)
        n = sum(at.values())
        spread = sqrt(n / 7 * (1 - 1 / 7))
        assert all(abs(at[condition] - n / 7) <= 3.5 * spread for condition in conditions), (position, at)
