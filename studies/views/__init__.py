"""Participants' pages."""

from .joining import home, join
from .pictures import picture
from .taking import take
from .withdrawing import withdraw, withdraw_by_code

__all__ = ["home", "join", "picture", "take", "withdraw", "withdraw_by_code"]
