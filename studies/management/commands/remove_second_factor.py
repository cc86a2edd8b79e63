from studies.accounts import second_factor
from studies.lib.errors import StudyError
from studies.management.base import QuorumCommand, account


class Command(QuorumCommand):
    help = "Turn off the second factor of an account whose authenticator and recovery codes are lost."

    def add_arguments(self, parser):
        parser.add_argument("username", help="The account's name.")

    def handle(self, *, username, **options):
        if not second_factor.turn_off(account(username)):
            raise StudyError(f"{username} has no second factor")
        self.say(f"{username} logs in with the password alone now, and should set up a new second factor.")
