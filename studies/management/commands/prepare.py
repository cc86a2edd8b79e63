from tqdm import tqdm

from studies.management.base import StudyCommand
from studies.workbench import prepare


class Command(StudyCommand):
    help = "Compute what a study shows, here and now; interrupted, it goes on where it stopped."

    def handle_study(self, study, **options):
        bars: dict[str, tqdm] = {}

        def progress(kind: str, done: int, planned: int) -> None:
            if planned and kind not in bars:
                bars[kind] = tqdm(total=0, desc=f"{kind}s", unit="", file=self.stderr, dynamic_ncols=True, disable=None)
            if kind in bars:
                bars[kind].total += planned
                bars[kind].update(done)

        try:
            prepare(study, progress=progress)
        finally:
            for bar in bars.values():
                bar.close()
        self.say(f"{study.slug} is ready: {study.stimuli.count()} stimuli. Next: manage.py open_study {study.slug}")
