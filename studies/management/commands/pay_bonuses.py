from explainers.command_paths import path_of
from studies.lib.errors import StudyError
from studies.management.base import StudyCommand
from studies.recruitment import bonuses, payments


class Command(StudyCommand):
    help = "Pay bonuses of a study's posting in one payment, by a CSV file with participant and bonus."

    def add_arguments(self, parser):
        super().add_arguments(parser)
        parser.add_argument("file", type=path_of, help="CSV: the number of a participant, and an amount such as 1.50.")
        parser.add_argument("--visit", type=int, default=1, help="Visit whose newest posting is paid.")

    def handle_study(self, study, *, file, visit, **options):
        posting = study.postings.filter(visit=visit).last()
        if posting is None:
            raise StudyError(f"study {study.slug} has no posting of visit {visit}")
        try:
            data = file.read_bytes()
        except OSError as error:
            raise StudyError(f"{file}: {error.strerror}") from None
        payment = bonuses.pay(posting, bonuses.read_amounts(data, file.name))
        self.say(f"Bonuses are paid: {payment.people}, together {payments.money(payment.total)}.")
