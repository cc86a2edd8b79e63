from pathlib import Path

from studies.management.base import StudyCommand
from studies.reports import export


class Command(StudyCommand):
    help = "Write everything a stranger needs to analyse the study again."

    def add_arguments(self, parser):
        super().add_arguments(parser)
        parser.add_argument("folder", type=Path, help="A new folder, or an earlier export of this study.")

    def handle_study(self, study, *, folder, **options):
        export.write(study, folder)
        self.say(f"Exported {study.slug} to {folder}.")
