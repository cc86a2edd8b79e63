from typing import Any

from tqdm import tqdm

from explainers.command_paths import path_of
from studies import protocols
from studies.lib.errors import StudyError
from studies.management.base import StudyCommand
from studies.models import Slot, Study
from studies.simulation import Population, Spread, read_rates, simulate


class Command(StudyCommand):
    help = "Send simulated participants through the real pages of an open study, over HTTP."

    def add_arguments(self, parser):
        super().add_arguments(parser)
        add_options(parser)

    def handle_study(self, study, **options):
        wanted = Slot.objects.filter(study=study, filled=False).count()
        with tqdm(total=wanted, desc="answers", unit="", file=self.stderr, dynamic_ncols=True, disable=None) as bar:
            outcome = simulate(study, **options_of(options, study), progress=bar.update)
        left = f"{outcome.wanted} still wanted" if outcome.wanted else "every panel is full"
        who = f"{outcome.participants} participants" + (f", {outcome.left} of whom left," if outcome.left else "")
        self.say(f"{who} gave {outcome.answers} answers; {left}.")


#: What people are like, each by its option: the mean over people and, where they differ, a standard deviation.
LIKE = {
    "skill": "Chance of a right answer, for every stimulus, instead of rates.",
    "careless": "Probability, per page, of a random answer.",
    "pace": "Factor on the protocol's seconds per answer.",
    "leaving": "Probability, per page, of leaving for good.",
    "double": "Probability that a page's form is sent twice.",
    "reload": "Probability that a page is reloaded first.",
}


def add_options(parser) -> None:
    """The options of whatever sends simulated people."""
    parser.add_argument(
        "--participants", type=int, required=True, metavar="N", help="Number of simulated participants."
    )
    parser.add_argument("--seed", type=int, default=0, metavar="S", help="The same seed gives the same answers.")
    parser.add_argument(
        "--rates",
        type=path_of,
        metavar="FILE.csv",
        help="image,label,rate and, where it matters, condition: for each stimulus the chance of yes, of knowing the "
        "class, of the right answer, or the mean rating, by the kind of study.",
    )
    for name, text in LIKE.items():
        parser.add_argument(f"--{name}", type=Spread.parse, metavar="MEAN[:SD]", help=text)
    parser.add_argument(
        "--days",
        type=float,
        metavar="D",
        help="Days until participants return for their second visit: the first visit is set back in time.",
    )
    parser.add_argument(
        "--concurrent",
        type=int,
        default=1,
        metavar="N",
        help="Number of simultaneous participants; answers then vary between runs.",
    )
    parser.add_argument("--url", help="A running server of this installation (default: one of its own).")


def options_of(options, study: Study) -> dict[str, Any]:
    """What was asked for, for `simulate`; StudyError for what cannot be."""
    if options["participants"] < 1:
        raise StudyError("--participants must be at least 1")
    if options["days"] is not None and not 0 <= options["days"] <= 3650:
        raise StudyError("--days must be a number from 0 to 3650")
    if not 1 <= options["concurrent"] <= 256:
        raise StudyError("--concurrent must be a number from 1 to 256")
    like = {name: options[name] for name in LIKE if options[name] is not None}
    return {
        "rates": read_rates(options["rates"], protocols.get(study.protocol).rate_range) if options["rates"] else None,
        "population": Population(**like),
        **{name: options[name] for name in ("participants", "seed", "days", "concurrent", "url")},
    }
