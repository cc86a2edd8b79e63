"""A site that shows the study in a frame of its own, lets people look first, and takes a form in the end."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from django import forms

from studies.recruiters import Arrived, Exit, Instruction, NotFromHere, Recruiter, RecruiterForm, VisitOutcome
from studies.recruiters.base import one

SITES = {"sandbox": "https://sandbox.framing.example", "live": "https://framing.example"}
ID, WORKER = re.compile(r"[A-Z0-9]{1,64}"), re.compile(r"A[A-Z0-9]{1,30}")
NO_ASSIGNMENT = "ASSIGNMENT_ID_NOT_AVAILABLE"


class FramingForm(RecruiterForm):
    place = forms.ChoiceField(choices=[(name, name) for name in SITES], help_text="Where the study is shown.")


class Framing(Recruiter):
    key = "framing"
    title = "Framing site"
    description = "The study stands in a frame of another site. People may look first, and hand a form in at the end."
    form_class = FramingForm
    names_people = True

    def instructions(self, settings: Mapping[str, Any], link: str) -> list[Instruction]:
        return [Instruction("Have the site show this address.", link)]

    def arrived(self, settings: Mapping[str, Any], query: Mapping[str, Sequence[str]]) -> Arrived | None:
        names = ("assignmentId", "taskId", "workerId", "submitTo")
        assignment, task, worker, submit_to = (one(query, name) for name in names)
        if assignment == NO_ASSIGNMENT:
            return Arrived(preview=True)
        if not (ID.fullmatch(assignment) and ID.fullmatch(task) and WORKER.fullmatch(worker)):
            raise NotFromHere("This study takes people from the framing site.")
        if submit_to.rstrip("/") != SITES[settings["place"]]:
            raise NotFromHere("This task cannot be handed in where it was opened. Please return it.")
        return Arrived(worker, assignment, task)

    def preview_says(self) -> str:
        return "You are looking at a preview. Accept the task to take part."

    def exit_for(
        self, settings: Mapping[str, Any], outcome: str, *, design: Mapping[str, Any], code: str, submission: str
    ) -> Exit | None:
        if outcome in (VisitOutcome.NOTHING_LEFT, VisitOutcome.NO_CONSENT) or not submission:
            return Exit("Please return the task.")
        site = SITES[settings["place"]]
        fields = {"assignmentId": submission, "code": code, "outcome": outcome}
        return Exit("Your answers are stored.", "Hand in the task", f"{site}/submit", fields, (site,))

    def ancestors(self, settings: Mapping[str, Any]) -> tuple[str, ...]:
        return (SITES[settings["place"]],)
