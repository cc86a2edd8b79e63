"""Answers told as counts: how many participants gave each answer to each stimulus, and not who.

Without participants nothing can be said about how they differ, so there is no interval over participants: shares of
answers have none, and shares of stimuli have Wilson's, which takes stimuli as independent and participants as given.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from .agreement import agreement, patterns_of
from .answers import AnswersError, RowError
from .intervals import wilson

WHO = "the file does not tell who answered, so there is no interval over participants"


def counts_from_columns(frame: pd.DataFrame, answers: Sequence[str]) -> tuple[NDArray[np.int64], list[str]]:
    """(S, C) counts of a table with one row a stimulus and one column an answer; an empty cell is none.

    Raises RowError for a stimulus that has two rows, or a count that is not a whole number from 0 up.
    """
    if (again := frame["stimulus"].duplicated().to_numpy()).any():
        row = int(again.argmax())
        raise RowError(row, f"stimulus {frame['stimulus'].iloc[row]!r} has a second row")
    return np.column_stack([_whole(frame[name], name) for name in answers]), list(answers)


def counts_from_rows(frame: pd.DataFrame) -> tuple[NDArray[np.int64], list[str], NDArray[np.int64]]:
    """(S, C) counts of a table with ``stimulus, answer, count``, the answers' names, and each stimulus's first row.

    Without a column ``count`` each row is an answer. Raises RowError for two counts of one answer to one stimulus, or
    one that is not a whole number from 0 up.
    """
    number = _whole(frame["count"], "count") if "count" in frame else np.ones(len(frame), dtype=np.int64)
    if "count" in frame and (again := frame.duplicated(["stimulus", "answer"]).to_numpy()).any():
        row = int(again.argmax())
        what = f"answer {frame['answer'].iloc[row]!r} to stimulus {frame['stimulus'].iloc[row]!r}"
        raise RowError(row, f"{what} has a second count")
    stimuli, names = pd.factorize(frame["stimulus"])
    said, answers = pd.factorize(frame["answer"], sort=True)
    counts = np.zeros((len(names), len(answers)), dtype=np.int64)
    np.add.at(counts, (stimuli, said), number)
    _, first = np.unique(stimuli, return_index=True)
    return counts, [str(answer) for answer in answers], first


def counted_report(
    counts: NDArray[np.int64],
    answers: Sequence[str],
    *,
    truth: Sequence[str] | None = None,
    threshold: int | None = None,
    given: str | None = None,
    seed: int = 0,
) -> dict[str, Any]:
    """What counts alone can tell, JSON-ready.

    Args:
        counts: (S, C) how many gave each answer to each stimulus.
        answers: (C,) what the answers are called.
        truth: (S,) the right answer to each stimulus, where there is one.
        threshold: how many of one answer decide about a stimulus; more than half of its answers when None.
        given: the answer that keeps a label as it is; the right answer of each stimulus where there is a truth.

    Returns ``answers, stimuli, participants`` (null), ``panels`` (stimuli by number of answers), ``shares`` of answers,
    ``decided`` (stimuli by the answer that decides, and those that none does), ``unanimous``, ``mean_entropy`` in nats,
    ``agreement`` with its bootstrap, ``reason``, with a ``given`` answer or a truth ``errors`` (stimuli that it does
    not decide, {by_none, by_several, by {answer: stimuli}}, which add up), and with a truth ``right`` (the share of
    answers) and ``most_frequent`` (the share of stimuli whose most frequent answer is right, ties apart). Raises
    AnswersError where nobody answered, or a truth or the given answer is none of the answers.
    """
    total, size = int(counts.sum()), counts.sum(axis=1)
    if not total:
        raise AnswersError("there are no answers")
    if threshold is not None and threshold < 1:
        raise AnswersError(f"at least one answer decides, not {threshold}")
    needed = size // 2 + 1 if threshold is None else np.full(len(size), threshold)
    if given is not None and given not in answers:
        raise AnswersError(f"the given answer {given!r} is none of the answers {', '.join(answers)}")
    deciding = counts >= needed[:, None]
    alone = deciding.sum(axis=1) == 1
    sizes = pd.Series(size).value_counts().sort_index()
    patterns, frequency = patterns_of(counts)
    found: dict[str, Any] = {
        "answers": total,
        "stimuli": len(counts),
        "participants": None,
        "panels": {str(n): int(stimuli) for n, stimuli in sizes.items()},
        "shares": {
            name: {"estimate": n / total, "numerator": n, "denominator": total, **_nothing()}
            for name, n in zip(answers, counts.sum(axis=0).tolist(), strict=True)
        },
        "decided": {
            "threshold": threshold or "more than half",
            "by": {name: int(np.count_nonzero(deciding[:, at] & alone)) for at, name in enumerate(answers)},
            "by_none": int(np.count_nonzero(~deciding.any(axis=1))),
            "by_several": int(np.count_nonzero(deciding.sum(axis=1) > 1)),
        },
        "unanimous": int(np.count_nonzero((counts.max(axis=1) == size) & (size > 0))),
        "mean_entropy": _mean_entropy(counts[size > 0]),
        "agreement": agreement(patterns, frequency, seed=seed),
        "reason": WHO,
    }
    kept = None if given is None else np.full(len(counts), list(answers).index(given))
    if truth is not None:
        found |= _against(counts, answers, truth)
        kept = _places(answers, truth) if kept is None else kept
    return found if kept is None else found | {"errors": _errors(deciding, kept, answers)}


def _against(counts: NDArray[np.int64], answers: Sequence[str], truth: Sequence[str]) -> dict[str, Any]:
    at = _places(answers, truth)
    right = counts[np.arange(len(counts)), at]
    most = counts.max(axis=1)
    tied = (counts == most[:, None]).sum(axis=1) > 1
    hits, total = int(np.count_nonzero((right == most) & ~tied)), int(counts.sum())
    low, high = wilson(hits, len(counts)) or (None, None)
    return {
        "right": {
            "estimate": int(right.sum()) / total,
            "numerator": int(right.sum()),
            "denominator": total,
            **_nothing(),
        },
        "most_frequent": {
            "estimate": hits / len(counts),
            "numerator": hits,
            "denominator": len(counts),
            "ties": int(np.count_nonzero(tied)),
            "ties_with_the_right_answer": int(np.count_nonzero(tied & (right == most))),
            "wilson": {"low": low, "high": high},
        },
    }


def _places(answers: Sequence[str], truth: Sequence[str]) -> NDArray[np.int64]:
    """(S,) the place among the answers of each stimulus's right one."""
    place = {name: at for at, name in enumerate(answers)}
    if unknown := [at for at, name in enumerate(truth) if name not in place]:
        raise RowError(unknown[0], f"the truth {truth[unknown[0]]!r} is none of the answers {', '.join(answers)}")
    return np.array([place[name] for name in truth], dtype=np.int64)


