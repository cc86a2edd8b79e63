"""Values as pages write them."""

from collections.abc import Mapping
from typing import Any


def format_value(value: Any) -> str:
    """A JSON value as a person would write it."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if value is None or value in ([], {}, ""):
        return "–"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {format_value(one)}" for name, one in value.items())
    if isinstance(value, list):
        return ", ".join(format_value(one) for one in value)
    # A digest says enough by its beginning.
    return f"{value[:12]}…" if len(value) == 64 and value.isalnum() else str(value)
