from django.conf import settings

from studies.lib.errors import StudyError
from studies.management.base import QuorumCommand
from studies.participation import retention
from studies.recruitment import arrivals


class Command(QuorumCommand):
    help = (
        "Remove what leads to people from studies that closed RETENTION_DAYS ago; their answers stay.  Recruiters' ids \
go at their own date."
    )

    def add_arguments(self, parser):
        parser.add_argument("--days", type=int, help="Days after closing, instead of RETENTION_DAYS.")
        parser.add_argument("--list", action="store_true", help="Only list the studies.")

    def handle(self, *, days, list, **options):
        days = settings.RETENTION_DAYS or None if days is None else days
        ids = 0 if list else arrivals.delete_ids()
        if ids:
            self.say(f"{ids:,} ids of recruiters deleted")
        if days is None and ids:
            return
        if days is None:
            raise StudyError("RETENTION_DAYS is not set, so nothing is forgotten; give --days")
        if days < 0:
            raise StudyError("--days must be 0 or more")
        if list:
            for study in retention.due(days):
                self.say(f"{study.slug}: closed {study.closed_at:%Y-%m-%d}")
            return
        forgotten = retention.forget(days)
        for slug, people in forgotten.items():
            self.say(f"{slug}: {people:,} forgotten")
        if not forgotten:
            self.say("nobody is left to be forgotten")
