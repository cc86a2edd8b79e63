from explainers.command_paths import path_of
from studies.lib.errors import StudyError
from studies.management.base import StudyCommand
from studies.recruitment import bonuses, payments


class Command(StudyCommand):
    help = "Print who is paid what as CSV: person, outcome, base, bonus and time.  It names people, and is logged."

    def add_arguments(self, parser):
        super().add_arguments(parser)
        parser.add_argument("--reward", metavar="AMOUNT", help="Pay of those who came by no posting, such as 1.50.")
        parser.add_argument("--screened-out", metavar="AMOUNT", help="The same of those who were screened out.")
        parser.add_argument("--file", type=path_of, help="Write it there, to be read by you alone.")

    def handle_study(self, study, *, reward, screened_out, file, **options):
        given = {"reward": reward, "screened_out_reward": screened_out}
        amounts = {name: None if text is None else bonuses.hundredths(text) for name, text in given.items()}
        if any(text is not None and amounts[name] is None for name, text in given.items()):
            raise StudyError("--reward and --screened-out are amounts such as 1.50")
        if file is None:
            payments.write(study, self.stdout, **amounts)
            return
        try:
            file.touch(mode=0o600)
            with file.open("w", newline="", encoding="utf-8") as out:
                lines = payments.write(study, out, **amounts)
        except OSError as error:
            raise StudyError(f"{file}: {error.strerror}") from None
        self.say(f"{lines} lines in {file}.")
