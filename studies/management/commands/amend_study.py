import json

from studies.designs.amendments import amend_study
from studies.lib.errors import StudyError
from studies.management.base import StudyCommand


class Command(StudyCommand):
    help = "Add a numbered amendment to the analysis of a study that was opened; what was frozen stays as it is."

    def add_arguments(self, parser):
        super().add_arguments(parser)
        parser.add_argument("--reason", required=True, help="Reason, repeated in the export.")
        parser.add_argument(
            "--set", action="append", default=[], metavar="NAME=VALUE", help="A setting of the analysis, changed."
        )

    def handle_study(self, study, *, reason, **options):
        changes = dict(map(_setting, options["set"]))
        amendment = amend_study(study, reason=reason, changes=changes)
        known = "after outcomes were known" if amendment.outcomes_known else "before any outcome was known"
        self.say(f"Amendment {amendment.number} to {study.slug}, {known}. Results under it are exploratory.")


def _setting(text):
    name, found, value = text.partition("=")
    if not found:
        raise StudyError(f"--set takes NAME=VALUE, not {text!r}")
    try:
        return name.strip(), json.loads(value)
    except (ValueError, RecursionError):
        return name.strip(), value
