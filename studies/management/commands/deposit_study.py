from explainers.command_paths import path_of
from studies.export import deposit, export, withheld
from studies.management.base import StudyCommand


class Command(StudyCommand):
    help = "Write one zip of a closed study to deposit in an archive, with a licence and metadata."

    def add_arguments(self, parser):
        super().add_arguments(parser)
        parser.add_argument("file", type=path_of, help="New zip file.")
        parser.add_argument("--licence", required=True, help=f"One of {', '.join(deposit.LICENCES)}.")
        parser.add_argument(
            "--author", action="append", default=[], metavar="'FAMILY, GIVEN'", help="Author; may be given again."
        )
        parser.add_argument("--pictures", action="store_true", help="Add the pictures that participants saw.")
        parser.add_argument(
            "--without",
            action="append",
            default=[],
            metavar="|".join(withheld.CHOICES),
            help="Part to leave out: what tells people apart, or the log. May be given twice.",
        )
        parser.add_argument("--publish", action="store_true", help="Leave out what should not be published.")

    def handle_study(self, study, *, file, licence, author, pictures, without, publish, **options):
        parts = export.ExportParts(pictures, withheld.check(without), publish=publish)
        authors = [deposit.Author.parse(text) for text in author]
        deposit.write(study, file, licence=licence, authors=authors, parts=parts)
        self.say(f"Wrote {file}. Nothing was sent: upload it where you want it kept.")
