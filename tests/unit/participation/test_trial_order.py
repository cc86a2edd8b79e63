"""Who meets what, and when: pure functions of a seed and a number."""

from collections import Counter
from itertools import pairwise

import pytest

from studies.participation import trial_order


@pytest.mark.parametrize("n", range(1, 9))
def test_every_condition_stands_equally_often_at_every_place_of_a_square(n):
    rows = trial_order.balanced_square(n)
    assert len(rows) == (n if n % 2 == 0 else 2 * n)
    for place in range(n):
        assert set(Counter(row[place] for row in rows).values()) == {len(rows) // n}


@pytest.mark.parametrize("n", range(2, 9))
def test_every_condition_follows_every_other_equally_often(n):
    followed = Counter(pair for row in trial_order.balanced_square(n) for pair in pairwise(row))
    assert len(followed) == n * (n - 1)
    assert len(set(followed.values())) == 1


def taken(shares: dict[str, int], trials: int, number: int, *, seed: int = 1) -> list[str]:
    """What a participant meets where every condition always has free slots."""
    met: Counter[str] = Counter()
    order = []
    for _ in range(trials):
        first = trial_order.condition_order(shares, met, number=number, visit=1, seed=seed)[0]
        met[first] += 1
        order.append(first)
    return order


@pytest.mark.parametrize("n", [2, 3, 7])
def test_within_a_person_conditions_differ_by_at_most_one_at_any_time(n):
    shares = {str(i): 30 for i in range(n)}
    for number in range(1, 6):
        order = taken(shares, 3 * n + 1, number)
        for end in range(1, len(order) + 1):
            counts = [order[:end].count(key) for key in shares]
            assert max(counts) - min(counts) <= 1


@pytest.mark.parametrize("n", [2, 3, 7])
def test_over_a_group_of_people_each_condition_stands_equally_often_at_each_place(n):
    shares = {str(i): 30 for i in range(n)}
    people = len(trial_order.balanced_square(n))
    orders = [taken(shares, 2 * n, number) for number in range(1, people + 1)]
    for place in range(2 * n):
        assert set(Counter(order[place] for order in orders).values()) == {people // n}


def test_slightly_unequal_conditions_are_treated_as_equal_and_double_ones_come_twice():
    assert Counter(taken({"a": 30, "b": 29}, 20, 1)) == {"a": 10, "b": 10}
    assert Counter(taken({"a": 60, "b": 30}, 30, 1)) == {"a": 20, "b": 10}


def test_a_condition_without_stimuli_is_no_error():
    assert set(trial_order.condition_order({"a": 0, "b": 3}, {}, number=1, visit=1, seed=0)) == {"a", "b"}
    assert trial_order.condition_order({"a": 5}, {}, number=9, visit=2, seed=0) == ["a"]


def test_another_seed_or_person_gives_another_order_and_the_same_gives_the_same():
    shares = {str(i): 30 for i in range(7)}
    orders = {(seed, number): tuple(taken(shares, 14, number, seed=seed)) for seed in (1, 2) for number in (1, 2, 3)}
    assert len(set(orders.values())) == len(orders)
    assert tuple(taken(shares, 14, 2, seed=1)) == orders[1, 2]


@pytest.mark.parametrize(("n", "gold"), [(20, 4), (7, 3), (5, 5), (10, 1), (3, 0)])
def test_gold_stands_once_in_each_stretch(n, gold):
    seen = Counter()
    for number in range(1, 300):
        places = sorted(trial_order.gold_places(n, gold, number=number, visit=1, seed=0))
        assert len(places) == gold
        assert all(1 + i * n // gold <= place <= (i + 1) * n // gold for i, place in enumerate(places))
        seen.update(places)
    assert set(seen) == (set(range(1, n + 1)) if gold else set())


def test_more_gold_than_places_fills_them_all():
    assert trial_order.gold_places(2, 5, number=1, visit=1, seed=0) == {1, 2}


def test_people_meet_gold_in_different_orders():
    pool = list(range(6))
    orders = {tuple(trial_order.gold_order(pool, number=number, seed=0)) for number in range(1, 20)}
    assert len(orders) > 10
    assert all(sorted(order) == pool for order in orders)
