"""Yes and no answers collected elsewhere: CSV files with one row an answer, Mechanical Turk's batch results among them.

A cell is text and nothing else: what a spreadsheet would run as a formula is an odd name, or an answer that is not
allowed. Every complaint names the line of the file.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from .answer_table import AnswerTable, Reading, RowRule, read_table
from .answers import NO, YES, Answers, AnswersError, RowError

REQUIRED = ("participant", "stimulus", "answer")
OPTIONAL = ("condition", "seconds")
#: What Mechanical Turk calls the roles, and which assignments are not taken back.
MTURK = {"participant": "WorkerId", "stimulus": "HITId", "seconds": "WorkTimeInSeconds"}
STATUS, STATUSES = "AssignmentStatus", ("Submitted", "Approved")
#: How files write a time that was not measured, in lower case.
MISSING = ("", "nan", "na", "null", "none")
#: Words of a column that says of each answer whether it is right, besides those for yes and no.
RIGHT, WRONG = ("true", "right", "correct"), ("false", "wrong", "incorrect")


def read_answers(
    source: str | Path | IO[bytes],
    *,
    columns: Mapping[str, str] | None = None,
    yes: Sequence[str] = YES,
    no: Sequence[str] = NO,
    delimiter: str = ",",
    keep: Sequence[RowRule] = (),
) -> Answers:
    """Read a CSV file of answers: UTF-8, with a header, one row an answer.

    Args:
        source: a path, or a file opened for reading bytes.
        columns: the file's own names for ``participant, stimulus, answer, condition, seconds``; others keep theirs.
            ``condition`` and ``seconds`` are read where the file has them, and must be there when named.
        yes, no: what the answer column may hold, without regard to case or surrounding blanks.
        delimiter: one character.
        keep: rules that a row has to meet to be read.

    Returns the answers in the order of the file. Raises AnswersError, in one line with the line number where there is
    one, for an unreadable or empty file, another encoding, missing columns, a row with too few or too many cells, an
    empty participant or stimulus, another answer, a time that is no number from 0 up, and one participant answering
    one stimulus (in one condition) twice.
    """
    reading = Reading(columns=columns or {}, keep=keep, delimiter=delimiter)
    table = read_yes_no([source], reading)
    try:
        return answers_of(table.frame, yes, no)
    except RowError as error:
        raise table.error(error.row, error.what) from None


def read_mturk(
    source: str | Path | IO[bytes],
    *,
    answer: str,
    stimulus: str = MTURK["stimulus"],
    participant: str = MTURK["participant"],
    seconds: str = MTURK["seconds"],
    condition: str | None = None,
    yes: Sequence[str] = YES,
    no: Sequence[str] = NO,
    statuses: Sequence[str] = STATUSES,
) -> Answers:
    """Read Mechanical Turk's "batch results" CSV, whose rows are assignments.

    ``answer`` names the column of the answer, ``Answer.relevant`` for a field called relevant, and ``stimulus`` that
    of the stimulus: an ``Input.`` column such as ``Input.image_url``, or the HIT itself. Participants are ``WorkerId``
    and seconds ``WorkTimeInSeconds`` (which counts from accepting the HIT) unless named otherwise. Assignments of
    another status than ``statuses``, the rejected ones by default, are left out. Raises as :func:`read_answers`.
    """
    columns = {"participant": participant, "stimulus": stimulus, "answer": answer, "seconds": seconds}
    if condition is not None:
        columns["condition"] = condition
    return read_answers(source, columns=columns, yes=yes, no=no, keep=[taken_back(statuses)])


def taken_back(statuses: Sequence[str] = STATUSES) -> RowRule:
    """The rule that keeps Mechanical Turk's assignments of these statuses."""
    return RowRule.parse(f"{STATUS}={'|'.join(statuses)}")


def read_yes_no(
    sources: Sequence[str | Path | IO[bytes]], reading: Reading, further: Sequence[str] = ()
) -> AnswerTable:
    """Files of yes and no answers as a table by role, with these ``further`` roles where the files have them."""
    return read_table(
        sources, required=REQUIRED, optional=(*OPTIONAL, *further), reading=reading, may_miss=("answer", "seconds")
    )


def marks_of(column: pd.Series, yes: Sequence[str] = YES, no: Sequence[str] = NO) -> NDArray[np.bool_]:
    """(A,) whether each answer is right, from a column that says so in words. Raises RowError for another word."""
    words = column.str.lower()
    right, wrong = (
        words.isin([word.lower() for word in (*said, *more)]).to_numpy() for said, more in ((yes, RIGHT), (no, WRONG))
    )
    if (odd := ~(right | wrong)).any():
        row = int(odd.argmax())
        raise RowError(row, f"correct is {column.iloc[row]!r}, which means neither right nor wrong")
    return right


def meanings_of(
    column: pd.Series, yes: Sequence[str] = YES, no: Sequence[str] = NO, *, name: str = "answer"
) -> NDArray[np.int8]:
    """(A,) 1 for the words that mean yes and 0 for those that mean no. Raises RowError for any other word."""
    codes, values = pd.factorize(column)
    words = pd.Series(values, dtype=object).str.lower()
    agree, refuse = (words.isin([word.strip().lower() for word in allowed]).to_numpy() for allowed in (yes, no))
    if (both := agree & refuse).any():
        raise AnswersError(f"{values[both.argmax()]!r} cannot mean both yes and no")
    if (bad := ~(agree | refuse)[codes]).any():
        row = int(bad.argmax())
        raise RowError(row, f"the {name} is {column.iloc[row]!r}, not one of {', '.join((*yes, *no))}")
    return agree.astype(np.int8)[codes]


def seconds_of(column: pd.Series) -> NDArray[np.float64]:
    """(A,) seconds, NaN where they miss (``MISSING``). Raises RowError for what is not a number from 0 up."""
    codes, values = pd.factorize(column)
    numbers = pd.to_numeric(pd.Series(values, dtype=object), errors="coerce").to_numpy(dtype=np.float64)
    wrong = ~np.isin([str(value).lower() for value in values], MISSING) & ~(np.isfinite(numbers) & (numbers >= 0))
    if (bad := wrong[codes]).any():
        row = int(bad.argmax())
        raise RowError(row, f"seconds is {column.iloc[row]!r}, not a number from 0 up")
    return numbers[codes]


def answers_of(frame: pd.DataFrame, yes: Sequence[str] = YES, no: Sequence[str] = NO) -> Answers:
    """The yes and no answers of a table by role. Raises RowError for another word or a second answer."""
    people, people_names = pd.factorize(frame["participant"])
    items, item_names = pd.factorize(frame["stimulus"])
    groups, group_names = pd.factorize(frame["condition"]) if "condition" in frame else (None, np.empty(0))
    answers = Answers(
        people,
        items,
        meanings_of(frame["answer"], yes, no),
        participant_names=np.asarray(people_names),
        stimulus_names=np.asarray(item_names),
        condition=groups,
        condition_names=tuple(map(str, group_names)),
        seconds=seconds_of(frame["seconds"]) if "seconds" in frame else None,
    )
    if (row := answers.first_duplicate()) is not None:
        who, what = people_names[people[row]], item_names[items[row]]
        raise RowError(row, f"participant {who!r} answers stimulus {what!r} a second time")
    return answers
