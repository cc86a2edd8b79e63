from studies.management.base import StudyCommand
from studies.models import Posting
from studies.recruitment import postings


class Command(StudyCommand):
    help = "Read all submissions of a study's postings, approve whom Quorum saw finish, and list what waits for you."

    def handle_study(self, study, **options):
        for posting in study.postings.exclude(state=Posting.State.DRAFT):
            postings.ask(posting)
            self.say(
                f"Visit {posting.visit}, {posting.state}: {posting.strangers} submissions of people who never came."
            )
            for waits in postings.to_decide(posting):
                self.say(f"  participant {waits.arrival.participant.number}: {waits.why or 'finished'}")
