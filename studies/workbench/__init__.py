"""Memoised precomputation: recipes in, artifacts out.  Anything may be killed and run again with the same result."""

from .bench import Bench, PreparationFailed
from .preparation import cancel, prepare, replay, request
from .workers import compute, sweep

__all__ = ["Bench", "PreparationFailed", "cancel", "compute", "prepare", "replay", "request", "sweep"]
