"""Whoever enrols many times to see which pictures come again learns no more than guessing tells."""

import math
from collections import Counter

import numpy as np
import pytest

from studies import lifecycle, participation
from studies.models import Role, Trial
from studies.participation import claiming
from studies.protocols.shared import gold_trials
from tests.bench import made_up_study

pytestmark = pytest.mark.django_db

ENROLMENTS = 40


def opened(gold: int = 2, trials: int = 8):
    design = {"gold": gold, "trials_per_participant": trials, "answers_per_stimulus": 12, "threshold": 6}
    study = made_up_study("rectified_labeling", design, n_images=96)
    lifecycle.open_study(study)
    return study


def look(study) -> Counter:
    """How often each picture came, over so many visits of one attacker, each to its end."""
    for _ in range(ENROLMENTS):
        person, _token = participation.enrol(study, consent=participation.current_consent(study))
        participation.start(person)
        while trial := participation.current_trial(person):
            participation.answer(person, trial.pk, "yes")
    return Counter(Trial.objects.filter(presented_at__isnull=False).values_list("stimulus", flat=True))


def precision(study, seen: Counter) -> tuple[float, float]:
    """The share of gold among as many pictures as there is gold, those seen most or least often, whichever is more; and
    among all.  Ties are broken by a fixed draw.
    """
    gold = set(study.stimuli.filter(role=Role.GOLD).values_list("pk", flat=True))
    keys = [key for key, _n in seen.most_common()]
    draw = dict(zip(sorted(keys), np.random.default_rng(0).permutation(len(keys)), strict=True))
    ordered = sorted(keys, key=lambda key: (-seen[key], draw[key]))
    n = len(gold)
    found = max(len(gold & set(ordered[:n])), len(gold & set(ordered[-n:])))
    return found / n, n / len(keys)


def test_pictures_that_come_often_are_gold_no_more_often_than_any():
    study = opened()
    found, share = precision(study, look(study))
    # Guessing finds the share, give or take two standard errors.
    n = study.stimuli.filter(role=Role.GOLD).count()
    assert found <= share + 2 * math.sqrt(share * (1 - share) / n)


def test_from_a_few_that_come_to_everyone_the_attack_finds_them_all(monkeypatch):
    """A control: a pool of three times a visit's gold, drawn by each person for themselves."""
    monkeypatch.setattr(
        gold_trials, "roles", lambda design, main, visits=1: [("gold", design["gold"], 3 * design["gold"])]
    )
    monkeypatch.setattr(claiming, "times_met", lambda stimuli: Counter())
    study = opened()
    found, share = precision(study, look(study))
    assert found == 1
    assert share < 0.2


def test_gold_is_met_as_often_as_main_pictures():
    study = opened()
    seen = look(study)
    by_role = {role: [] for role in (Role.GOLD, Role.MAIN)}
    for pk, role in study.stimuli.values_list("pk", "role"):
        by_role[role].append(seen[pk])
    assert abs(np.mean(by_role[Role.GOLD]) - np.mean(by_role[Role.MAIN])) <= 1
    assert max(by_role[Role.GOLD]) - min(by_role[Role.GOLD]) <= 1


@pytest.mark.parametrize(
    ("main", "trials", "gold", "visits", "pool"),
    [(300, 50, 4, 1, 24), (32, 8, 2, 1, 8), (6, 50, 4, 1, 4), (600, 50, 4, 2, 48), (10, 50, 3, 2, 6), (0, 50, 2, 1, 2)],
)
def test_so_many_are_prepared_that_each_is_met_as_often(main, trials, gold, visits, pool):
    design = {"gold": gold, "trials_per_participant": trials, "example": False, "practice": 0}
    assert gold_trials.roles(design, main, visits) == [("gold", gold * visits, pool)]
