from studies.lib import storage
from studies.management.base import QuorumCommand


class Command(QuorumCommand):
    help = "Make the bucket that STORAGE_URL names, where there is none yet."

    def handle(self, **options):
        self.say("made the bucket" if storage.make_bucket() else "nothing to make")
