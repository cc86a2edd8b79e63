"""Participants' pages, and what whoever looks after the server asks for."""

from .joining import home, join
from .operating import figures, healthz, readyz
from .pictures import picture
from .taking import take
from .withdrawing import withdraw, withdraw_by_code

__all__ = ["figures", "healthz", "home", "join", "picture", "readyz", "take", "withdraw", "withdraw_by_code"]
