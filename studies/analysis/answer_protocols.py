"""The kinds of study that ``manage.py reanalyse --protocol KEY`` reads: their columns, settings and analysis."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
import pandas as pd

from .answer_files import marks_of, seconds_of
from .answer_table import Reading, compiled, read_table
from .answers import NO, YES, AnswersError
from .choices import accuracy, two_choice
from .preferences import preference
from .response_times import response_times
from .simulatability import simulatability


@dataclass(frozen=True)
class AnswerProtocol:
    """A kind of study.

    Attributes:
        required, optional: the roles of its columns.
        settings: the names of what can be set.
        analyse: its report on a table of these roles.
        needs: settings that have no default.
    """

    required: tuple[str, ...]
    optional: tuple[str, ...]
    settings: tuple[str, ...]
    analyse: Callable[..., dict[str, Any]]
    needs: tuple[str, ...] = ()


def right_or_wrong(
    table: pd.DataFrame,
    *,
    yes: Sequence[str] = YES,
    no: Sequence[str] = NO,
    correct_pattern: str | None = None,
    **settings: Any,
) -> dict[str, Any]:
    """The accuracy by a column ``correct`` in words, or by ``answer`` against ``truth``, which goes first.

    With a ``correct_pattern`` an answer is right where this regular expression is found in ``correct``.
    """
    if correct_pattern is not None:
        if "correct" not in table.columns:
            raise AnswersError("there is no column 'correct' to look for the pattern in: name it")
        pattern = compiled(correct_pattern, "the pattern of what is right")
        right = np.array([pattern.search(value) is not None for value in table["correct"]], dtype=np.bool_)
        return accuracy(table.assign(correct=right).drop(columns=["answer", "truth"], errors="ignore"), **settings)
    if {"answer", "truth"} <= set(table.columns):
        return accuracy(table.drop(columns="correct", errors="ignore"), **settings)
    if "correct" not in table.columns:
        raise AnswersError("there is no column 'correct', nor both of 'answer' and 'truth': name them")
    return accuracy(table.assign(correct=marks_of(table["correct"], yes, no)), **settings)


PROTOCOLS: dict[str, AnswerProtocol] = {
    "two_choice": AnswerProtocol(
        ("participant", "stimulus", "condition", "first", "second", "answer", "truth"),
        ("item", "seconds"),
        ("chance", "contrasts"),
        two_choice,
    ),
    "preference": AnswerProtocol(
        ("participant", "stimulus", "condition", "left", "right", "rating"),
        ("item", "seconds"),
        ("second", "contrasts"),
        preference,
        needs=("second",),
    ),
    "simulatability": AnswerProtocol(
        ("participant", "stimulus", "condition", "phase", "answer", "model_output"),
        ("item", "seconds"),
        ("reference", "explained", "pre", "post", "sessions", "choices"),
        simulatability,
    ),
    "accuracy": AnswerProtocol(
        ("participant", "stimulus"),
        ("condition", "item", "answer", "truth", "correct", "seconds", "confidence"),
        ("chance", "contrasts", "repeats", "yes", "no", "correct_pattern"),
        right_or_wrong,
    ),
}


def reanalyse_protocol(
    key: str,
    sources: Sequence[str | Path | IO[bytes]],
    *,
    reading: Reading | None = None,
    settings: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """The report on the files, by the protocol's key, JSON-ready; with exclusions also the flow and what was before.

    Raises AnswersError in one line for an unknown key or setting, and as :func:`read_table` and the protocols do.
    """
    protocol = PROTOCOLS.get(key)
    if protocol is None:
        raise AnswersError(f"there is no protocol {key!r} to reanalyse; there are {', '.join(PROTOCOLS)}")
    chosen = dict(settings or {})
    if unknown := [name for name in chosen if name not in protocol.settings]:
        raise AnswersError(f"protocol {key} has no setting {unknown[0]!r}; it has {', '.join(protocol.settings)}")
    if missing := [name for name in protocol.needs if name not in chosen]:
        raise AnswersError(f"protocol {key} needs the setting {missing[0]!r}")
    table = read_table(sources, required=protocol.required, optional=protocol.optional, reading=reading)

    def analyse(frame: pd.DataFrame) -> dict[str, Any]:
        found = protocol.analyse(frame, **chosen)
        if "seconds" in frame:
            seconds = seconds_of(frame["seconds"]) / (1000 if reading and reading.milliseconds else 1)
            found["response_times"] = response_times(seconds, condition=frame.get("condition"))
        return found

    return table.reported(analyse)
