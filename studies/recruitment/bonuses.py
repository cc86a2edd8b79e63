"""Bonuses: several people's in one payment, and nobody's twice.

Asked twice, a service may pay twice.  So each payment is a row that goes one way from state to state,
and whoever takes it from `set up` to `paying` asks, once.  Where no answer comes, a researcher looks there and says
what it was.
"""

from collections.abc import Iterator, Mapping

from django.contrib.auth.base_user import AbstractBaseUser
from django.db import transaction

from studies import audit
from studies.lib.csv_files import parse_csv
from studies.lib.errors import StudyError
from studies.lib.http_api import OutcomeUnknown, ServiceError
from studies.models import Arrival, BonusPayment, Posting, Study
from studies.recruiters import SubmissionState
from studies.recruiters import get as get_recruiter

State = BonusPayment.State
MOST_PEOPLE = 200
#: A bonus above it is taken for a slip: 100.00.
LARGEST = 10_000


def read_amounts(data: bytes, name: str) -> dict[int, int]:
    """Bonuses by the number of a participant, in hundredths, from CSV with `participant` and `bonus` (such as 1.50)."""
    amounts: dict[int, int] = {}
    for line, row in parse_csv(data, name, ("participant", "bonus")):
        number, amount = row["participant"], hundredths(row["bonus"])
        if not number.isascii() or not number.isdecimal() or len(number) > 9:
            raise StudyError(f"{name}, line {line}: {number!r} is not the number of a participant")
        if amount is None or not 0 < amount <= LARGEST:
            raise StudyError(f"{name}, line {line}: a bonus is an amount such as 1.50, at most {LARGEST // 100}")
        if int(number) in amounts:
            raise StudyError(f"{name}, line {line}: participant {number} stands there twice")
        amounts[int(number)] = amount
    if not amounts:
        raise StudyError(f"{name}: nobody stands in it")
    return amounts


def hundredths(text: str) -> int | None:
    """An amount such as 1.50 in hundredths; None for anything else, exactly and without rounding."""
    whole, point, rest = text.strip().partition(".")
    if not (whole.isascii() and whole.isdecimal() and len(whole) <= 6) or (point and not rest):
        return None
    if rest and not (rest.isascii() and rest.isdecimal() and len(rest) <= 2):
        return None
    return 100 * int(whole) + int(rest.ljust(2, "0") or 0)


def pay(posting: Posting, amounts: Mapping[int, int], *, actor: AbstractBaseUser | None = None) -> BonusPayment:
    """Pay these people of a posting their bonuses, in one.

    Args:
        amounts: hundredths, by the number of a participant.

    Raises:
        StudyError: nobody is paid; or, where its message says so, it is not known.
    """
    if not amounts or len(amounts) > MOST_PEOPLE:
        raise StudyError(f"bonuses are paid to 1 to {MOST_PEOPLE} people at once")
    payment = _begin(posting, amounts)
    details = {"people": payment.people, "total": payment.total}
    audit.record(posting.study, audit.What.BONUS, actor, **details)
    return go_on(payment)


@transaction.atomic
def _begin(posting: Posting, amounts: Mapping[int, int]) -> BonusPayment:
    # Two who pay at once: the second sees whom the first one pays.
    Study.objects.select_for_update().only("pk").get(pk=posting.study_id)
    chosen = {number: _paid_submission(posting, number) for number in amounts}
    if twice := sorted(number for number, arrival in chosen.items() if arrival.bonus_payment_id):
        raise StudyError(f"participant {twice[0]} has a bonus already: nobody is paid")
    payment = BonusPayment.objects.create(posting=posting, people=len(amounts), total=sum(amounts.values()))
    for number, arrival in chosen.items():
        Arrival.objects.filter(pk=arrival.pk).update(bonus=amounts[number], bonus_payment=payment)
    return payment


def _paid_submission(posting: Posting, number: int) -> Arrival:
    found = Arrival.objects.filter(
        participant__study=posting.study, participant__number=number, posting=posting.name
    ).filter(state__in=SubmissionState.PAID)
    arrival = found.order_by("pk").first()
    if arrival is None:
        raise StudyError(f"participant {number} has no approved submission of this posting: nobody is paid")
    return arrival


def go_on(payment: BonusPayment) -> BonusPayment:
    """Take a payment as far as it goes; one that was begun and interrupted goes on where it was."""
    market = get_recruiter(payment.posting.recruiter).market()
    if market is None:
        raise StudyError("the recruiter is not asked by this installation any more")
    rows = BonusPayment.objects.filter(pk=payment.pk)
    if payment.state == State.BEGUN:
        amounts = {row.submission: row.bonus for row in payment.arrivals.order_by("pk")}
        if not amounts:
            _settle(payment, paid=False)
            raise StudyError("everybody it was for has withdrawn: nobody is paid")
        try:
            name = market.set_up_bonuses(payment.posting.name, amounts)
        except ServiceError:
            _settle(payment, paid=False)
            raise
        # Setting it up twice pays nobody; the first one is what is paid.
        rows.filter(state=State.BEGUN).update(state=State.SET_UP, name=name)
    payment.refresh_from_db()
    if payment.state == State.SET_UP and rows.filter(state=State.SET_UP).update(state=State.PAYING):
        try:
            market.pay_bonuses(payment.name)
        except OutcomeUnknown as error:
            raise StudyError(
                f"{error}: whether these bonuses were paid is not known. Look there, and say what you find"
            ) from None
        except ServiceError:
            _settle(payment, paid=False)
            raise
        rows.filter(state=State.PAYING).update(state=State.PAID)
    payment.refresh_from_db()
    return payment


def settle(payment: BonusPayment, *, paid: bool, actor: AbstractBaseUser | None = None) -> None:
    """Say of a payment to which no answer came whether the recruiter made it; what was not paid can be paid anew."""
    if payment.state != State.PAYING:
        raise StudyError("this payment has been settled, or was never asked for")
    _settle(payment, paid=paid)
    audit.record(payment.posting.study, audit.What.BONUS, actor, people=payment.people, settled=paid)


@transaction.atomic
def _settle(payment: BonusPayment, *, paid: bool) -> None:
    rows = BonusPayment.objects.filter(pk=payment.pk).exclude(state__in=(State.PAID, State.NOT_PAID))
    if rows.update(state=State.PAID if paid else State.NOT_PAID) and not paid:
        payment.arrivals.update(bonus=0, bonus_payment=None)
    payment.refresh_from_db()


def unfinished(study: Study) -> Iterator[BonusPayment]:
    """The payments of a study that were interrupted."""
    yield from BonusPayment.objects.filter(posting__study=study).exclude(state__in=(State.PAID, State.NOT_PAID))
