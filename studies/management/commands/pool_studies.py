import json

from studies.management.base import QuorumCommand, lines
from studies.repeating import comparing


class Command(QuorumCommand):
    help = "Pool two or more closed studies, or exports of them: fixed effects and heterogeneity."

    def add_arguments(self, parser):
        parser.add_argument(
            "studies", nargs="+", metavar="STUDY", help="Short name of a study, or folder of an export."
        )
        parser.add_argument("--json", action="store_true", help="Everything as JSON, at full precision.")

    def handle(self, *, studies, **options):
        found = comparing.pool_studies([comparing.find(name) for name in studies])
        if options["json"]:
            self.say(json.dumps(found, indent=2, ensure_ascii=False, allow_nan=False))
            return
        for table in comparing.pooled_tables(found):
            self.say("\n".join([table.title, *lines(table), ""]))
