from pathlib import Path

from studies import backups
from studies.management.base import QuorumCommand


class Command(QuorumCommand):
    help = "Bring a backup into a new installation, after `migrate`.  Stop web and workers before."

    def add_arguments(self, parser):
        parser.add_argument("file", type=Path, help="What `backup` wrote.")

    def handle(self, *, file, **options):
        done = backups.restore(file)
        self.say(f"restored {done.rows:,} rows and {done.files:,} files, each compared with its hash")
