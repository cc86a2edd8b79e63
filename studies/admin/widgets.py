"""The theme's widgets in forms that know nothing of the admin."""

from django import forms
from unfold import widgets

#: Protocols know nothing of the admin: their forms get the theme's widgets here.
THEME_WIDGETS = {
    forms.TextInput: widgets.UnfoldAdminTextInputWidget,
    forms.NumberInput: widgets.UnfoldAdminIntegerFieldWidget,
    forms.Textarea: widgets.UnfoldAdminTextareaWidget,
    forms.Select: widgets.UnfoldAdminSelectWidget,
    forms.CheckboxInput: widgets.UnfoldBooleanWidget,
    forms.CheckboxSelectMultiple: widgets.UnfoldAdminCheckboxSelectMultipleWidget,
}


def with_theme_widgets(form: forms.BaseForm) -> forms.BaseForm:
    """The form with the theme's widgets in place of plain ones."""
    for field in form.fields.values():
        plain = field.widget
        if themed := THEME_WIDGETS.get(type(plain)):
            # The theme's widgets add their classes to those they are given; the rest, like min and max, stays.
            field.widget = themed(attrs=dict(plain.attrs))
            field.widget.is_required = plain.is_required
            if isinstance(field, forms.ChoiceField):
                field.widget.choices = field.choices
    return form
