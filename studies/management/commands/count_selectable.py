from studies.lib.errors import StudyError
from studies.management.base import StudyCommand, lines
from studies.preparation import selection_counts


class Command(StudyCommand):
    help = (
        "Count how many images of each class fulfil the rules by which a study chooses them, before it is prepared, "
        "and try five steps of the attack."
    )

    def add_arguments(self, parser):
        super().add_arguments(parser)
        parser.add_argument(
            "--sample",
            type=int,
            default=selection_counts.SAMPLED,
            help=f"Images of a class that are attacked (default: {selection_counts.SAMPLED}).",
        )

    def handle_study(self, study, *, sample, **options):
        if sample < 1:
            raise StudyError(f"--sample must be at least 1, not {sample}")
        for table in selection_counts.count(study, sampled=sample):
            self.say("\n".join([*lines(table), ""]))
