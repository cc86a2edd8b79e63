"""JSON values of a design file as its form reads them: a form takes text for everything, and a design has types."""

import difflib
from collections.abc import Collection, Mapping
from typing import Any

from django import forms

from .fields import MethodListField

#: Of the texts that a message quotes, so many characters.
LONGEST_QUOTE = 60


def as_form_data(fields: Mapping[str, forms.Field], data: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, str]]:
    """The settings as the form reads them, and of those that have the wrong JSON type what they must be, by name.

    A text of lines may be a list of texts instead.  null means the default, as a setting that is left out.
    """
    read: dict[str, Any] = {}
    mistyped: dict[str, str] = {}
    for name, value in data.items():
        field = fields.get(name)
        wanted = "" if field is None or value is None else _wanted(field, value)
        if wanted:
            mistyped[name] = f"must be {wanted}, not {_quoted(value)}"
        elif isinstance(field, forms.CharField) and isinstance(value, list):
            read[name] = "\n".join(value)
        else:
            read[name] = value
    return read, mistyped


def unknown_setting(name: str, known: Collection[str]) -> str:
    """What to say of a setting that there is not: the one that was probably meant, or all there are."""
    near = difflib.get_close_matches(name.lower(), known, n=1, cutoff=0.6)
    hint = f"did you mean {near[0]}?" if near else f"known: {', '.join(known)}"
    return f"{name[:LONGEST_QUOTE]}: unknown setting ({hint})"


def _wanted(field: forms.Field, value: Any) -> str:
    """What the value must be, in words; empty where it is that."""
    if isinstance(field, MethodListField):
        return field.wanted(value)
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if isinstance(field, forms.BooleanField):
        return "" if isinstance(value, bool) else "true or false"
    if isinstance(field, forms.FloatField):
        return "" if number else "a number"
    if isinstance(field, forms.IntegerField):
        return "" if number and float(value).is_integer() else "a whole number"
    if isinstance(field, forms.MultipleChoiceField) or isinstance(field.widget, forms.Textarea):
        lines = [value] if isinstance(value, str) else value
        if not isinstance(lines, list) or not all(isinstance(line, str) for line in lines):
            return "a text with a line for each, or a list of texts"
        broken = isinstance(value, list) and any("\n" in line or "\r" in line for line in value)
        return "a list of texts without line breaks in them" if broken else ""
    return "" if isinstance(value, str) else "a text"


def _quoted(value: Any) -> str:
    shown = repr(value)
    return shown if len(shown) <= LONGEST_QUOTE else f"{shown[:LONGEST_QUOTE]}…"
