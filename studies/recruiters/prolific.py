"""Prolific: people come with three ids in the address, and go back with a completion code for each outcome.

https://docs.prolific.com/api-reference/studies/the-study-object (its placeholders and completion codes)
"""

from collections.abc import Mapping, Sequence
from typing import Any

from django import forms
from django.core.validators import RegexValidator
from django.utils.translation import gettext as _

from .base import Arrived, Exit, Fee, Instruction, Market, NotFromHere, Recruiter, RecruiterForm, VisitOutcome, one
from .prolific_api import IDS, fold, make_market

COMPLETE = "https://app.prolific.com/submissions/complete?cc="
PERSON, STUDY, SESSION = "PROLIFIC_PID", "STUDY_ID", "SESSION_ID"
CODE = RegexValidator(r"^[A-Za-z0-9]{1,40}$", "A code has letters and digits alone, at most 40.")


def _code(help_text: str, *, required: bool = False) -> forms.CharField:
    widget = forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false"})
    return forms.CharField(max_length=40, required=required, validators=[CODE], help_text=help_text, widget=widget)


class ProlificForm(RecruiterForm):
    """A completion code for each outcome, made at Prolific, where it also says what follows on it."""

    completed = _code("Of those who are done. Approve automatically, or look at them first.", required=True)
    come_back = _code("Of those who have done their first visit, where the design has a second. Empty: as completed.")
    screened_out = _code("Of those who answered too much gold wrong. Empty: they are asked to return their submission.")
    nothing_left = _code("Of those who came when every place was taken. Empty: they are asked to return it.")
    no_consent = _code("Of those who do not agree to take part. Empty: they are asked to return it.")

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        given = [code for code in cleaned.values() if code]
        if len(set(given)) < len(given):
            raise forms.ValidationError("Each outcome needs a code of its own: two are the same.")
        return cleaned


class Prolific(Recruiter):
    key = "prolific"
    title = "Prolific"
    description = (
        "People come from Prolific, are known by their Prolific id, and go back with a completion code for each "
        "outcome. People who come again go on where they were; for a second visit Prolific invites those who are due."
    )
    form_class = ProlificForm
    names_people = True
    fees = (
        Fee(
            "Prolific, academic and non-profit",
            0.333,
            "Prolific's pricing page, read in 2025; look it up before you pay",
        ),
        Fee("Prolific, other accounts", 0.428, "Prolific's pricing page, read in 2025; look it up before you pay"),
    )

    def market(self) -> Market | None:
        return make_market()

    def instructions(self, settings: Mapping[str, Any], link: str) -> list[Instruction]:
        address = self.address(link)
        codes = [(name.replace("_", " "), settings[name]) for name in VisitOutcome.ALL if settings.get(name)]
        return [
            Instruction(
                "At Prolific, paste this as the study's URL, and record Prolific IDs by URL parameters.", address
            ),
            Instruction("Choose redirecting as the way to complete, and make these codes there.", values=codes),
            Instruction(
                "For a second visit, make another study at Prolific with the same URL, for a custom allowlist of the "
                "people who are due, listed on this page."
            ),
        ]

    def address(self, link: str) -> str:
        return f"{link}?" + "&".join(f"{name}={{{{%{name}%}}}}" for name in (PERSON, STUDY, SESSION))

    def arrived(self, settings: Mapping[str, Any], query: Mapping[str, Sequence[str]]) -> Arrived | None:
        person, study, session = (fold(one(query, name)) for name in (PERSON, STUDY, SESSION))
        if not all(IDS.fullmatch(value) for value in (person, study, session)):
            raise NotFromHere(_("This study takes people from Prolific. Please open it from there again."))
        return Arrived(person, session, study)

    def exit_for(
        self, settings: Mapping[str, Any], outcome: str, *, design: Mapping[str, Any], code: str, submission: str
    ) -> Exit | None:
        chosen = settings.get(outcome) or (settings["completed"] if outcome == VisitOutcome.COME_BACK else "")
        if not chosen:
            return Exit(_("Please return your submission on Prolific, so that another person can take your place."))
        return Exit(button=_("Back to Prolific"), url=COMPLETE + chosen)
