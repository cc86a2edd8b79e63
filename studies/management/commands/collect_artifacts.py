from django.template.defaultfilters import filesizeformat

from studies.management.base import QuorumCommand
from studies.preparation import cleanup


class Command(QuorumCommand):
    help = "List the results and files that no study uses; with --delete, delete them.  Photographs and networks stay."

    def add_arguments(self, parser):
        parser.add_argument("--delete", action="store_true", help="Delete them; they can be computed again.")

        parser.add_argument("--hours", type=float, default=24, help="Minimum age of the files in hours (default: 24).")
        parser.add_argument(
            "--confirm",
            type=int,
            metavar="N",
            help=f"Number of files to delete; needed above {cleanup.LARGE_SHARE:.0%}% of all stored files.",
        )

    def handle(self, *, delete, hours, confirm, **options):
        if delete:
            found = cleanup.delete_unused(hours=hours, confirmed=confirm)
        else:
            found = cleanup.find_unused(hours=hours)
        for name in found.files:
            self.say(name)
        size = filesizeformat(found.bytes).replace("\xa0", " ")
        verb = "deleted" if delete else "not used"
        self.say(f"{verb}: {found.artifacts:,} results, {len(found.files):,} files, {size}")
        if found.originals:
            self.say(f"not used, and kept: {len(found.originals):,} files of photographs and networks")
