from studies import protocols
from studies.lib.errors import StudyError
from studies.management.base import QuorumCommand
from studies.protocol_contract import PROPERTIES, check_protocol, verdict
from studies.protocol_contract.apart import check_apart


class Command(QuorumCommand):
    help = "Put a protocol through everything that protocols promise, on made-up images in a database of its own."

    def add_arguments(self, parser):
        parser.add_argument("protocol", metavar="KEY", help="The kind of study.")
        parser.add_argument("--only", nargs="+", metavar="NAME", default=[], help="Names of the properties to check.")
        parser.add_argument(
            "--in-place",
            action="store_true",
            help="Check in this database, in a transaction that is rolled back. For a database that is not in use.",
        )

    def handle(self, *args, protocol, only, in_place, **options):
        chosen = protocols.get(protocol)
        known = {each.name: each for each in PROPERTIES}
        if unknown := [name for name in only if name not in known]:
            raise StudyError(f"there is no property {unknown[0]!r}; there are: {', '.join(known)}")
        if not in_place:
            status, said = check_apart(protocol, only, self.say)
            if status:
                raise StudyError(said)
            return self.say(said)
        outcomes = []
        for outcome in check_protocol(chosen, [known[name] for name in only or known]):
            self.say(outcome.line)
            outcomes.append(outcome)
        if any(outcome.problem for outcome in outcomes):
            raise StudyError(verdict(chosen, outcomes))
        return self.say(verdict(chosen, outcomes))
