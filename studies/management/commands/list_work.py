from explainers.cluster.work_list import written
from explainers.command_paths import path_of
from studies.management.base import StudyCommand
from studies.preparation import cluster_work


class Command(StudyCommand):
    help = "Write what can be computed for a study now, for machines without a database, as lines of JSON."

    def add_arguments(self, parser):
        super().add_arguments(parser)
        parser.add_argument(
            "--files", type=path_of, metavar="DIR", help="Copy the photographs and other files it needs into DIR."
        )
        parser.add_argument(
            "--here",
            action="store_true",
            help="Compute pictures, differences and selections here, which need no network, instead of listing them.",
        )
        parser.add_argument("--retry", action="store_true", help="List what failed before, too.")

    def handle_study(self, study, *, files, retry, here, **options):
        work = cluster_work.list_work(study, retry=retry, here=here)
        if work is None:
            self.stderr.write(
                f"Nothing is left to compute for {study.slug}. Next: manage.py prepare {study.slug} writes its stimuli."
            )
            return
        if files:
            cluster_work.export_files(work, files)
        for line in written(work):
            self.say(line)
        kinds = ", ".join(sorted({item.recipe["kind"] for item in work.recipes}))
        where = f"files in {work.files}" if work.files else "files in the bucket: --files DIR copies them"
        self.stderr.write(
            f"{len(work.recipes):,} results to compute ({kinds}; {where}). What builds on them needs another round: "
            f"take them, then list again."
        )
