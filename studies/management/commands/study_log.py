from studies.export.log_csv import write_csv
from studies.lib.errors import StudyError
from studies.management.base import QuorumCommand
from studies.models import Event


class Command(QuorumCommand):
    help = "Print the log of a study as CSV: who did what to it, and when.  Also of one that was deleted."

    def add_arguments(self, parser):
        parser.add_argument("slug", help="The study's short name.")

    def handle(self, *, slug, **options):
        events = Event.objects.filter(about=Event.About.STUDY, slug=slug)
        if not events:
            raise StudyError(f"nothing was ever done to a study called {slug}")
        write_csv(events, self.stdout)
