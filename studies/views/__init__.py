"""Participants' pages."""

from .joining import home, join
from .pictures import picture
from .taking import take

__all__ = ["home", "join", "picture", "take"]
