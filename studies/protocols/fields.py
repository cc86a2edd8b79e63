"""Form fields that designs need and Django does not have."""

from typing import Any

from django import forms


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


class SomeOfField(forms.MultipleChoiceField):
    """Some of the choices there are: a JSON list in a design file, boxes to tick in a form."""

    widget = forms.CheckboxSelectMultiple
    default_error_messages = {"invalid_list": "Give a list of names."}

    def to_python(self, value: Any) -> list[str]:
        # One name alone is a list of it.
        return super().to_python([value] if isinstance(value, str) and value else value)
