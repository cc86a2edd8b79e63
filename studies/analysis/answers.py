"""The table that everything else reads: one row an answer, held as integer codes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

YES = ("yes", "1")
NO = ("no", "0")


class AnswersError(ValueError):
    """The table or a setting is wrong; the message is one line that says what and where."""


class RowError(AnswersError):
    """A row of a table is wrong; ``row`` counts from 0, and who read the table from a file can name its line."""

    def __init__(self, row: int, what: str) -> None:
        super().__init__(f"row {row}: {what}")
        self.row, self.what = row, what


@dataclass(frozen=True, eq=False)
class Answers:
    """A answers from W participants to N stimuli, each participant at most once to each stimulus and condition.

    Attributes:
        participant: (A,) integer codes in [0, W).
        stimulus: (A,) integer codes in [0, N). With conditions, the same code in two conditions is the same image.
        answer: (A,) 0 for no, 1 for yes.
        participant_names: (W,) what the codes stand for, or None.
        stimulus_names: (N,) likewise.
        condition: (A,) integer codes into ``condition_names``, or None where the study has one condition.
        seconds: (A,) response times, or None where they were not recorded.

    A selection keeps the codes, so that selections of one table can be compared stimulus by stimulus.
    """

    participant: NDArray[Any]
    stimulus: NDArray[Any]
    answer: NDArray[Any]
    participant_names: NDArray[Any] | None = None
    stimulus_names: NDArray[Any] | None = None
    condition: NDArray[Any] | None = None
    condition_names: tuple[str, ...] = ()
    seconds: NDArray[np.float64] | None = None

    def __len__(self) -> int:
        return len(self.answer)

    @classmethod
    def from_codes(cls, participant: ArrayLike, stimulus: ArrayLike, answer: ArrayLike, **columns: Any) -> Self:
        """Check and take arrays of integer codes: shapes (A,), none negative, answers 0 or 1, no duplicate.

        Raises AnswersError for unequal lengths, negative codes, other answers, or a participant met twice.
        """
        people, items, said = (np.asarray(column) for column in (participant, stimulus, answer))
        if not people.shape == items.shape == said.shape or people.ndim != 1:
            raise AnswersError("participant, stimulus and answer must be columns of one length")
        for name, codes in (("participant", people), ("stimulus", items)):
            if codes.size and (not np.issubdtype(codes.dtype, np.integer) or codes.min() < 0):
                raise AnswersError(f"{name} codes must be integers from 0 up")
        if said.size and not np.isin(said, (0, 1)).all():
            raise AnswersError("answers must be 0 (no) or 1 (yes)")
        table = cls(people, items, said.astype(np.int8), **columns)
        table._refuse_duplicates()
        return table

    @classmethod
    def from_frame(
        cls,
        frame: pd.DataFrame,
        *,
        participant: str = "participant",
        stimulus: str = "stimulus",
        answer: str = "answer",
        condition: str | None = None,
        seconds: str | None = None,
    ) -> Self:
        """Take a pandas table with one row an answer; answers are yes/no, 1/0 or booleans.

        Raises AnswersError, naming the first row at fault (counted from 0), for a missing column, a missing value,
        another answer, or one participant answering one stimulus twice in one condition.
        """
        wanted = [name for name in (participant, stimulus, answer, condition, seconds) if name is not None]
        if missing := [name for name in wanted if name not in frame.columns]:
            raise AnswersError(f"no column {', '.join(map(repr, missing))}; there are {list(frame.columns)}")
        for name in (participant, stimulus, answer, condition):
            if name is not None and (empty := frame[name].isna().to_numpy()).any():
                raise AnswersError(f"row {int(empty.argmax())}: {name!r} is missing")
        people, people_names = pd.factorize(frame[participant])
        items, item_names = pd.factorize(frame[stimulus])
        groups, group_names = pd.factorize(frame[condition]) if condition else (None, ())
        return cls.from_codes(
            people,
            items,
            _as_binary(frame[answer]),
            participant_names=np.asarray(people_names),
            stimulus_names=np.asarray(item_names),
            condition=groups,
            condition_names=tuple(map(str, group_names)),
            seconds=None if seconds is None else frame[seconds].to_numpy(dtype=np.float64),
        )

    def select(self, keep: NDArray[np.bool_]) -> Self:
        """The answers where ``keep`` (A,) is true, with unchanged codes."""
        return replace(
            self,
            participant=self.participant[keep],
            stimulus=self.stimulus[keep],
            answer=self.answer[keep],
            condition=None if self.condition is None else self.condition[keep],
            seconds=None if self.seconds is None else self.seconds[keep],
        )

    def by_condition(self) -> Iterator[tuple[str, Self]]:
        """Each condition's name and its answers, codes shared between them; one nameless condition without any."""
        if self.condition is None:
            yield "", self
            return
        for code, name in enumerate(self.condition_names):
            yield name, replace(self.select(self.condition == code), condition=None, condition_names=())

    def panel_codes(self) -> NDArray[Any]:
        """(A,) codes of the panel each answer belongs to: its stimulus, or its stimulus in its condition."""
        if self.condition is None or len(self.condition_names) < 2:
            return self.stimulus
        return self.condition.astype(np.int64) * (int(self.stimulus.max(initial=-1)) + 1) + self.stimulus

    def first_duplicate(self) -> int | None:
        """The first row in which a participant meets a stimulus (in a condition) again, or None."""
        width = int(self.participant.max(initial=-1)) + 1
        again = pd.Series(self.panel_codes().astype(np.int64) * width + self.participant).duplicated().to_numpy()
        return int(again.argmax()) if again.any() else None

    def _refuse_duplicates(self) -> None:
        if (row := self.first_duplicate()) is None:
            return
        who, what = self.participant[row], self.stimulus[row]
        if self.participant_names is not None and self.stimulus_names is not None:
            who, what = self.participant_names[who], self.stimulus_names[what]
        raise AnswersError(f"row {row}: participant {str(who)!r} answers stimulus {str(what)!r} a second time")


def as_answers(table: pd.DataFrame | Answers) -> Answers:
    """A table with columns ``participant, stimulus, answer`` and optionally ``condition, seconds``, or an Answers."""
    if isinstance(table, Answers):
        return table
    return Answers.from_frame(
        table,
        condition="condition" if "condition" in table.columns else None,
        seconds="seconds" if "seconds" in table.columns else None,
    )


def _as_binary(column: pd.Series) -> NDArray[np.int8]:
    if pd.api.types.is_bool_dtype(column):
        return column.to_numpy(dtype=np.int8)
    codes, values = pd.factorize(column)
    meaning = np.array([_meaning(value) for value in values], dtype=np.int8)
    if (bad := meaning[codes] < 0).any():
        row = int(bad.argmax())
        raise AnswersError(f"row {row}: {column.name!r} is {column.iloc[row]!r}, not yes, no, 1 or 0")
    return meaning[codes]


def _meaning(value: Any) -> int:
    if isinstance(value, str):
        word = value.strip().lower()
        return 1 if word in YES else 0 if word in NO else -1
    return int(value) if value in (0, 1) else -1
