from studies.lib.errors import StudyError
from studies.management.base import StudyCommand
from studies.recruitment import bonuses, payments, postings


class Command(StudyCommand):
    help = "Make a draft of a study at its recruiter's service, and with --publish show it to people."

    def add_arguments(self, parser):
        super().add_arguments(parser)
        parser.add_argument("--places", type=int, required=True, help="Number of people.")
        parser.add_argument("--reward", required=True, metavar="AMOUNT", help="Pay per person, such as 1.50.")
        parser.add_argument("--screened-out", default="0", metavar="AMOUNT", help="Pay for people screened out.")
        parser.add_argument("--minutes", type=int, required=True, help="Expected time per person.")
        parser.add_argument("--visit", type=int, default=postings.FIRST, help="1, or 2 for those who are due.")
        parser.add_argument("--description", required=True, help="Text that people read before they begin.")
        parser.add_argument("--without", nargs="*", default=(), metavar="GROUP", help="Groups that are not shown it.")
        parser.add_argument("--by-hand", action="store_true", help="Approve nobody by itself.")
        parser.add_argument("--publish", action="store_true", help="Show it to people, who are paid from then on.")

    def handle_study(self, study, *, reward, screened_out, publish, by_hand, without, **options):
        amounts = {"reward": bonuses.hundredths(reward), "screened_out_reward": bonuses.hundredths(screened_out)}
        if None in amounts.values():
            raise StudyError("--reward and --screened-out are amounts such as 1.50")
        chosen = {name: options[name] for name in ("places", "minutes", "visit", "description")}
        posting = postings.make_draft(study, **chosen, **amounts, without=tuple(without), approves=not by_hand)
        total = payments.money(posting.places * posting.reward)
        self.say(f"Drafted: {posting.places} places at {payments.money(posting.reward)}, {total} together.")
        if publish:
            postings.publish(posting)
            self.say("Published.")
