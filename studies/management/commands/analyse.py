import json
import sys
from collections.abc import Iterator
from pathlib import Path

from explainers.command_paths import path_of
from studies import audit
from studies.lib.errors import StudyError
from studies.management.base import StudyCommand, lines
from studies.models import Study
from studies.results import analysis_json, interim_looks
from studies.results.result import StudyResult


class Command(StudyCommand):
    help = "Print the result of a study."

    def add_arguments(self, parser):
        super().add_arguments(parser)
        parser.add_argument("--json", type=path_of, metavar="FILE", help="Write all of it there; - for the terminal.")

    def handle_study(self, study, **options):
        if study.opened_at is None:
            raise StudyError(f"study {study.slug} is {study.state}: there is nothing to analyse before it was opened")
        if study.state != Study.State.CLOSED:
            self.stderr.write(f"{study.slug} is {study.state}: an interim look. Stopping at a look one likes misleads.")
        else:
            audit.record_reading(study, "analyse", None)
        result, content = analysis_json.analyse(study, interim_looks.record_interim_look(study, "analyse"))
        text = json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
        if options["json"] == Path("-"):
            sys.stdout.write(text)
            return
        if options["json"]:
            try:
                options["json"].write_text(text, encoding="utf-8")
            except OSError as error:
                raise StudyError(f"{options['json']}: {error.strerror}") from None
        self.say("\n".join(_report(result)))


def _report(result: StudyResult) -> Iterator[str]:
    counts = result.counts
    yield result.summary.headline
    for warning in result.summary.warnings:
        yield f"Warning: {warning}"
    for table in result.summary.tables:
        yield ""
        yield from lines(table)
    for amendment, summary in result.exploratory:
        yield ""
        changes = ", ".join(f"{name} {value}" for name, value in amendment.changes.items())
        yield f"Exploratory, amendment {amendment.number} ({changes}): {summary.headline}"
    yield ""
    yield (
        f"{counts['stimuli']} stimuli, {counts['counted_answers']} of {counts['wanted_answers']} wanted answers, "
        f"{counts['participants']} participants ({counts['simulated_participants']} simulated)."
    )
    if visits := counts["visits"]:
        yield "Second visits: " + ", ".join(f"{n} {what}" for what, n in visits.items()) + "."
