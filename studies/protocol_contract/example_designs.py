"""A design that differs from the default in every setting, found by trying."""

from collections.abc import Iterator, Mapping
from typing import Any

from django import forms

from studies.designs.choices import catalogue
from studies.protocols import DesignError

from .made_up_bench import CLASSES
from .subject import Subject

#: Settings of every protocol that cannot be guessed.
EXAMPLE_SESSION: Mapping[str, Any] = {
    "language": "de",
    "questions": "How old are you? | number\nDo you wear glasses? | yes | no\nWhat do you work as?",
    "example": True,
    "practice": 2,
    "gold": 2,
    "gold_rate": 0.5,
    "spending": "pocock",
    "interim_looks": "50",
    "reopen_screened": False,
    "record_display": True,
    "comments": True,
    "withdrawal": "remove",
    "debrief": "We wanted to know what people see.",
    "completion_url": "https://recruiter.example/done?code={code}&outcome={outcome}",
}
#: Settings may hang together, so that one can be changed only after another was.
MOST_ROUNDS = 5


def example_design(subject: Subject) -> dict[str, Any]:
    """A valid design; a setting keeps its default where nothing else that was tried is taken.

    It begins with `contract_design` of the protocol, which may say what cannot be guessed.
    """
    default = subject.clean()
    design = subject.clean(**{**EXAMPLE_SESSION, **subject.protocol.contract_design})
    fields = subject.protocol.form(catalogue=catalogue()).fields
    for _round in range(MOST_ROUNDS):
        left = [name for name in default if name not in subject.about and design[name] == default[name]]
        for name in left:
            design = next(_others(subject, design, name, fields[name], default[name]), design)
        if not left:
            break
    return design


def _others(
    subject: Subject, design: dict[str, Any], name: str, field: forms.Field, default: Any
) -> Iterator[dict[str, Any]]:
    """Valid designs in which this setting alone is not its default."""
    for value in _candidates(field, default):
        try:
            other = subject.clean(**{**design, name: value})
        except DesignError:
            continue
        if other[name] != default:
            yield other


def _candidates(field: forms.Field, default: Any) -> Iterator[Any]:
    if isinstance(field, forms.BooleanField):
        yield not default
    elif isinstance(field, forms.MultipleChoiceField):
        values = [value for value, _label in field.choices]
        yield from (values[:n] for n in range(len(values), 0, -1))
    elif isinstance(field, forms.ChoiceField):
        yield from (value for value, _label in field.choices)
    elif isinstance(field, forms.IntegerField):
        yield from _numbers(field, default, whole=not isinstance(field, forms.FloatField))
    elif isinstance(field, forms.CharField) and not isinstance(field.widget, forms.Textarea):
        yield from (*reversed(CLASSES), "another text")
    else:
        yield from (list(CLASSES[:n]) for n in (2, len(CLASSES) - 1, len(CLASSES)))
        yield "another text"


def _numbers(field: forms.IntegerField, default: float | None, *, whole: bool) -> Iterator[float]:
    """Numbers near the default, and then the ends of what is allowed; a field of fractions is one of integers."""
    middle = default if default is not None else field.min_value if field.min_value is not None else 1
    near = [middle + 1, middle - 1, middle + 2, 1, 2]
    if not whole:
        near = [*near, 0.5, 0.25, middle * 0.75]
    ends = [end for end in (field.min_value, field.max_value) if end is not None]
    yield from (int(number) if whole else float(number) for number in [*near, *ends])
