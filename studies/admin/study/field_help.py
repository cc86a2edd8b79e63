"""The design form as its page shows it: in groups, each setting with its default, unit, source and what it changes."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django import forms
from django.forms import BoundField

from studies.admin.catalog import picking
from studies.admin.format import format_value
from studies.protocols import DesignForm, Protocol, PublishedDesign
from studies.protocols.base.field_help import GROUPS, Group, field_help


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
    #: Where the photographs are that a list of photographs is chosen from.
    photographs: str = ""
    #: Where the choices of a setting are drawn side by side.
    side_by_side: str = ""

    @property
    def value(self) -> str:
        """What the form has for it, in words."""
        return in_words(self.field.field, self.field.value())


@dataclass(frozen=True)
class FormPart:
    """Settings under one heading; `folded` where the page shows their values in a line until somebody asks."""

    group: Group
    settings: tuple[Explained, ...]
    folded: bool = True

    @property
    def line(self) -> str:
        """Every setting with its value, in words."""
        return " · ".join(f"{one.field.label} {one.value}" for one in self.settings)

    @property
    def open(self) -> bool:
        """Whether something in it has to be corrected."""
        return any(one.field.errors for one in self.settings)


#: What is decided first; the settings that a form calls essential, and those without a default.
FIRST = Group("First decisions", "The rest has defaults that suit most studies.")


def parts(kind: Protocol, form: DesignForm, start: PublishedDesign | None) -> list[FormPart]:
    """What is decided first, and then the groups of other settings, in the order a participant meets them."""
    first: list[Explained] = []
    by_group: dict[str, list[Explained]] = {key: [] for key in GROUPS}
    for field in form:
        is_first = field.field.required or field.name in kind.form_class.essential
        group = by_group[field_help(kind.form_class, field.name).group]
        (first if is_first else group).append(_explained(kind, field, start))
    folded = [FormPart(GROUPS[key], tuple(found)) for key, found in by_group.items() if found]
    return [FormPart(FIRST, tuple(first), folded=False), *folded]


def _explained(kind: Protocol, field: BoundField, start: PublishedDesign | None) -> Explained:
    told = field_help(kind.form_class, field.name)
    return Explained(
        field,
        default="" if field.field.required else default(field.field),
        unit=told.unit,
        changes=told.changes,
        source=told.source,
        paper=start.sources.get(field.name, "") if start else "",
        still=start.still.get(field.name, "") if start else "",
        photographs=picking.address(field.field, field.name),
        side_by_side=picking.side_by_side(field.name),
    )


#: Characters of a text that a line of values has room for.
LONGEST_IN_LINE = 40


def default(field: forms.Field) -> str:
    """The value that a setting has where nobody says another, in words."""
    return in_words(field, field.initial)


def in_words(field: forms.Field, value: Any) -> str:
    """The value of a setting as its form shows it: choices by their labels."""
    if isinstance(field, forms.BooleanField):
        return "on" if value and value != "False" else "off"
    if isinstance(field, forms.MultipleChoiceField):
        names, chosen = {str(key): label for key, label in field.choices}, value or []
        return "all" if len(chosen) == len(names) else "; ".join(str(names.get(one, one)) for one in chosen) or "none"
    if isinstance(field, forms.ChoiceField):
        return str({str(key): label for key, label in field.choices}.get(str(value), value))
    if value in (None, "", []):
        return "empty"
    if isinstance(value, str):
        first = " ".join(value.split())
        return first if len(first) <= LONGEST_IN_LINE else f"{first[:LONGEST_IN_LINE]}…"
    return format_value(value)


def starting(kind: Protocol, key: str) -> PublishedDesign | None:
    """The published study to start from; `paper` is the protocol's first.  None for the defaults."""
    if key == "paper":
        return next(iter(kind.papers), None)
    return next((one for one in kind.papers if one.key == key), None)


def problems(form: DesignForm) -> Iterable[dict[str, Any]]:
    """What is wrong, by setting, for a list that leads to each."""
    for name, errors in form.errors.items():
        field = form[name] if name in form.fields else None
        yield {"label": field.label if field else "", "id": field.id_for_label if field else "", "errors": errors}
