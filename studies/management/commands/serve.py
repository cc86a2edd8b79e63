from collections.abc import Callable

from django.conf import settings
from django.urls import reverse

from studies.management.base import QuorumCommand
from studies.operations import local_server


class Command(QuorumCommand):
    help = (
        "Start the web server and one worker on this machine, at the port that PORT names, until Ctrl-C. "
        "Example: PORT=8001 manage.py serve"
    )

    def handle(self, *args, **options):
        self.serve(lambda site: [f"  Research    {site}{reverse('admin:index')}"])

    def serve(self, lines: Callable[[str], list[str]]) -> None:
        """Start the server; say the lines for its address once it answers; end it with Ctrl-C."""
        self.say("Starting the server …")
        try:
            with local_server.running(settings.PORT) as server:
                told = [*lines(server.address), f"  Log         {server.log}"]
                for line in ("", "  Quorum is ready. Ctrl-C ends it.", "", *told, ""):
                    self.say(line)
                self.stdout.flush()
                server.wait()
        except KeyboardInterrupt:
            self.say("Ended.")
