from explainers.command_paths import path_of
from studies.management.base import QuorumCommand
from studies.operations import backups


class Command(QuorumCommand):
    help = "Bring a backup into a new installation, after `migrate`.  Stop web and workers before."

    def add_arguments(self, parser):
        parser.add_argument("file", type=path_of, help="Archive written by `backup`.")

    def handle(self, *, file, **options):
        done = backups.restore(file)
        self.say(f"restored {done.rows:,} rows and {done.files:,} files, each compared with its hash")
