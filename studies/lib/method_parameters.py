"""Parameters of a method as people write them: NAME=VALUE, several with a separator."""

import json
from typing import Any


def parse_parameters(text: str, separator: str) -> dict[str, Any]:
    """By name the values: JSON where one can be read so (`4`, `true`, `null`), else text.

    ValueError in one line for what is not written NAME=VALUE, and for a name that is given twice.
    """
    found: dict[str, Any] = {}
    for part in text.split(separator):
        name, equals, value = (one.strip() for one in part.partition("="))
        if not name and not equals:
            continue
        if not name or not equals:
            raise ValueError(f"a parameter is written NAME=VALUE, not {part.strip()!r}")
        if name in found:
            raise ValueError(f"{name} is given twice")
        found[name] = _value(value)
    return found


def _value(text: str) -> Any:
    try:
        return json.loads(text, parse_constant=lambda _: text)
    except (ValueError, RecursionError):
        return text
