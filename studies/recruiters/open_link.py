"""An open link: whoever has it can take part, and is shown a completion code in the end."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from django.utils.translation import gettext as _

from .base import Exit, Instruction, Recruiter, VisitOutcome


class OpenLink(Recruiter):
    key = "open_link"
    title = "An open link"
    description = (
        "Everyone who has the link can take part. Nobody is known: the same person can come again in another "
        "browser. In the end people are shown their completion code, and go on to the design's completion_url where "
        "it has one."
    )

    def instructions(self, settings: Mapping[str, Any], link: str) -> list[Instruction]:
        return [
            Instruction("Give people this link.", copy=link),
            Instruction(
                "People who are done get a completion code at the end. “Participants” finds a person by it, for "
                "instance to pay them."
            ),
        ]

    def exit_for(
        self, settings: Mapping[str, Any], outcome: str, *, design: Mapping[str, Any], code: str, submission: str
    ) -> Exit | None:
        url = design["completion_url"]
        if not url or outcome not in (VisitOutcome.COMPLETED, VisitOutcome.SCREENED_OUT):
            return None
        return Exit(button=_("Continue"), url=url.format(code=quote(code), outcome=outcome))
