from studies.lifecycle import pause_study
from studies.management.base import StudyCommand


class Command(StudyCommand):
    help = "Give out no more stimuli; answers to those already given out are still taken."

    def handle_study(self, study, **options):
        pause_study(study)
        self.say(f"{study.slug} is paused.")
