"""What only the researcher knows of a study and its participants have to be told: the details of its consent text."""

from collections.abc import Mapping
from typing import Any

from django import forms

from studies.lib.errors import StudyError
from studies.models import Study
from studies.protocols.base.json_values import as_form_data, unknown_setting

#: Days that backups are kept, as the timer of docs/how-to/deploy.md keeps them.
BACKUP_DAYS = 30


def _text(help_text: str, longest: int, *, lines: int = 0) -> forms.CharField:
    widget = forms.Textarea(attrs={"rows": lines}) if lines else forms.TextInput()
    return forms.CharField(required=False, max_length=longest, help_text=help_text, widget=widget)


class ConsentDetailsForm(forms.Form):
    """The details of one study.  All can be left empty for now; `missing` names those that opening asks for."""

    researchers = _text("People who run the study.", 500)
    institution = _text("Institution that is responsible for the study and its data.", 500)
    contact = _text("E-mail address or telephone number for questions.", 500)
    approval = _text("Ethics approval: the board and its number, or why none is needed.", 1000)
    complaints = _text("Person or office to complain to, outside the study.", 1000)
    purpose = _text("Purpose of the study in one or two sentences, after “a research study”. Optional.", 2000, lines=2)
    minutes = forms.FloatField(
        required=False, min_value=0.5, max_value=10_000, help_text="Minutes per participant, all visits together."
    )
    pay = forms.FloatField(
        required=False, min_value=0, max_value=100_000, help_text="Pay per participant for all of it; 0 for none."
    )
    currency = _text("Currency of the pay, such as EUR.", 20)
    fee_percent = forms.FloatField(
        required=False,
        min_value=0,
        max_value=1000,
        label="Fees in percent",
        help_text="Fees of the recruiter on top of the pay, in percent. Optional, and not told to participants.",
    )
    risks = _text("Risks and discomforts, also such as offensive pictures or labels.", 2000, lines=2)
    storage = _text("Place of the server and of other copies: institution or company, and country.", 1000)
    backup_days = forms.IntegerField(
        required=False,
        initial=BACKUP_DAYS,
        min_value=0,
        max_value=10_000,
        help_text="Days that a backup is kept; 0 for no backups.",
    )
    data_protection = _text(
        "Legal basis, rights, and the data protection officer, as your institution words them. Optional.", 3000, lines=3
    )

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean()
        if cleaned.get("backup_days") is None and "backup_days" not in self.errors:
            cleaned["backup_days"] = BACKUP_DAYS
        return cleaned


OPTIONAL = ("purpose", "backup_days", "data_protection", "fee_percent")
#: Beside the form's: which claims a text of one's own makes, as their keys; stored with what each said then.
SAYS = "says"


def clean_details(data: Any) -> dict[str, Any]:
    """The complete details that `data`, a JSON object, describes; StudyError with every mistake in one line."""
    if not isinstance(data, Mapping):
        raise StudyError("consent: the details are a JSON object")
    fields = ConsentDetailsForm.base_fields
    said = data.get(SAYS, [])
    given = {name: value for name, value in data.items() if name != SAYS}
    read, mistyped = as_form_data(fields, given)
    form = ConsentDetailsForm(read)
    mistakes = [unknown_setting(str(name), [*fields, SAYS]) for name in given if name not in fields]
    mistakes += [f"{name}: {problem}" for name, problem in mistyped.items()]
    mistakes += [f"{name}: {' '.join(messages)}" for name, messages in form.errors.items() if name not in mistyped]
    mistakes += [f"{name}: has half a character in it" for name, value in given.items() if _is_broken(value)]
    both = [*said, *said.values()] if isinstance(said, dict) else said
    if not isinstance(both, list) or not all(isinstance(key, str) for key in both):
        mistakes.append(f"{SAYS}: must be a list of texts")
    if mistakes:
        raise StudyError(f"consent: {' '.join(mistakes)}")
    details = {name: form.cleaned_data[name] for name in fields}
    return details | ({SAYS: said} if said else {})


def _is_broken(value: Any) -> bool:
    """Whether a text, or one of its lines, has half of a pair of surrogates, which no file or database takes."""
    text = "".join(one for one in value if isinstance(one, str)) if isinstance(value, list) else value
    return isinstance(text, str) and any("\ud800" <= character <= "\udfff" for character in text)


def missing(study: Study) -> list[str]:
    """The details that are empty and that participants have to be told."""
    details = study.consent_details
    empty = [name for name in ConsentDetailsForm.base_fields if details.get(name) in (None, "")]
    needless = {*OPTIONAL, *(["currency"] if not details.get("pay") else [])}
    return [name for name in empty if name not in needless]
