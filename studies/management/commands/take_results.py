from explainers.command_paths import path_of
from studies.management.base import QuorumCommand
from studies.preparation import cluster_work

#: So many failures are named.
NAMED = 5


class Command(QuorumCommand):
    help = "Take the results that python -m explainers compute left in a folder; again, it changes nothing."

    def add_arguments(self, parser):
        parser.add_argument("folder", type=path_of, metavar="DIR", help="The folder with the results of all shards.")
        parser.add_argument(
            "--unfinished", action="store_true", help="Take what there is of shards that are not finished, too."
        )

    def handle(self, *, folder, unfinished, **options):
        taken = cluster_work.take_results(folder, unfinished=unfinished)
        for image, reason in taken.failed[:NAMED]:
            self.stderr.write(f"FAILED  {image}: {reason}" if image else f"FAILED  {reason}")
        if taken.different:
            self.stderr.write(
                f"{taken.different:,} results differ from those here, which stay: other machines round otherwise."
            )
        if taken.absent:
            more = f" and {len(taken.absent) - NAMED:,} more" if len(taken.absent) > NAMED else ""
            self.stderr.write(
                f"NOT THERE  shards {', '.join(taken.absent[:NAMED])}{more}: list_work lists their results again."
            )
        failed = f", {len(taken.failed):,} could not be computed" if taken.failed else ""
        self.say(f"{taken.new:,} results taken, {taken.known:,} were here already{failed}.")
        for study in sorted(taken.studies):
            self.say(f"Next: manage.py list_work {study} lists what builds on them.")
