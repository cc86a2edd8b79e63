"""The design form as its page shows it: in groups, each setting with its default, unit, source and what it changes."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django import forms
from django.forms import BoundField

from studies.protocols import AsInPaper, DesignForm, Protocol
from studies.protocols.explained import GROUPS, Group, about

from .describing import in_words


@dataclass(frozen=True)
class Explained:
    """One setting; `paper` and `still` are what the published study says of it, or leaves open."""

    field: BoundField
    default: str
    unit: str
    changes: str
    source: str
    paper: str = ""
    still: str = ""


@dataclass(frozen=True)
class Part:
    key: str
    group: Group
    settings: tuple[Explained, ...]


def parts(kind: Protocol, form: DesignForm, start: AsInPaper | None) -> list[Part]:
    """The groups that this form has settings of, in the order a participant meets them."""
    by_group: dict[str, list[Explained]] = {key: [] for key in GROUPS}
    for field in form:
        by_group[about(kind.form_class, field.name).group].append(_explained(kind, field, start))
    return [Part(key, GROUPS[key], tuple(found)) for key, found in by_group.items() if found]


def _explained(kind: Protocol, field: BoundField, start: AsInPaper | None) -> Explained:
    told = about(kind.form_class, field.name)
    return Explained(
        field,
        default="" if field.field.required else default(field.field),
        unit=told.unit,
        changes=told.changes,
        source=told.source,
        paper=start.sources.get(field.name, "") if start else "",
        still=start.still.get(field.name, "") if start else "",
    )


def default(field: forms.Field) -> str:
    """The value that a setting has where nobody says another, in words."""
    value = field.initial
    if isinstance(field, forms.BooleanField):
        return "on" if value else "off"
    if isinstance(field, forms.MultipleChoiceField):
        names = dict(field.choices)
        return "all" if len(value) == len(names) else "; ".join(str(names[one]) for one in value)
    if isinstance(field, forms.ChoiceField):
        return str(dict(field.choices).get(value, value))
    if value in (None, "", []):
        return "empty"
    return in_words(value)


def starting(kind: Protocol, key: str) -> AsInPaper | None:
    """The published study to start from; `paper` is the protocol's first.  None for the defaults."""
    if key == "paper":
        return next(iter(kind.papers), None)
    return next((one for one in kind.papers if one.key == key), None)


def problems(form: DesignForm) -> Iterable[dict[str, Any]]:
    """What is wrong, by setting, for a list that leads to each."""
    for name, errors in form.errors.items():
        field = form[name] if name in form.fields else None
        yield {"label": field.label if field else "", "id": field.id_for_label if field else "", "errors": errors}
