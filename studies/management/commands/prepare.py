from tqdm import tqdm

from studies import protocols, workbench
from studies.management.base import StudyCommand, lines


class Command(StudyCommand):
    help = "Compute what a study shows, here and now; interrupted, it goes on where it stopped."

    def add_arguments(self, parser):
        super().add_arguments(parser)
        how = parser.add_mutually_exclusive_group()
        how.add_argument("--enqueue", action="store_true", help="Have the workers do it.")
        how.add_argument("--cancel", action="store_true", help="Call it off; what was computed is kept.")

    def handle_study(self, study, *, enqueue, cancel, **options):
        if cancel:
            workbench.cancel(study)
            self.say(f"{study.slug}: {study.problem}.")
        elif enqueue:
            workbench.request(study)
            self.say(f"{study.slug}: {study.problem or 'the workers prepare it'}.")
        else:
            self.prepare(study)

    def prepare(self, study):
        bars: dict[str, tqdm] = {}

        def progress(kind: str, done: int, planned: int) -> None:
            if planned and kind not in bars:
                bars[kind] = tqdm(total=0, desc=f"{kind}s", unit="", file=self.stderr, dynamic_ncols=True)
            if kind in bars:
                bars[kind].total += planned
                bars[kind].update(done)

        try:
            workbench.prepare(study, progress=progress)
        finally:
            for bar in bars.values():
                bar.close()
        tables, _galleries = protocols.get(study.protocol).prepared(study.preparation)
        for table in tables:
            self.say("\n".join([*lines(table), ""]))
        self.say(
            f"{study.slug} is ready: {study.stimuli.main().count()} stimuli. Next: manage.py open_study {study.slug}"
        )
