"""Memoised precomputation: recipes in, artifacts out.  Anything may be killed and run again with the same result."""

from .bench import Bench, PreparationFailed
from .stimuli import cancel, enqueue_preparation, prepare, resume_preparation
from .workers import compute, sweep

__all__ = [
    "Bench",
    "PreparationFailed",
    "cancel",
    "compute",
    "enqueue_preparation",
    "prepare",
    "resume_preparation",
    "sweep",
]
