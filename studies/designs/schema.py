"""JSON Schema of a design, generated from its form: what an editor or another program can check before Quorum does."""

from typing import Any

from django import forms

from studies.protocols import Catalogue, Protocol
from studies.protocols.base.fields import MethodListField, NameListField

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def design_schema(protocol: Protocol, catalogue: Catalogue) -> dict[str, Any]:
    """The schema of the protocol's designs; `catalogue` names the classifiers there are."""
    form = protocol.form(catalogue=catalogue)
    return {
        "$schema": DIALECT,
        "$id": f"urn:quorum:design:{protocol.key}:{protocol.version}",
        "title": f"{protocol.title}: a design",
        "description": protocol.description,
        "type": "object",
        "properties": {name: _property(field) for name, field in form.fields.items()},
        "required": [name for name, field in form.fields.items() if field.required],
        **_one_or_several(form),
        "additionalProperties": False,
    }


def _one_or_several(form: forms.Form) -> dict[str, Any]:
    """A protocol of one classifier or several takes either, and no design without any."""
    if not {"classifier", "classifiers"} <= set(form.fields):
        return {}
    one = {"required": ["classifier"], "properties": {"classifier": {"type": "string", "minLength": 1}}}
    several = {"required": ["classifiers"], "properties": {"classifiers": {"type": "array", "minItems": 2}}}
    return {"oneOf": [one, several]}


def _property(field: forms.Field) -> dict[str, Any]:
    described = {"description": str(field.help_text)} if field.help_text else {}
    default = {} if field.required or field.initial is None else {"default": field.initial}
    values = _values(field)
    if not field.required:
        # A setting left out, and one that is null, have their default.
        values = {"anyOf": [values, {"type": "null"}]} if "type" not in values else _nullable(values)
    return {**values, **described, **default}


def _values(field: forms.Field) -> dict[str, Any]:
    if isinstance(field, forms.BooleanField):
        return {"type": "boolean"}
    if isinstance(field, forms.MultipleChoiceField):
        return {"type": "array", "items": {"enum": [value for value, _ in field.choices]}, "uniqueItems": True}
    if isinstance(field, MethodListField):
        method = {"type": "object", "properties": {"method": {"type": "string"}, "parameters": {"type": "object"}}}
        method |= {"required": ["method"], "additionalProperties": False}
        return {
            "type": "array",
            "items": {"anyOf": [{"enum": field.names()} if field.known else {"type": "string"}, method]},
        }
    if isinstance(field, NameListField):
        return {"type": "array", "items": {"type": "string"}, "uniqueItems": True}
    if isinstance(field, forms.ChoiceField):
        # Without a classifier yet, any name may come.
        names = [value for value, _ in field.choices]
        return {"type": "string", **({"enum": names} if names else {})}
    if isinstance(field, forms.IntegerField):
        number = "number" if isinstance(field, forms.FloatField) else "integer"
        bounds = {"minimum": field.min_value, "maximum": field.max_value}
        return {"type": number, **{name: bound for name, bound in bounds.items() if bound is not None}}
    length = getattr(field, "max_length", None)
    return {"type": "string", **({"maxLength": length} if length else {})}


def _nullable(values: dict[str, Any]) -> dict[str, Any]:
    nullable = {**values, "type": [values["type"], "null"]}
    if "enum" in values:
        nullable["enum"] = [*values["enum"], None]
    return nullable
