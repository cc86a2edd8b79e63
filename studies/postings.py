"""What is posted for a study at a market: offering it, looking at who handed in, and paying; each in the log."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from decimal import Decimal
from uuid import UUID

from django.conf import settings as site
from django.contrib.auth.base_user import AbstractBaseUser
from django.db import transaction
from django.db.models import Count, Exists, OuterRef, Q
from django.urls import reverse
from django.utils import timezone

from studies import audit, recruiting, recruitment
from studies.errors import StudyError
from studies.models import Arrival, Participant, Posting, Recruitment, Role, Study
from studies.recruiting import Handed, HowFar, Market, Offer, Unanswered

#: People a market is told of in one request of the desk: it takes a moment for each.
AT_ONCE = 200


@dataclass(frozen=True)
class Submission:
    """What was handed in, and whose it is; None where nobody of the study is known to have done it."""

    handed: Handed
    participant: Participant | None
    answered: int = 0

    @property
    def waits(self) -> bool:
        return self.handed.state == Handed.WAITS

    @property
    def code_fits(self) -> bool:
        return self.participant is not None and self.handed.code == self.participant.completion_code


def market_of(study: Study) -> tuple[Market, str] | None:
    """The study's market and where it is posted; None where its recruiter is none."""
    recruiter, settings = recruitment.recruiter_of(study)
    return (recruiter.market, recruiter.market.place(settings)) if recruiter.market else None


def link_of(study: Study) -> str:
    """The study's link, in full."""
    return site.SITE_URL + reverse("studies:join", args=[study.link])


def post(study: Study, offer: Offer, *, token: UUID, visit: int = 1, actor: AbstractBaseUser | None = None) -> Posting:
    """Post an offer; sent again with the same token it is posted once.  StudyError where it cannot be.

    Whoever came before is kept from first visits, and those who are due are let into the next.
    """
    found = market_of(study)
    if found is None:
        raise StudyError(f"study {study.slug} is not posted at a market")
    market, place = found
    if study.state != Study.State.OPEN:
        raise StudyError(f"study {study.slug} is {study.state}: open it first, so that whoever comes can begin")
    if why := market.why_not(place, link_of(study)):
        raise StudyError(why)
    if left := tell_apart(study):
        raise StudyError(f"the market is told of everybody who came before; {left:,} are left: post it once more")
    qualification = _qualification(study, market, place)
    what = {"offer": {**asdict(offer), "reward": f"{offer.reward:.2f}"}, "visit": visit}
    posting, _new = Posting.objects.get_or_create(
        token=token,
        defaults={
            **what,
            "study": study,
            "recruiter": study.recruitment.recruiter,
            "place": place,
            "posted_at": timezone.now(),
            "posted_by": actor,
        },
    )
    if (posting.study_id, posting.place) != (study.pk, place):
        raise StudyError("this form is of another study: load the page again")
    if posting.name:
        return posting
    Posting.objects.filter(pk=posting.pk, name="").update(**what)
    try:
        name = market.post(place, offer, link=link_of(study), token=token.hex, qualification=qualification, visit=visit)
    except Unanswered:
        raise
    except StudyError:
        Posting.objects.filter(pk=posting.pk, name="").delete()
        raise
    with transaction.atomic():
        if Posting.objects.filter(pk=posting.pk, name="").update(name=name):
            cost = f"{offer.reward * offer.places:.2f}"
            details = {"posting": name, "place": place, "places": offer.places, "reward": f"{offer.reward:.2f}"}
            audit.record(study, audit.What.POSTED, actor, **details, without_fees=cost, visit=visit)
    posting.refresh_from_db()
    return posting


def post_again(posting: Posting, *, actor: AbstractBaseUser | None = None) -> Posting:
    """Post what the market did not answer on; if it had posted it all the same, this finds it."""
    given = {
        **posting.offer,
        "reward": Decimal(posting.offer["reward"]),
        "countries": tuple(posting.offer["countries"]),
    }
    return post(posting.study, Offer(**given), token=posting.token, visit=posting.visit, actor=actor)


def tell_apart(study: Study) -> int:
    """Tell the market who came before, and to which visit they may come; returns how many are left to tell of."""
    market, place = market_of(study)
    due = {one.arrival.pk: one.visit for one in recruitment.due(study) if one.arrival}
    newest: dict[int, Arrival] = {}
    for arrival in Arrival.objects.filter(participant__study=study, recruiter=study.recruitment.recruiter).order_by(
        "came_at", "pk"
    ):
        newest[arrival.participant_id] = arrival
    untold = [one for one in newest.values() if one.may_visit != due.get(one.pk, 0)]
    if not untold:
        return 0
    qualification = _qualification(study, market, place)
    for arrival in untold[:AT_ONCE]:
        may = due.get(arrival.pk, 0)
        market.qualify(place, qualification, arrival.person, may)
        Arrival.objects.filter(pk=arrival.pk).update(may_visit=may)
    return len(untold[AT_ONCE:])


