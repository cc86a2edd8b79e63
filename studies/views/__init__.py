"""Participants' pages."""

from .agreed_consent import own_consent
from .consent import home, join
from .pictures import picture
from .recruiter_messages import recruiter_message
from .session import take
from .withdrawing import withdraw, withdraw_by_code

__all__ = ["home", "join", "own_consent", "picture", "recruiter_message", "take", "withdraw", "withdraw_by_code"]
