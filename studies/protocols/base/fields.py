"""Form fields that designs need and Django does not have."""

import json
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from django import forms

from studies.lib.canonical_json import canonical_text

#: A method as a design names it: by its name alone, or with some of its parameters.
MethodEntry = str | dict[str, Any]
#: A condition's name has room for so many characters.
LONGEST_CONDITION = 60


class NameListField(forms.Field):
    """A list of names: a JSON list in a design file, one name a line in a form."""

    widget = forms.Textarea(attrs={"rows": 4, "placeholder": "one a line"})

    def to_python(self, value: Any) -> list[str]:
        if value in self.empty_values:
            return []
        names = value.splitlines() if isinstance(value, str) else value
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            raise forms.ValidationError("Give a list of names.")
        names = [name.strip() for name in names if name.strip()]
        if repeated := sorted({name for name in names if names.count(name) > 1}):
            raise forms.ValidationError(f"Named twice: {', '.join(repeated)}.")
        return names

    def prepare_value(self, value: Any) -> Any:
        return "\n".join(value) if isinstance(value, list) else value


class ImageListField(NameListField):
    """A list of photographs by their paths below the imported folder; the admin offers them by their pictures.

    clear: offer those alone that have one right answer: one annotated class, and the classifier is right and gives its
    class at least this probability.  None: offer all.
    """

    def __init__(self, *, clear: float | None = None, **kwargs: Any):
        super().__init__(**kwargs)
        self.clear = clear


class PercentagesField(forms.CharField):
    """Percentages above 0 and below 100 that rise, written with commas; kept as the text that says so shortest."""

    def clean(self, value: Any) -> str:
        text = super().clean(value)
        found = [part.strip().removesuffix("%").strip() for part in text.split(",")] if text.strip() else []
        try:
            numbers = [float(part) for part in found]
        except ValueError:
            raise forms.ValidationError(f"Give percentages with commas between them, not {text!r}.") from None
        if not all(0 < number < 100 for number in numbers):
            raise forms.ValidationError("Percentages lie above 0 and below 100: the end is no interim look.")
        if any(later <= earlier for earlier, later in pairwise(numbers)):
            raise forms.ValidationError("Percentages have to rise.")
        return ", ".join(f"{number:g}" for number in numbers)


class SomeOfField(forms.MultipleChoiceField):
    """Some of the choices there are: a JSON list in a design file, boxes to tick in a form."""

    widget = forms.CheckboxSelectMultiple
    default_error_messages = {"invalid_list": "Give a list of names."}

    def to_python(self, value: Any) -> list[str]:
        # One name alone is a list of it.
        return super().to_python([value] if isinstance(value, str) and value else value)


class MethodListField(forms.Field):
    """A list of methods: names, or objects with `method` and `parameters`; in a form one a line, objects as JSON.

    Parameters are checked when the study is prepared, where methods are loaded.  `also`: names that are no methods,
    such as "none".
    """

    widget = forms.Textarea(attrs={"rows": 4, "placeholder": "one a line"})
    takes = "a list of names, or of objects with “method” and “parameters”"

    def __init__(self, *, also: Sequence[str] = (), **kwargs: Any):
        super().__init__(**kwargs)
        self.also = tuple(also)
        #: The names of methods there are, which the form fills in; None: any, which preparing then refuses.
        self.known: Sequence[str] | None = None

    def names(self) -> list[str]:
        """All that can be named, as far as they are known."""
        return [*self.also, *(self.known or ())]

    def wanted(self, value: Any) -> str:
        """What a JSON value must be; empty where it is that."""
        entries = [value] if isinstance(value, str) else value
        fits = isinstance(entries, list) and all(isinstance(one, str | dict) for one in entries)
        return "" if fits else self.takes

    def to_python(self, value: Any) -> list[MethodEntry]:
        if value in self.empty_values:
            return []
        entries = [self._line(line) for line in value.splitlines()] if isinstance(value, str) else value
        if self.wanted(entries):
            raise forms.ValidationError(f"Give {self.takes}.")
        named = [self._entry(one) for one in entries if one not in ("", None)]
        conditions = [condition_of(one) for one in named]
        if repeated := sorted({name for name in conditions if conditions.count(name) > 1}):
            raise forms.ValidationError(f"Named twice: {', '.join(repeated)}.")
        if long := next((name for name in conditions if len(name) > LONGEST_CONDITION), ""):
            raise forms.ValidationError(
                f"{long!r} is too long for the name of a condition ({LONGEST_CONDITION} characters): give fewer "
                "parameters."
            )
        return named

    def prepare_value(self, value: Any) -> Any:
        if not isinstance(value, list):
            return value
        return "\n".join(one if isinstance(one, str) else canonical_text(one) for one in value)

    def _line(self, line: str) -> Any:
        line = line.strip()
        if not line.startswith("{"):
            return line
        try:
            return json.loads(line)
        except ValueError as error:
            raise forms.ValidationError(f"{line[:60]!r} is not a JSON object: {error}.") from None

    def _entry(self, entry: MethodEntry) -> MethodEntry:
        """The entry in its shortest form: without parameters it is a name."""
        if isinstance(entry, str):
            name, parameters = entry.strip(), {}
        else:
            if unknown := sorted(set(entry) - {"method", "parameters"}):
                raise forms.ValidationError(f"A method has “method” and “parameters”, not {unknown[0]!r}.")
            name, parameters = entry.get("method"), entry.get("parameters", {})
            if not isinstance(name, str) or not isinstance(parameters, dict):
                raise forms.ValidationError("A method is {“method”: name, “parameters”: {name: value}}.")
        if (self.known is not None and name not in self.names()) or (parameters and name in self.also):
            known = ", ".join(self.names())
            raise forms.ValidationError(f"{name!r} is not the name of a method; there are: {known}.")
        if odd := next((key for key, value in parameters.items() if isinstance(value, list | dict)), ""):
            raise forms.ValidationError(
                f"The parameter {odd!r} of {name} must be a number, a text, true, false or null."
            )
        return {"method": name, "parameters": parameters} if parameters else name


def condition_of(entry: MethodEntry) -> str:
    """What the condition of a method is called: its name, and the parameters that were given."""
    if isinstance(entry, str):
        return entry
    items = entry["parameters"].items()
    given = (f"{name}={value if isinstance(value, str) else json.dumps(value)}" for name, value in items)
    return " ".join([entry["method"], *sorted(given)])


def method_of(entry: MethodEntry) -> dict[str, Any]:
    """What a bench is told for a method."""
    return {"method": entry, "parameters": {}} if isinstance(entry, str) else dict(entry)
