"""Enrolling, claiming and answering: exactly N distinct people for each stimulus, whatever happens.

The constraints in studies.models.answers hold it up; here every write is a short transaction that is simply tried
again when another one was faster (docs/decisions/0002).
"""

from studies.lib.errors import StudyError

from .answering import (
    FLAGGED,
    UNSEEN,
    Answered,
    AnswerRefused,
    Measured,
    StudyClosed,
    TooEarly,
    answer,
    answers_given,
    arrive,
    comment,
    current_trial,
    leave_feedback,
    progress,
    shown_to,
    start,
    stop_waiting,
    tell_background,
)
from .claiming import beginners, places_left
from .enrolling import current_consent, enrol, find, has_room, new_token, token_hash
from .erasing import day_of, disconnect
from .excluding import exclude
from .standing import SessionState, max_stimuli_per_visit
from .tombstones import AlreadyWithdrawn, is_buried, was_earned
from .withdrawing import by_code, withdraw

__all__ = [
    "FLAGGED",
    "UNSEEN",
    "AlreadyWithdrawn",
    "AnswerRefused",
    "Answered",
    "Measured",
    "SessionState",
    "StudyClosed",
    "StudyError",
    "TooEarly",
    "answer",
    "answers_given",
    "arrive",
    "beginners",
    "by_code",
    "comment",
    "current_consent",
    "current_trial",
    "day_of",
    "disconnect",
    "enrol",
    "exclude",
    "find",
    "has_room",
    "is_buried",
    "leave_feedback",
    "max_stimuli_per_visit",
    "new_token",
    "places_left",
    "progress",
    "shown_to",
    "start",
    "stop_waiting",
    "tell_background",
    "token_hash",
    "was_earned",
    "withdraw",
]
