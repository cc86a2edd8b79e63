"""SONA: students of a university's pool come with a number in the address, and are given credit by a link with it.

https://www.sona-systems.com/researcher/external-study-credit-granting/ (read in November 2026).
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from django import forms
from django.utils.translation import gettext as _

from .base import Arrived, Exit, Instruction, NotFromHere, Recruiter, RecruiterForm, VisitOutcome, one

#: What SONA puts in the place of this in the study's link: the number of a sign-up.
PLACEHOLDER = "%SURVEY_CODE%"
NUMBER = re.compile(r"[1-9][0-9]{1,6}")
HOST = re.compile(r"[a-z0-9-]{1,63}\.sona-systems\.(com|net)")
PATH = "/webstudy_credit.aspx"
WRONG = (
    "Paste the client-side completion URL of the study, such as "
    "https://yourschool.sona-systems.com/webstudy_credit.aspx?experiment_id=123&credit_token=4e48f9b638a&survey_code=XXXX."
)


class SonaForm(RecruiterForm):
    """The link that gives credit, as SONA shows it on the study's page."""

    completion_url = forms.CharField(
        label="Completion URL",
        max_length=300,
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false"}),
        help_text="Client-side completion URL of the study at SONA. People are given credit when they open it.",
    )
    screened_out_credit = forms.BooleanField(
        required=False, initial=True, help_text="Give credit to people who are screened out, too."
    )

    def clean_completion_url(self) -> str:
        url = self.cleaned_data["completion_url"]
        try:
            parts = urlsplit(url)
            query = parse_qs(parts.query, strict_parsing=True)
        except ValueError:
            raise forms.ValidationError(WRONG) from None
        names = {name: values for name, values in query.items() if len(values) == 1}
        known = {name: names.get(name, [""])[0] for name in ("experiment_id", "credit_token")}
        fits = parts.scheme == "https" and HOST.fullmatch(parts.netloc) and parts.path == PATH
        if not fits or not all(re.fullmatch(r"[0-9a-zA-Z]{1,64}", value) for value in known.values()):
            raise forms.ValidationError(WRONG)
        return f"https://{parts.netloc}{PATH}?{urlencode(known)}&survey_code=XXXX"


class Sona(Recruiter):
    key = "sona"
    title = "SONA"
    description = (
        "Students of a university's SONA pool come with the number of their sign-up and are given credit at the end. "
        "The numbers are short: a stranger who guesses one can take that person's place."
    )
    form_class = SonaForm
    names_people = True

    def instructions(self, settings: Mapping[str, Any], link: str) -> list[Instruction]:
        return [
            Instruction("At SONA, paste this as the study URL.", copy=self.address(link)),
            Instruction(
                "People are given credit by this link, with their own number in it.", settings["completion_url"]
            ),
            Instruction("Have SONA allow one sign-up per person, and no second one."),
        ]

    def address(self, link: str) -> str:
        return f"{link}?id={PLACEHOLDER}"

    def arrived(self, settings: Mapping[str, Any], query: Mapping[str, Sequence[str]]) -> Arrived | None:
        number = one(query, "id").strip()
        if not NUMBER.fullmatch(number):
            raise NotFromHere(_("This study takes people from SONA. Please open it from there again."))
        (experiment,) = parse_qs(urlsplit(settings["completion_url"]).query)["experiment_id"]
        return Arrived(number, number, experiment)

    def exit_for(
        self, settings: Mapping[str, Any], outcome: str, *, design: Mapping[str, Any], code: str, submission: str
    ) -> Exit | None:
        credited = outcome == VisitOutcome.COMPLETED or (
            outcome == VisitOutcome.SCREENED_OUT and settings["screened_out_credit"]
        )
        if outcome == VisitOutcome.COME_BACK:
            return Exit(_("You are given your credit after your last visit."))
        if not credited or not submission:
            return Exit(_("Please cancel your sign-up on SONA, so that another person can take your place."))
        return Exit(button=_("Receive your credit on SONA"), url=settings["completion_url"].replace("XXXX", submission))