def _qualification(study: Study, market: Market, place: str) -> str:
    """What the market calls the qualification of those who took part; made when it is first needed."""
    row = Recruitment.objects.get(study=study)
    if place not in row.qualifications:
        made = market.make_qualification(place, f"Took part: {study.slug[:60]} {str(study.link)[:8]}")
        with transaction.atomic():
            row = Recruitment.objects.select_for_update().get(study=study)
            row.qualifications.setdefault(place, made)
            row.save(update_fields=["qualifications"])
    return row.qualifications[place]


def stop(posting: Posting, *, actor: AbstractBaseUser | None = None) -> None:
    """Offer it to nobody else."""
    _market(posting).stop(posting.place, posting.name)
    with transaction.atomic():
        if Posting.objects.filter(pk=posting.pk, stopped_at=None).update(stopped_at=timezone.now()):
            audit.record(posting.study, audit.What.STOPPED, actor, posting=posting.name)


def how_far(posting: Posting) -> HowFar:
    """How many places are free, and how many people are at it, by the market."""
    return _market(posting).how_far(posting.place, posting.name)


def submissions(posting: Posting) -> list[Submission]:
    """What was handed in for a posting, by the market, with whose it is by our own rows."""
    handed = _market(posting).handed_in(posting.place, posting.name)
    of_study = Arrival.objects.filter(participant__study=posting.study_id, recruiter=posting.recruiter)
    by_submission = {
        (one.submission, one.person): one.participant_id
        for one in of_study.filter(submission__in=[one.submission for one in handed])
    }
    people = Participant.objects.filter(study=posting.study_id).annotate(
        answered=Count("trials", filter=Q(trials__answered_at__isnull=False, trials__role=Role.MAIN)),
        named=Exists(Arrival.objects.filter(participant=OuterRef("pk"))),
    )
    codes = [one.code for one in handed if one.code]
    known = people.filter(Q(pk__in=set(by_submission.values())) | Q(completion_code__in=codes))
    by_pk = {one.pk: one for one in known}
    # By the code where the ids are deleted already; else anybody could hand in somebody else's.
    by_code = {one.completion_code: one for one in known if one.completion_code and not one.named}
    found = []
    for one in handed:
        person = by_pk.get(by_submission.get((one.submission, one.person))) or by_code.get(one.code)
        found.append(Submission(one, person, person.answered if person else 0))
    return found


def approve(posting: Posting, chosen: Iterable[Submission], *, actor: AbstractBaseUser | None = None) -> list[str]:
    """Approve what was handed in; what could not be is told, one line each."""
    market = _market(posting)
    return _each(posting, chosen, audit.What.APPROVED, actor, lambda one: market.approve(posting.place, one.submission))


def reject(
    posting: Posting, chosen: Iterable[Submission], *, reason: str, actor: AbstractBaseUser | None = None
) -> list[str]:
    """Reject with a reason, which the worker reads."""
    if not reason.strip():
        raise StudyError("a rejection needs a reason: whoever is rejected reads it")
    market = _market(posting)
    return _each(
        posting,
        chosen,
        audit.What.REJECTED,
        actor,
        lambda one: market.reject(posting.place, one.submission, reason.strip()),
        reason=reason.strip(),
    )


def pay_bonus(
    posting: Posting,
    chosen: Iterable[Submission],
    *,
    amount: Decimal,
    reason: str,
    actor: AbstractBaseUser | None = None,
) -> list[str]:
    """Pay more, with a reason, which the worker reads; the same for the same reason is paid once."""
    if not reason.strip():
        raise StudyError("a bonus needs a reason: whoever is paid reads it")
    if not Decimal("0.01") <= amount <= 100:
        raise StudyError("a bonus is between 0.01 and 100 dollars")
    market = _market(posting)
    return _each(
        posting,
        chosen,
        audit.What.BONUS,
        actor,
        lambda one: market.bonus(posting.place, one, amount, reason.strip()),
        amount=f"{amount:.2f}",
        reason=reason.strip(),
    )


def _market(posting: Posting) -> Market:
    market = recruiting.get(posting.recruiter).market
    if market is None or not posting.name:
        raise StudyError("this was not posted: nothing is known of it at the market")
    return market


def _each(posting: Posting, chosen: Iterable[Submission], what: str, actor, act, **details) -> list[str]:
    """Do it to one after the other.  The log has participants by number: ids of people stand in one table alone."""
    problems = []
    for one in chosen:
        number = one.participant.number if one.participant else None
        try:
            act(one.handed)
        except StudyError as error:
            problems.append(f"participant {number}: {error}" if number else str(error))
            continue
        audit.record(posting.study, what, actor, participant=number, posting=posting.name, **details)
    return problems
