"""A storm of a recruiter's messages: people of many kinds hand in while messages come twice, late, forged or never.

`Storm` has the people and what each is owed; `harm` says who was paid too much or too little, and whose submission is
stuck.  Whoever asks the service, and is killed while it does, is the caller's: a test's, or a process of its own.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from random import Random
from typing import Any

from django.test import Client
from django.utils import timezone

from studies import lifecycle, participation
from studies.models import BonusPayment, Participant, Posting, Slot
from studies.recruitment import bonuses, postings
from tests.factories import make_study
from tests.participant_client import Visitor
from tests.prolific_stub import ProlificStub
from tests.recruiters import CODES, recruits

REWARD, SCREENED_OUT, BONUS = 150, 40, 25
PANEL = 60
MESSAGES = "/recruiters/prolific/messages/"
#: What people do, and what each is owed at the end.
KINDS = {
    "done": REWARD,
    "done and given a bonus": REWARD + BONUS,
    "withdrawn after answering": REWARD,
    "screened out": SCREENED_OUT,
    "screened out, with another's code": 0,
    "unfinished, with another's code": 0,
    "never came": 0,
    "returned": 0,
    "timed out": 0,
}


class Storm:
    """So many people in a study that is posted at the stub."""

    def __init__(self, stub: ProlificStub, people: int, seed: int):
        self.stub, self.dice = stub, Random(seed)
        design = {"threshold": 1, "gold": 1, "gold_rate": 1.0, "trials_per_participant": 2}
        study = make_study(2 + 2 * people // PANEL, min(people, PANEL), slug=f"storm-{seed}", **design)
        recruits(study, "prolific")
        lifecycle.open_study(study)
        options = {"places": people, "reward": REWARD, "screened_out_reward": SCREENED_OUT, "minutes": 10}
        self.posting = postings.make_draft(study, **options, description="Look at pictures.")
        postings.publish(self.posting)
        self.kinds: dict[str, str] = {}
        self.numbers: dict[str, int] = {}
        self.acts: list[Callable[[], None]] = []
        for n, kind in zip(range(people), _turns(), strict=False):
            self._comes(n + 1, kind)
        self.dice.shuffle(self.acts)
        self.rung = Counter[int]()
        self.sent = Counter[str]()

    def _comes(self, n: int, kind: str) -> None:
        name, address = self.stub.take(self.posting.name, f"{n:024x}")
        self.kinds[name] = kind
        code, visitor = CODES["completed"], Visitor(self.posting.study)
        if kind != "never came":
            visitor.path = "/" + address.split("/", 3)[3]
            visitor.begin()
            self.numbers[name] = visitor.participant.number
        if kind.startswith("done"):
            visitor.finish()
        elif kind.startswith("withdrawn"):
            visitor.send(answer="yes")
            participation.withdraw(visitor.participant)
        elif kind.startswith("screened out"):
            visitor.send(answer="yes")
            now = timezone.now()
            Participant.objects.filter(pk=visitor.participant.pk).update(screened_out_at=now, finished_at=now)
            code = CODES["screened_out"] if kind == "screened out" else code
        elif kind == "unfinished, with another's code":
            visitor.get()
        leaves = {"returned": "RETURNED", "timed out": "TIMED-OUT"}.get(kind)
        self.acts.append(lambda: self.stub.leave(name, leaves) if leaves else self.stub.complete(name, code))

    def messages(self, wanted: int) -> Iterator[dict[str, Any]]:
        """What is posted to us while people hand in: so many messages, of which each event has some or none."""
        acts = list(self.acts)
        for n in range(wanted):
            if (acts and self.dice.random() < 2 * len(self.acts) / wanted) or len(acts) > wanted - n:
                acts.pop()()
            event = self.dice.choice(self.stub.events)
            what = self.dice.random()
            self.sent["forged" if what < 0.1 else "signed"] += 1
            if what < 0.05:
                yield self.stub.message(event, secret="a stranger's")
            elif what < 0.1:
                message = self.stub.message(event)
                yield {**message, "data": message["data"] + b" "}
            else:
                yield self.stub.message(event)
        while acts:
            acts.pop()()

    def send(self, client: Client, message: dict[str, Any]) -> None:
        status = client.post(MESSAGES, **message).status_code
        self.sent[str(status)] += 1

    def owed_bonuses(self) -> dict[int, int]:
        return {self.numbers[name]: BONUS for name, kind in self.kinds.items() if kind == "done and given a bonus"}

    def recover_bonuses(self) -> None:
        """What a researcher does with a payment that was interrupted: go on, or look there and say what it was."""
        for payment in list(bonuses.unfinished(self.posting.study)):
            if payment.state == BonusPayment.State.PAYING:
                bonuses.settle(payment, paid=bool(self.stub.paid_batches[payment.name]))
            else:
                bonuses.go_on(payment)

    def pay_bonuses(self) -> None:
        """Those whose submission is approved and who have none yet."""
        self.recover_bonuses()
        owed = self.owed_bonuses()
        rows = self.posting.study.participants.filter(
            number__in=owed, arrivals__state="approved", arrivals__bonus_payment=None
        )
        if numbers := list(rows.values_list("number", flat=True)[: bonuses.MOST_PEOPLE]):
            bonuses.pay(self.posting, {number: owed[number] for number in numbers})

    def harm(self) -> list[str]:
        """What is wrong once everything has settled; nothing where all is well."""
        paid = Counter[str]()
        for name, amount in self.stub.paid:
            paid[name] += amount
        found = [
            f"a person who was {kind} was paid {paid[name]} instead of {KINDS[kind]}"
            for name, kind in self.kinds.items()
            if paid[name] != KINDS[kind]
        ]
        waiting = sum(row["status"] == "AWAITING REVIEW" for row in self.stub.rows.values())
        posting = Posting.objects.get(pk=self.posting.pk)
        if waiting != (listed := len(postings.to_decide(posting)) + posting.strangers):
            found.append(f"{waiting} submissions wait there, and {listed} are listed here")
        if list(bonuses.unfinished(posting.study)):
            found.append("a payment of bonuses is not finished")
        held = Slot.objects.filter(study=posting.study, filled=False, holder__isnull=False, leased_until=None)
        if held.exists():
            found.append(f"{held.count()} places are held without an end")
        if self.sent["403"] != self.sent["forged"]:
            found.append(f"{self.sent['forged']} messages were forged, and {self.sent['403']} refused")
        return found


def _turns() -> Iterator[str]:
    while True:
        yield from KINDS
        yield from ["done"] * 6
