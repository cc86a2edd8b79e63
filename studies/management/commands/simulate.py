from pathlib import Path

from tqdm import tqdm

from studies import audit
from studies.errors import StudyError
from studies.management.base import StudyCommand
from studies.models import Slot
from studies.simulation import read_rates, simulate


class Command(StudyCommand):
    help = "Send simulated participants through the real pages of an open study, over HTTP."

    def add_arguments(self, parser):
        super().add_arguments(parser)
        parser.add_argument("--participants", type=int, required=True, metavar="N", help="How many people come.")
        parser.add_argument("--seed", type=int, default=0, metavar="S", help="The same seed gives the same answers.")
        parser.add_argument(
            "--rates",
            type=Path,
            metavar="FILE.csv",
            help="image,label,rate and, where it matters, condition: the chance of yes for each stimulus.",
        )
        parser.add_argument(
            "--skill", type=float, metavar="P", help="The chance that somebody knows the right answer, else guesses."
        )
        parser.add_argument(
            "--days",
            type=float,
            metavar="D",
            help="Who has to come back does, after so many days: the first visit is set back in time.",
        )
        parser.add_argument("--url", help="A running server of this installation (default: one of its own).")

    def handle_study(self, study, *, participants, seed, rates, skill, days, url, **options):
        if participants < 1:
            raise StudyError("--participants must be at least 1")
        if days is not None and not 0 <= days <= 3650:
            raise StudyError("--days must be a number from 0 to 3650")
        table = read_rates(rates) if rates else None
        wanted = Slot.objects.filter(study=study, filled=False).count()
        with tqdm(total=wanted, desc="answers", unit="", file=self.stderr, dynamic_ncols=True, disable=None) as bar:
            outcome = simulate(
                study,
                participants=participants,
                seed=seed,
                rates=table,
                skill=skill,
                days=days,
                url=url,
                progress=bar.update,
            )
        given = {"participants": outcome.participants, "answers": outcome.answers}
        audit.record(study, audit.What.SIMULATED, None, **given)
        left = f"{outcome.wanted} still wanted" if outcome.wanted else "every panel is full"
        self.say(f"{outcome.participants} participants gave {outcome.answers} answers; {left}.")
