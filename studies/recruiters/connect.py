"""CloudResearch Connect: people come with three ids in the address, and go back by the links that Connect gives out.

https://connect-researcher-help.cloudresearch.com (Project Completion, Project Cost; read in November 2026).
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from django import forms
from django.core.validators import RegexValidator
from django.utils.translation import gettext as _

from .base import Arrived, Exit, Fee, Instruction, NotFromHere, Recruiter, RecruiterForm, VisitOutcome, one

SITE = "https://connect.cloudresearch.com/"
PERSON, ASSIGNMENT, PROJECT = "participantId", "assignmentId", "projectId"
#: Letters, digits and hyphens, as in UUIDs; compared in lower case.
ID = re.compile(r"[0-9a-z][0-9a-z-]{6,62}[0-9a-z]")
LINK = RegexValidator(
    r"^https://connect\.cloudresearch\.com/[A-Za-z0-9/_?=&.%-]{1,400}$", f"A link of Connect begins with {SITE}."
)
COST = "Connect's help page “Project Cost”, read in November 2026"


def _link(help_text: str, *, required: bool = False) -> forms.CharField:
    widget = forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false"})
    return forms.CharField(max_length=450, required=required, validators=[LINK], help_text=help_text, widget=widget)


class ConnectForm(RecruiterForm):
    """The redirects that Connect shows for a project."""

    completed = _link("Redirect URL of the project, as Connect shows it.", required=True)
    come_back = _link("Redirect after the first visit, where the design has a second. Empty: as completed.")
    screened_out = _link("Partial redirect for people who are screened out. Empty: they are asked to return it.")
    nothing_left = _link("Partial redirect for people who find every place taken. Empty: they are asked to return it.")
    no_consent = _link("Partial redirect for people who do not agree. Empty: they are asked to return it.")

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        given = [link for link in cleaned.values() if link]
        if len(set(given)) < len(given):
            raise forms.ValidationError("Each outcome needs a link of its own: two are the same.")
        return cleaned


class Connect(Recruiter):
    key = "connect"
    title = "CloudResearch Connect"
    description = (
        "People come from Connect, are known by their participant ID there, and go back by its links. Projects are "
        "made and paid at Connect. The payment table lists who did what."
    )
    form_class = ConnectForm
    names_people = True
    fees = (Fee("Connect, academic and non-profit", 0.25, COST), Fee("Connect, other accounts", 0.40, COST))

    def instructions(self, settings: Mapping[str, Any], link: str) -> list[Instruction]:
        links = [(name.replace("_", " "), settings[name]) for name in VisitOutcome.ALL if settings.get(name)]
        return [
            Instruction(
                "At Connect, paste this as the link of the project. It adds participantId, assignmentId and projectId.",
                copy=link,
            ),
            Instruction("People go back by these links of Connect.", values=links),
            Instruction(
                "For a second visit, make another project with the same link, for a group of the people who are due, "
                "listed on this page."
            ),
        ]

    def arrived(self, settings: Mapping[str, Any], query: Mapping[str, Sequence[str]]) -> Arrived | None:
        person, assignment, project = (one(query, name).strip().lower() for name in (PERSON, ASSIGNMENT, PROJECT))
        if not all(ID.fullmatch(value) for value in (person, assignment, project)):
            raise NotFromHere(_("This study takes people from CloudResearch Connect. Please open it from there again."))
        return Arrived(person, assignment, project)

    def exit_for(
        self, settings: Mapping[str, Any], outcome: str, *, design: Mapping[str, Any], code: str, submission: str
    ) -> Exit | None:
        chosen = settings.get(outcome) or (settings["completed"] if outcome == VisitOutcome.COME_BACK else "")
        if not chosen:
            return Exit(_("Please return this project on Connect, so that another person can take your place."))
        return Exit(button=_("Back to Connect"), url=chosen)
