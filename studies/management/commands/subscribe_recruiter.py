from django.conf import settings
from django.urls import reverse

from studies import recruiters
from studies.lib.errors import StudyError
from studies.management.base import QuorumCommand


class Command(QuorumCommand):
    help = "Have a recruiter's service send its messages to this installation."

    def add_arguments(self, parser):
        parser.add_argument("recruiter", help="Its key, such as prolific.")

    def handle(self, *, recruiter, **options):
        market = recruiters.get(recruiter).market()
        if market is None:
            raise StudyError(f"this installation has no account at {recruiter}")
        if not settings.HTTPS:
            raise StudyError("SITE_URL must begin with https://: messages are sent nowhere else")
        url = settings.SITE_URL + reverse("studies:recruiter_message", args=[recruiter])
        market.subscribe(url)
        self.say(f"Messages are sent to {url}.")
