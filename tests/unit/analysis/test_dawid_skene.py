"""Dawid and Skene's model on the data of their paper, against EM by loops, and on answers with a known truth."""

import json

import numpy as np
import pytest

from studies.analysis.answers import AnswersError
from studies.analysis.dawid_skene import dawid_skene, positive_share
from studies.analysis.simulation_model import Scenario, simulate_answers

# Dawid & Skene (1979), table 1: 45 patients; three answers of observer 1, then one of each of observers 2 to 5.
ANAESTHETISTS = """
1111111 3334334 1122122 2223121 2223222 2223322 1222111 3333433 2222223 2322223 4444444 2223343 1111111 2223212
1211111 1112111 1111111 1111111 2222221 2221322 2222222 2222221 2223222 2212222 1111111 1111111 2322222 1111111
1111111 1121121 1111111 3333233 1111111 2222222 2223232 4334343 2212232 2323233 3333432 1111111 1111111 1212111
2322222 1211111 2222222"""
OBSERVER = [0, 0, 0, 1, 2, 3, 4]


def paper():
    patients = np.repeat(np.arange(45), 7)
    return np.tile(OBSERVER, 45), patients, np.array([int(a) - 1 for a in "".join(ANAESTHETISTS.split())])


def em_by_loops(people, items, said, classes, steps):
    n_items, n_people = max(items) + 1, max(people) + 1
    rows = list(zip(people, items, said, strict=True))
    posterior = [[0.0] * classes for _ in range(n_items)]
    for _, i, a in rows:
        posterior[i][a] += 1
    posterior = [[v / sum(row) for v in row] for row in posterior]
    for _ in range(steps):
        prevalence = [sum(row[k] for row in posterior) / n_items for k in range(classes)]
        confusion = [[[0.0] * classes for _ in range(classes)] for _ in range(n_people)]
        for j, i, a in rows:
            for k in range(classes):
                confusion[j][k][a] += posterior[i][k]
        for each in confusion:
            for row in each:
                total = sum(row)
                row[:] = [v / total for v in row] if total else [1 / classes] * classes
        posterior = [list(prevalence) for _ in range(n_items)]
        for j, i, a in rows:
            for k in range(classes):
                posterior[i][k] *= confusion[j][k][a]
        posterior = [[v / sum(row) for v in row] for row in posterior]
    return posterior, prevalence


def test_the_paper_prints_these_prevalences_and_error_rates():
    people, items, said = paper()
    fitted = dawid_skene(people, items, said, classes=4, smoothing=0, tolerance=1e-12)
    assert fitted.converged
    assert fitted.prevalence == pytest.approx([0.40, 0.42, 0.11, 0.07], abs=0.005)
    assert fitted.confusion[0, 0] == pytest.approx([0.89, 0.11, 0, 0], abs=0.005)


def test_it_agrees_with_em_by_loops():
    people, items, said = paper()
    fitted = dawid_skene(people, items, said, classes=4, smoothing=0, max_iterations=12, tolerance=0)
    posterior, prevalence = em_by_loops(people.tolist(), items.tolist(), said.tolist(), 4, 12)
    assert fitted.iterations == 12
    assert not fitted.converged
    np.testing.assert_allclose(fitted.posterior, posterior, atol=1e-9)
    np.testing.assert_allclose(fitted.prevalence, prevalence, atol=1e-9)


def test_it_finds_the_truth_and_the_careless_where_the_majority_fails():
    rng = np.random.default_rng(0)
    truth = rng.random(400) < 0.4
    people, items = np.tile(np.arange(12), 400), np.repeat(np.arange(400), 12)
    accuracy = np.array([0.95] * 4 + [0.5] * 8)
    said = np.where(rng.random(4800) < accuracy[people], truth[items], ~truth[items])
    fitted = dawid_skene(people, items, said.astype(int))
    right = np.mean((fitted.posterior[:, 1] > 0.5) == truth)
    majority = np.mean((np.bincount(items, said) > 6) == truth)
    assert right > 0.97 > majority + 0.05
    own = fitted.confusion[:, [0, 1], [0, 1]].mean(axis=1)
    np.testing.assert_allclose(own, accuracy, atol=0.07)


def test_its_share_of_positives_is_ready_for_the_report():
    answers = simulate_answers(Scenario(100, 30), np.random.default_rng(1))
    found = positive_share(answers)
    assert found["estimate"] == found["numerator"] / 100
    assert 0.3 < found["estimate"] < 0.7
    json.dumps(found, allow_nan=False)


def test_answers_all_alike_and_stimuli_without_answers_do_no_harm():
    fitted = dawid_skene([0, 1, 2], [0, 0, 2], [1, 1, 1])
    assert np.isfinite(fitted.posterior).all()
    assert fitted.posterior[0, 1] == pytest.approx(1)


@pytest.mark.parametrize(
    ("columns", "settings"),
    [(([], [], []), {}), (([0], [0], [2]), {}), (([0], [-1], [1]), {}), (([0], [0], [1]), {"smoothing": -1})],
)
def test_wrong_input_is_refused(columns, settings):
    with pytest.raises(AnswersError):
        dawid_skene(*(np.array(column, dtype=int) for column in columns), **settings)
