from django.template.defaultfilters import filesizeformat

from explainers.command_paths import path_of
from studies.lib.errors import StudyError
from studies.management.base import QuorumCommand
from studies.operations import backups


class Command(QuorumCommand):
    help = "Write every row and every stored file to one archive, with their hashes.  Nothing has to be stopped."

    def add_arguments(self, parser):
        parser.add_argument("file", type=path_of, help="Target; it must not exist yet.")

    def handle(self, *, file, **options):
        done = backups.back_up(file)
        size = filesizeformat(file.stat().st_size).replace("\xa0", " ")
        self.say(f"{file}: {done.rows:,} rows and {done.files:,} files, {size}")
        if done.ids:
            self.say(
                f"it holds recruiters' ids of people, of {done.ids:,} submission{'s' * (done.ids != 1)}: "
                "keep it no longer than these are to be kept"
            )
        if done.damaged:
            raise StudyError(
                f"{file} is written, and {len(done.damaged):,} stored files in it are not what they were "
                f"({done.damaged[0]}): see `manage.py verify_files`"
            )
