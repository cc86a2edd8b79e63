from django.template.defaultfilters import filesizeformat

from studies.management.base import QuorumCommand
from studies.workbench import collection


class Command(QuorumCommand):
    help = "List the results and files that no study uses; with --delete, delete them."

    def add_arguments(self, parser):
        parser.add_argument("--delete", action="store_true", help="Delete them; they can be computed again.")

        parser.add_argument("--hours", type=float, default=24, help="Only files that are as old (default: 24).")

    def handle(self, *, delete, hours, **options):
        found = collection.delete_unused(hours=hours) if delete else collection.find_unused(hours=hours)
        for name in found.files:
            self.say(name)
        size = filesizeformat(found.bytes).replace("\xa0", " ")
        verb = "deleted" if delete else "not used"
        self.say(f"{verb}: {found.artifacts:,} results, {len(found.files):,} files, {size}")
