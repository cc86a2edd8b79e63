from tqdm import tqdm

from explainers.command_paths import path_of
from studies.export import export, publishing, withheld
from studies.management.base import StudyCommand


class Command(StudyCommand):
    help = "Write everything a stranger needs to check, repeat and analyse the study."

    def add_arguments(self, parser):
        super().add_arguments(parser)
        parser.add_argument("folder", type=path_of, help="A new folder, or an earlier export of this study.")
        parser.add_argument("--pictures", action="store_true", help="Add the pictures that participants saw.")
        parser.add_argument(
            "--without",
            action="append",
            default=[],
            metavar="|".join(withheld.CHOICES),
            help="Part to leave out: what tells people apart, or the log. May be given twice.",
        )

        parser.add_argument(
            "--publish", action="store_true", help="Leave out what should not be published, of a closed study."
        )

    def handle_study(self, study, *, folder, pictures, without, publish, **options):
        left_out = withheld.check(without)
        wanted = study.trials.filter(presented_at__isnull=False).count()
        with tqdm(total=wanted, desc="answers", unit="", file=self.stderr, dynamic_ncols=True, disable=None) as bar:
            export.write(study, folder, parts=export.ExportParts(pictures, left_out, bar.update, publish))
        self.say(f"Exported {study.slug} to {folder}. Read {folder / 'index.html'} first.")
        if publish:
            for line in publishing.told():
                self.say(f"  {line}")
