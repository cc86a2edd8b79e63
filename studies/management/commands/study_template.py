import json
import textwrap
from collections.abc import Iterator
from typing import Any

from django import forms

from studies import protocols
from studies.designs.choices import catalogue
from studies.lib.errors import StudyError
from studies.management.base import QuorumCommand


class Command(QuorumCommand):
    help = "Print a commented default design of a protocol, to be filled in and given to create_study."

    def add_arguments(self, parser):
        parser.add_argument("protocol", help="The kind of study.")

    def handle(self, *args, protocol, **options):
        try:
            kind = protocols.get(protocol)
        except protocols.DesignError as error:
            raise StudyError(str(error)) from None
        self.stdout.write("\n".join(template(kind, kind.form(catalogue=catalogue()))))


def template(kind: protocols.Protocol, form: forms.Form) -> Iterator[str]:
    """The lines of a design with every setting at its default, each under what its form says of it."""
    yield from comment(f"{kind.title}. {kind.description}")
    yield from comment("Lines that begin with // are comments. Only what is required must be filled in.")
    yield "{"
    last = list(form.fields)[-1]
    for name, field in form.fields.items():
        yield from comment(describe(field), "  ")
        # An optional choice that is left open, as a classifier beside others, is filled in like a required one.
        left_open = field.required or (field.initial is None and isinstance(field, forms.ChoiceField))
        value = json.dumps("" if left_open else field.initial, ensure_ascii=False)
        yield f'  "{name}": {value}{"" if name == last else ","}'
    yield "}"


def comment(text: str, indent: str = "") -> list[str]:
    marked = f"{indent}// "
    return textwrap.wrap(text, 100, initial_indent=marked, subsequent_indent=marked, break_on_hyphens=False)


def describe(field: forms.Field) -> str:
    """What a setting means, what it may be, and its default."""
    default = "Required." if field.required else f"Default: {_default(field.initial)}."
    return " ".join(filter(None, [str(field.help_text), _values(field), default]))


def _default(value: Any) -> str:
    return "none" if value in (None, [], "") else json.dumps(value, ensure_ascii=False)


def _values(field: forms.Field) -> str:
    if isinstance(field, forms.ChoiceField):
        choices = [
            f"{value} ({label})" if value != label else str(value) for value, label in field.choices if value != ""
        ]
        return f"One of: {'; '.join(choices)}." if choices else ""
    if not isinstance(field, forms.IntegerField):
        return ""
    number = "A number" if isinstance(field, forms.FloatField) else "A whole number"
    bounds = [("from", field.min_value), ("to", field.max_value)]
    return " ".join([number, *(f"{word} {bound}" for word, bound in bounds if bound is not None)]) + "."
