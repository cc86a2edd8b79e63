"""Reports on files of answers that are no protocol's: yes and no answers of panels, and answers told as counts."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from .answer_files import answers_of, marks_of, meanings_of, read_yes_no
from .answer_table import Reading, read_table
from .answers import NO, YES, AnswersError
from .condition_report import against_truth
from .counted_answers import counted_report, counts_from_columns, counts_from_rows
from .dawid_skene import positive_share
from .reanalysis import reanalysis

Source = str | Path | IO[bytes]
FURTHER = ("item", "truth", "correct", "confidence")


def reanalyse_panels(
    sources: Sequence[Source],
    reading: Reading,
    *,
    yes: Sequence[str] = YES,
    no: Sequence[str] = NO,
    **settings: Any,
) -> dict[str, Any]:
    """The report of :func:`.report.reanalysis` on files of yes and no answers, with ``dawid_skene``, JSON-ready.

    A column ``truth`` (yes or no), or ``correct``, adds how much is right by condition; a truth also ``against_truth``.
    A column ``item`` says what stimuli have in common. With exclusions there are ``flow`` and ``sensitivity``.
    """
    table = read_yes_no(sources, reading, FURTHER)

    def analyse(frame: pd.DataFrame) -> dict[str, Any]:
        answers = answers_of(frame, yes, no)
        truth = meanings_of(frame["truth"], yes, no, name="truth") if "truth" in frame else None
        right: NDArray[np.bool_] | None = None
        if truth is not None:
            right = answers.answer == truth
        elif "correct" in frame:
            right = marks_of(frame["correct"], yes, no)
        item = _item_by_stimulus(frame, answers.stimulus) if "item" in frame else None
        found = reanalysis(answers, item=item, right=right, **settings)
        found["dawid_skene"] = positive_share(answers, found["agreement"])
        if truth is not None:
            found["against_truth"] = against_truth(answers, truth, found["dawid_skene"])
        return found

    return table.reported(analyse)


def reanalyse_counts(
    sources: Sequence[Source],
    reading: Reading,
    *,
    columns: Sequence[str] = (),
    threshold: int | None = None,
    given: str | None = None,
    seed: int = 0,
) -> dict[str, Any]:
    """The report of :func:`.counted_answers.counted_report` on files of counts.

    ``columns`` are those of the counts, one an answer; without them a row is one answer to one stimulus with its
    ``count``, or where there is no such column one answer of somebody. A column ``truth`` is read where there is one.
    """
    required: tuple[str, ...] = ("stimulus", *columns) if columns else ("stimulus", "answer")
    optional = ("truth",) if columns else ("truth", "count")
    table = read_table(sources, required=required, optional=optional, reading=reading, may_miss=(*columns, "count"))

    def analyse(frame: pd.DataFrame) -> dict[str, Any]:
        if columns:
            counts, names = counts_from_columns(frame, columns)
            first = np.arange(len(frame))
        else:
            counts, names, first = counts_from_rows(frame)
        truth = frame["truth"].to_numpy(dtype=object)[first].tolist() if "truth" in frame else None
        return counted_report(counts, names, truth=truth, threshold=threshold, given=given, seed=seed)

    return table.reported(analyse)


def _item_by_stimulus(frame: pd.DataFrame, stimulus: NDArray[Any]) -> NDArray[Any]:
    """(N,) the item of each stimulus code. Raises AnswersError for a stimulus of two items."""
    codes, names = pd.factorize(frame["item"])
    pairs = np.unique(np.column_stack([stimulus, codes]), axis=0)
    if len(pairs) > int(stimulus.max()) + 1:
        twice = int(pairs[np.flatnonzero(np.diff(pairs[:, 0]) == 0)[0], 0])
        named = frame["stimulus"].iloc[int(np.flatnonzero(stimulus == twice)[0])]
        raise AnswersError(f"stimulus {named!r} belongs to two items")
    return np.asarray(names)[pairs[:, 1]]
