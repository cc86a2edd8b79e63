from tqdm import tqdm

from studies import preparation, protocols
from studies.management.base import StudyCommand, lines
from studies.repeating import create

#: Counts, no percentage: what is planned grows while it is found, and a share of it would go back.
BAR = "{desc}: {n_fmt} of {total_fmt} so far [{elapsed}, {rate_fmt}]"


class Command(StudyCommand):
    help = "Compute what a study shows, here and now; interrupted, it goes on where it stopped."

    def add_arguments(self, parser):
        super().add_arguments(parser)
        how = parser.add_mutually_exclusive_group()
        how.add_argument("--enqueue", action="store_true", help="Let the workers compute it.")
        how.add_argument("--cancel", action="store_true", help="Cancel the preparation; computed results are kept.")

    def handle_study(self, study, *, enqueue, cancel, **options):
        if cancel:
            preparation.cancel(study)
            self.say(f"{study.slug}: {study.problem}.")
        elif enqueue:
            preparation.enqueue_preparation(study)
            self.say(f"{study.slug}: {study.problem or 'the workers prepare it'}.")
        else:
            self.prepare(study)

    def prepare(self, study):
        bars: dict[str, tqdm] = {}

        def progress(kind: str, done: int, planned: int) -> None:
            if planned and kind not in bars:
                bars[kind] = tqdm(total=0, desc=f"{kind}s", unit="", file=self.stderr, bar_format=BAR)
            if kind in bars:
                bars[kind].total += planned
                bars[kind].update(done)

        try:
            preparation.prepare(study, progress=progress)
        finally:
            for bar in bars.values():
                bar.close()
        tables, _galleries = protocols.get(study.protocol).preparation_report(study.preparation)
        for table in tables:
            self.say("\n".join([*lines(table), ""]))
        for line in create.verdict(study):
            self.say(line)
        self.say(
            f"{study.slug} is ready: {study.stimuli.main().count()} stimuli. Next: manage.py open_study {study.slug}"
        )
