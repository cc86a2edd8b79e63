import json

from studies import protocols
from studies.designs.choices import catalogue
from studies.designs.schema import design_schema
from studies.lib.errors import StudyError
from studies.management.base import QuorumCommand


class Command(QuorumCommand):
    help = "Print the JSON Schema of a protocol's designs, generated from its form."

    def add_arguments(self, parser):
        parser.add_argument("protocol", help="The kind of study.")

    def handle(self, *args, protocol, **options):
        try:
            chosen = protocols.get(protocol)
        except protocols.DesignError as error:
            raise StudyError(str(error)) from None
        self.stdout.write(json.dumps(design_schema(chosen, catalogue()), indent=2, ensure_ascii=False))
