from uuid import UUID

from studies import installation
from studies.lib.errors import StudyError
from studies.management.base import QuorumCommand


class Command(QuorumCommand):
    help = "Say whose the stored files are; with the installation's name typed, take them for this database's."

    def add_arguments(self, parser):
        parser.add_argument("name", nargs="?", help="Name of the installation that the files belong to.")

    def handle(self, *, name, **options):
        if name is None:
            self.say(f"database and stored files are of installation {installation.check()}")
            return
        try:
            key = UUID(name)
        except ValueError:
            raise StudyError(f"{name!r} is not an installation's name") from None
        installation.adopt(key)
        self.say(f"this database and the stored files are of installation {key} now")
