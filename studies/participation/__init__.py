"""Enrolling, claiming and answering: exactly N distinct people for each stimulus, whatever happens.

The constraints in studies.models.answers hold it up; here every write is a short transaction that is simply tried
again when another one was faster (docs/decisions/0002).
"""

from studies.errors import StudyError

from .answering import (
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
    start,
    tell_background,
)
from .enrolling import current_consent, enrol, find, has_room, new_token, token_hash
from .excluding import exclude
from .standing import Standing, reach
from .withdrawing import by_code, disconnect, withdraw

__all__ = [
    "AnswerRefused",
    "Answered",
    "Measured",
    "Standing",
    "StudyClosed",
    "StudyError",
    "TooEarly",
    "answer",
    "answers_given",
    "arrive",
    "by_code",
    "comment",
    "current_consent",
    "current_trial",
    "disconnect",
    "enrol",
    "exclude",
    "find",
    "has_room",
    "leave_feedback",
    "new_token",
    "progress",
    "reach",
    "start",
    "tell_background",
    "token_hash",
    "withdraw",
]
