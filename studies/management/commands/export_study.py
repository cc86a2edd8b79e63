from pathlib import Path

from studies.errors import StudyError
from studies.management.base import StudyCommand
from studies.reports import export


class Command(StudyCommand):
    help = "Write everything a stranger needs to analyse the study again."

    def add_arguments(self, parser):
        super().add_arguments(parser)
        parser.add_argument("folder", type=Path, help="A new folder, or an earlier export of this study.")

    def handle_study(self, study, *, folder, **options):
        if study.opened_at is None:
            raise StudyError(f"study {study.slug} is {study.state}: there is nothing to export before it was opened")
        export.write(study, folder)
        self.say(f"Exported {study.slug} to {folder}.")
