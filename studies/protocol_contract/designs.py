"""Properties of a protocol's name, its hooks and its design."""

import difflib
import json
from typing import Any
from urllib.parse import urlencode

import lxml.html
from django import forms
from django.http import QueryDict
from django.template import TemplateDoesNotExist
from django.template.loader import get_template

from studies.designs.choices import catalogue
from studies.protocols import DesignError, Protocol

from .example_designs import example_design
from .subject import Subject, require

#: A value of each JSON type.
VALUES = {
    "switch": True,
    "number": 2,
    "fraction": 2.5,
    "text": "some text",
    "texts": ["one", "two"],
    "numbers": [1, 2],
    "object": {"one": 1},
}
UNKNOWN = "no_such_setting"


def names(subject: Subject) -> None:
    protocol = subject.protocol
    for name in ("key", "title", "description"):
        require(str(getattr(protocol, name, "")).strip(), f"{name} is missing: set it in the class")
    version = getattr(protocol, "version", None)
    whole = isinstance(version, int) and not isinstance(version, bool) and version > 0
    require(whole, f"version must be a whole number from 1 up, not {version!r}")
    hooks = [name for name in dir(Protocol) if not name.startswith("_")]
    own = [kind for kind in type(protocol).__mro__ if kind not in Protocol.__mro__]
    for name in sorted({name for kind in own for name in vars(kind) if not name.startswith("_")} - set(hooks)):
        near = difflib.get_close_matches(name, [*hooks, "key", "title", "version", "description"], n=1)
        meant = f"did you mean {near[0]}?" if near else "begin names of your own with an underscore"
        require(name in ("key", "title", "version", "description"), f"{name} is not a hook of a protocol: {meant}")
    template = f"protocols/{protocol.key}.html"
    try:
        get_template(template)
    except TemplateDoesNotExist:
        require(False, f"there is no template {template}")


def default(subject: Subject) -> None:
    design = subject.clean()
    require(json.loads(json.dumps(design)) == design, "the design is not the same after it was written as JSON")
    require(subject.protocol.clean(design, catalogue=catalogue()) == design, "a complete design is not taken as it is")
    empty = [name for name in design if design[name] == "" and subject.protocol.form_class.base_fields[name].required]
    require(not empty, f"{', '.join(empty)} is required and has no default")


def form(subject: Subject) -> None:
    protocol = subject.protocol
    plain, example = subject.clean(), example_design(subject)
    same = [name for name in plain if name not in subject.about and plain[name] == example[name]]
    require(not same, f"no value but the default was found for {', '.join(same)}: give one in contract_design")
    for design in (plain, example):
        require(json.loads(json.dumps(design)) == design, "a design is not the same after it was written as JSON")
        again = protocol.clean(design, catalogue=catalogue())
        require(again == design, f"cleaned again, a design has other values of {_differing(again, design)}")
        # What a browser sends when the form is shown filled in, and sent as it is.
        shown = protocol.form(catalogue=catalogue(), initial=design).as_p()
        sent = QueryDict(urlencode(lxml.html.fromstring(f"<form>{shown}</form>").form_values()))
        bound = protocol.form(sent, catalogue=catalogue())
        require(not bound.errors, f"the form refuses what it shows of {', '.join(bound.errors)}")
        differing = _differing(bound.cleaned_data, design)
        require(not differing, f"through the form, a design has other values of {differing}")


def _differing(one: dict[str, Any], other: dict[str, Any]) -> str:
    return ", ".join(name for name in other if one.get(name) != other[name])


def types(subject: Subject) -> None:
    for name, field in subject.protocol.form(catalogue=catalogue()).fields.items():
        for called, value in VALUES.items():
            refused = any(
                line.startswith(f"{name}: must be ") and ", not " in line for line in _refused(subject, name, value)
            )
            wrong = called not in _types_of(field)
            require(refused or not wrong, f"{name} takes a {called}, {value!r}")
            require(wrong or not refused, f"{name} refuses a {called}, {value!r}, for its type")


def _types_of(field: forms.Field) -> set[str]:
    """What a setting takes, of VALUES: more than one where a number may be whole, or a text of lines a list."""
    if isinstance(field, forms.BooleanField):
        return {"switch"}
    if isinstance(field, forms.FloatField):
        return {"number", "fraction"}
    if isinstance(field, forms.IntegerField):
        return {"number"}
    lines = isinstance(field, forms.MultipleChoiceField) or isinstance(field.widget, forms.Textarea)
    return {"text", "texts"} if lines else {"text"}


def _refused(subject: Subject, name: str, value: Any) -> list[str]:
    """What is said of a design with this value; nothing where it is taken."""
    try:
        subject.clean(**{name: value})
    except DesignError as error:
        # A value of the right type may be refused for another reason.
        return error.messages
    return []


def refusals(subject: Subject) -> None:
    said = _refused(subject, UNKNOWN, 1)
    require(any(line.startswith(f"{UNKNOWN}: unknown setting") for line in said), "an unknown setting is taken")
    for name, field in subject.protocol.form(catalogue=catalogue()).fields.items():
        if isinstance(field, forms.ChoiceField):
            lines = [line for line in _refused(subject, name, "elephants") if line.startswith(f"{name}: ")]
            require(lines, f"{name} takes a choice that there is not")
            left_out = [str(value) for value, _label in field.choices if str(value) not in lines[0]]
            require(not left_out, f"{name}: what refuses an unknown choice does not name {', '.join(left_out)}")


def helped(subject: Subject) -> None:
    fields = subject.protocol.form(catalogue=catalogue()).fields
    bare = [name for name, field in fields.items() if not str(field.help_text).strip()]
    require(not bare, f"{', '.join(bare)} has no help text")
