from explainers.command_paths import path_of
from studies.lib.errors import StudyError
from studies.management.base import StudyCommand
from studies.planning.board import for_the_board
from studies.planning.checklist import checklist

MARKS = {"ok": "ok    ", "warn": "MEND  ", "ask": "ask   "}


class Command(StudyCommand):
    help = "Print what to settle before strangers take part, or write what an ethics board is handed."

    def add_arguments(self, parser):
        super().add_arguments(parser)
        parser.add_argument("--board", type=path_of, metavar="FILE.md", help="A new file for the ethics board.")

    def handle_study(self, study, *, board, **options):
        if board is None:
            for point in checklist(study):
                self.say(f"{MARKS[point.state]}{point.says}")
            return
        try:
            with board.open("x", encoding="utf-8") as file:
                file.write(for_the_board(study))
        except OSError as error:
            raise StudyError(f"{board}: {error.strerror}") from None
        self.say(f"Written: {board}")