def _errors(deciding: NDArray[np.bool_], kept: NDArray[np.int64], answers: Sequence[str]) -> dict[str, Any]:
    """Stimuli that the given answer does not decide, by what decides them instead."""
    wrong = deciding[~deciding[np.arange(len(kept)), kept]]
    alone = wrong.sum(axis=1) == 1
    return {
        "stimuli": len(wrong),
        "by": {name: int(np.count_nonzero(wrong[:, at] & alone)) for at, name in enumerate(answers)},
        "by_none": int(np.count_nonzero(~wrong.any(axis=1))),
        "by_several": int(np.count_nonzero(wrong.sum(axis=1) > 1)),
    }


def _mean_entropy(counts: NDArray[np.int64]) -> float:
    shares = counts / counts.sum(axis=1, keepdims=True)
    logs = np.log(shares, out=np.zeros_like(shares), where=shares > 0)
    return float(-(shares * logs).sum(axis=1).mean())


def _nothing() -> dict[str, Any]:
    return {"low": None, "high": None, "reason": WHO}


def _whole(column: pd.Series, name: str) -> NDArray[np.int64]:
    numbers = pd.to_numeric(column.where(column != "", "0"), errors="coerce").to_numpy(dtype=np.float64)
    if (bad := ~(np.isfinite(numbers) & (numbers >= 0) & (numbers == np.floor(numbers)))).any():
        row = int(bad.argmax())
        raise RowError(row, f"{name} is {column.iloc[row]!r}, not a whole number from 0 up")
    return numbers.astype(np.int64)
