import json

from studies.management.base import QuorumCommand, lines
from studies.repeating import comparing


class Command(QuorumCommand):
    help = "Compare two closed studies, or exports of them: design, stimuli, and each measure."

    def add_arguments(self, parser):
        for name in ("first", "second"):
            parser.add_argument(name, help="Short name of a study, or the folder of an export.")
        parser.add_argument("--json", action="store_true", help="Everything as JSON, at full precision.")

    def handle(self, *, first, second, **options):
        found = comparing.compare_studies(comparing.find(first), comparing.find(second))
        if options["json"]:
            self.say(json.dumps(found, indent=2, ensure_ascii=False, allow_nan=False))
            return
        for table in comparing.comparison_tables(found):
            self.say("\n".join([table.title, *lines(table), ""]))
