"""Memoised precomputation: recipes in, artifacts out.  Anything may be killed and run again with the same result."""

from .bench import Bench, PreparationFailed
from .preparation import prepare

__all__ = ["Bench", "PreparationFailed", "prepare"]
