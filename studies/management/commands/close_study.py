from studies.lifecycle import close_study
from studies.management.base import StudyCommand


class Command(StudyCommand):
    help = "Take no more answers, for good."

    def handle_study(self, study, **options):
        close_study(study)
        self.say(f"{study.slug} is closed. Next: manage.py analyse {study.slug}")
