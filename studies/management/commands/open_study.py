from django.conf import settings
from django.urls import reverse

from studies.lifecycle import open_study
from studies.management.base import StudyCommand


class Command(StudyCommand):
    help = "Freeze a study's design and let participants in, or let them in again after a pause."

    def handle_study(self, study, **options):
        open_study(study)
        link = reverse("studies:join", args=[study.link])
        self.say(f"{study.slug} is open: {settings.SITE_URL}{link}")
