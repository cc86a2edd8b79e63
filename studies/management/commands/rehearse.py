from tqdm import tqdm

from studies.lib.errors import StudyError
from studies.management.base import StudyCommand, lines
from studies.management.commands.simulate import add_options, options_of
from studies.protocols import Table
from studies.protocols.base.results import percent
from studies.simulation import Rehearsal, rehearse


class Command(StudyCommand):
    help = "Let simulated people answer a copy of a prepared study, and look for what was planted in its result."

    def add_arguments(self, parser):
        super().add_arguments(parser)
        add_options(parser)

    def handle_study(self, study, **options):
        wanted = study.stimuli.main().count() * study.design["answers_per_stimulus"]
        with tqdm(total=wanted, desc="answers", unit="", file=self.stderr, dynamic_ncols=True, disable=None) as bar:
            rehearsal = rehearse(study, **options_of(options, study), progress=bar.update)
        outcome = rehearsal.outcome
        self.say(
            f"{rehearsal.study.slug}: {outcome.participants} simulated participants gave {outcome.answers} answers; "
            + (f"{outcome.wanted} still wanted." if outcome.wanted else "every panel is full.")
        )
        if not rehearsal.measures:
            raise StudyError(rehearsal.verdict)
        self.say("\n".join(lines(_table(rehearsal))))
        self.say(rehearsal.verdict)


def _table(rehearsal: Rehearsal) -> Table:
    def share(value: float | None) -> str | None:
        return None if value is None else percent(value)

    said = {True: "yes", False: "no", None: None}
    rows = [
        [one.name, share(one.planted), share(one.estimate), share(one.low), share(one.high), said[one.inside]]
        for one in rehearsal.measures
    ]
    note = (
        "Planted: the mean over complete studies drawn from the same people without any pages. An interval of 95% "
        "misses what was planted once in twenty times."
    )
    return Table("Planted and recovered", ["", "planted", "recovered", "low", "high", "inside"], rows, note)
