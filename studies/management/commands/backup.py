from pathlib import Path

from django.template.defaultfilters import filesizeformat

from studies import backups
from studies.management.base import QuorumCommand


class Command(QuorumCommand):
    help = "Write every row and every stored file to one archive, with their hashes.  Nothing has to be stopped."

    def add_arguments(self, parser):
        parser.add_argument("file", type=Path, help="Where to; it must not be there yet.")

    def handle(self, *, file, **options):
        done = backups.back_up(file)
        size = filesizeformat(file.stat().st_size).replace("\xa0", " ")
        self.say(f"{file}: {done.rows:,} rows and {done.files:,} files, {size}")
        if done.ids:
            self.say(
                f"it holds recruiters' ids of people, of {done.ids:,} submission{'s' * (done.ids != 1)}: "
                "keep it no longer than these are to be kept"
            )
