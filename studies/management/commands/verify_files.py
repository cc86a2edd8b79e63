from studies.lib.errors import StudyError
from studies.management.base import QuorumCommand
from studies.preparation import verification


class Command(QuorumCommand):
    help = "Compare every stored file with the SHA-256 in its name; with --repair, make damaged results again."

    def add_arguments(self, parser):
        parser.add_argument("--repair", action="store_true", help="Make damaged results again from their recipes.")

    def handle(self, *, repair, **options):
        found = verification.verify_all()
        left = verification.repair(found.damaged) if repair and found.damaged else found.damaged
        for name in found.damaged:
            self.say(f"{name}: {'not what it was' if name in left else 'made again'}")
        self.say(f"read: {found.read:,} files, damaged: {len(found.damaged):,}")
        if left:
            hint = "bring photographs and networks in again" if repair else "--repair makes results again"
            raise StudyError(f"{len(left):,} stored files are not what they were: {hint}")
