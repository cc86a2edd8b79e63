"""Studies posted at a recruiter's service: made, published, asked about, and approved.

What a service tells us of itself is a doorbell: it is never believed, but has us ask.  So a message that is replayed,
out of order or lost changes nothing but when we ask; and asking twice is asking once (docs/decisions/0053).
"""

import logging
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.contrib.auth.base_user import AbstractBaseUser
from django.db import transaction
from django.db.models import Q
from django.db.models.functions import Now

from studies import audit
from studies.jobs import queue
from studies.lib.errors import StudyError, one_line
from studies.models import Arrival, Participant, Posting, Role, Study, Trial
from studies.participation import tombstones
from studies.recruiters import Draft, Market, Submission, SubmissionState
from studies.recruiters import get as get_recruiter

from . import arrivals

log = logging.getLogger(__name__)

#: Where no message came for so long, the service is asked all the same.
ASKED_EVERY = timedelta(minutes=10)
#: A message that rang for no worker rings again.
RUNG_FOR = timedelta(minutes=1)
FIRST, SECOND = 1, 2


class Why:
    """Why a submission that waits for review is not approved by itself."""

    UNFINISHED = "has not finished here"
    SCREENED_OUT = "was screened out here"
    NOTHING = "answered nothing here"
    TWICE = "has been paid for another submission"


@dataclass(frozen=True)
class ToDecide:
    """A submission that waits for a researcher."""

    arrival: Arrival
    why: str


# --- posting ----------------------------------------------------------------------------------------------------------


def market_of(study: Study) -> Market:
    """The service of the study's recruiter; StudyError where it has none, or nothing to ask it with."""
    recruiter, _settings = arrivals.recruiter_of(study)
    market = recruiter.market()
    if market is None:
        raise StudyError(f"{recruiter.title} is not asked by this installation: study {study.slug} is posted by hand")
    return market


def make_draft(
    study: Study,
    *,
    visit: int = FIRST,
    places: int,
    reward: int,
    screened_out_reward: int = 0,
    minutes: int,
    description: str,
    without: tuple[str, ...] = (),
    approves: bool = True,
    actor: AbstractBaseUser | None = None,
) -> Posting:
    """Make a posting that nobody sees yet, for the first visit or the second.

    Args:
        reward, screened_out_reward: hundredths of the account's currency.
        without: groups at the recruiter's whose people are not shown it; whoever took part by an earlier posting of
            the same visit is left out in any case.

    Raises:
        StudyError: nothing is posted.
    """
    market = market_of(study)
    recruiter, settings = arrivals.recruiter_of(study)
    _check(study, visit, places, reward, screened_out_reward)
    name = f"Quorum {study.slug} {visit}"
    earlier = tuple(study.postings.filter(visit=visit).values_list("group", flat=True))
    due = [one.person for one in arrivals.due(study) if one.person] if visit == SECOND else []
    if visit == SECOND and not due:
        raise StudyError("nobody is due for a second visit yet, of whom the recruiter's id is kept")
    group = market.make_group(f"{name}: took part")
    invited = market.make_group(f"{name}: invited") if visit == SECOND else ""
    if invited:
        market.add_to_group(invited, due)
    draft = Draft(
        title=study.title,
        description=description,
        link=recruiter.address(arrivals.link_of(study)),
        places=places,
        reward=reward,
        screened_out_reward=screened_out_reward,
        minutes=minutes,
        visit=visit,
        group=group,
        only=(invited,) if invited else (),
        without=(*without, *earlier),
    )
    posted = market.draft(draft, settings)
    with transaction.atomic():
        posting = Posting.objects.create(
            study=study,
            recruiter=recruiter.key,
            name=posted,
            visit=visit,
            places=places,
            reward=reward,
            screened_out_reward=screened_out_reward,
            minutes=minutes,
            group=group,
            invited=invited,
            approves=approves,
        )
        details: dict[str, Any] = {"visit": visit, "places": places, "reward": reward}
        audit.record(study, audit.What.POSTED, actor, recruiter=recruiter.key, **details)
    return posting


def _check(study: Study, visit: int, places: int, reward: int, screened_out_reward: int) -> None:
    if study.rehearsal_of_id:
        raise StudyError(f"study {study.slug} is a rehearsal: simulated people alone answer it")
    if study.state == Study.State.CLOSED:
        raise StudyError(f"study {study.slug} is closed: it takes nobody in")
    if visit not in (FIRST, SECOND):
        raise StudyError("the visit is 1 or 2")
    if places < 1 or reward < 1:
        raise StudyError("a posting has at least one place, and a reward above 0")
    screens = study.design.get("gold_rate") is not None
    if screens and not 0 < screened_out_reward < reward:
        raise StudyError(
            "the design screens people out: give what they are paid, more than 0 and less than the whole reward"
        )
    if screened_out_reward and not screens:
        raise StudyError("the design screens nobody out: leave the reward of those empty")


def publish(posting: Posting, *, actor: AbstractBaseUser | None = None) -> None:
    """Show a posting to people, who are paid for from now on; the study must be open."""
    study = posting.study
    if study.state != Study.State.OPEN:
        raise StudyError(f"study {study.slug} is {study.state}: open it first, then publish")
    _market(posting).publish(posting.name)
    with transaction.atomic():
        changed = Posting.objects.filter(pk=posting.pk, state=Posting.State.DRAFT)
        if changed.update(state=Posting.State.PUBLISHED):
            cost = posting.places * posting.reward
            audit.record(study, audit.What.PUBLISHED, actor, visit=posting.visit, places=posting.places, cost=cost)
    posting.refresh_from_db()


def _market(posting: Posting) -> Market:
    recruiter = get_recruiter(posting.recruiter)
    market = recruiter.market()
    if market is None:
        raise StudyError(f"{recruiter.title} is not asked by this installation any more")
    return market


# --- being told, and asking -------------------------------------------------------------------------------------------


def ring(recruiter: str, name: str) -> int:
    """A message came about the posting of this name, or about any of them: have them asked about.  How many are."""
    postings = Posting.objects.filter(recruiter=recruiter).exclude(state=Posting.State.DRAFT)
    if name and postings.filter(name=name).exists():
        postings = postings.filter(name=name)
    rung = 0
    for pk in list(postings.filter(rung_at=None).values_list("pk", flat=True)):
        # Of ten thousand messages at once the first one rings.
        if Posting.objects.filter(pk=pk, rung_at=None).update(rung_at=Now()):
            queue.enqueue_posting(pk)
            rung += 1
    return rung


def sweep() -> None:
    """Ask about postings whose messages were lost: those that nobody asked about for a while, or that rang in vain."""
    late = Q(asked_at=None) | Q(asked_at__lt=Now() - ASKED_EVERY)
    rang = Q(rung_at__lt=Now() - RUNG_FOR)
    published = Posting.objects.filter(Q(state=Posting.State.PUBLISHED) & late | rang)
    for pk in published.exclude(state=Posting.State.DRAFT).values_list("pk", flat=True):
        queue.enqueue_posting(pk)


def ask_by_id(posting_id: int) -> None:
    """What a worker does with a posting; what goes wrong is kept for the page, and tried again later."""
    posting = Posting.objects.select_related("study__recruitment").filter(pk=posting_id).first()
    if posting is None:
        return
    try:
        ask(posting)
    except StudyError as error:
        log.warning("posting %s of study %s: %s", posting.pk, posting.study.slug, one_line(error))
        Posting.objects.filter(pk=posting.pk).update(problem=one_line(error), asked_at=Now())


def ask(posting: Posting, *, return_strangers: str = "") -> Posting:
    """Read all submissions of a posting, approve those whom Quorum saw finish, and invite who is due.

    Repeated, interrupted or done twice at once, it pays nobody twice: the service takes two approvals for one, and
    each is decided by rows of ours.

    Args:
        return_strangers: the reason with which people who never opened the study are asked to return; empty: nobody.
    """
    market = _market(posting)
    # Before reading: a message that comes meanwhile rings again.
    Posting.objects.filter(pk=posting.pk).update(rung_at=None)
    seen, strangers, approved = set(), 0, 0
    for submission in market.submissions(posting.name):
        if submission.id in seen:
            continue
        seen.add(submission.id)
        arrival = _note(posting, submission)
        if submission.state != SubmissionState.WAITING:
            continue
        if arrival is None and tombstones.submission_was_earned(posting.study, submission.id, submission.person):
            market.approve(submission.id)
            approved += 1
        elif arrival is None:
            strangers += 1
            if return_strangers:
                market.ask_to_return(submission.id, return_strangers)
        elif posting.approves and not why_not(posting, arrival):
            approved += _approve(market, arrival)
    if posting.invited:
        market.add_to_group(posting.invited, [one.person for one in arrivals.due(posting.study) if one.person])
    ended = market.ended(posting.name)
    with transaction.atomic():
        state = Posting.State.ENDED if ended else posting.state
        Posting.objects.filter(pk=posting.pk).update(state=state, strangers=strangers, asked_at=Now(), problem="")
        if approved:
            audit.record(posting.study, audit.What.APPROVED, None, who=audit.WORKER, submissions=approved)
    posting.refresh_from_db()
    return posting


def _note(posting: Posting, submission: Submission) -> Arrival | None:
    """Keep what the service says of a submission whose person came; None where they did not come with it.

    What stands in an address can be made up: the person must be the one whose submission it is there, and the posting
    is the one that it is listed under.
    """
    rows = Arrival.objects.filter(
        recruiter=posting.recruiter,
        submission=submission.id,
        person=submission.person,
        participant__study=posting.study,
    )
    told = {"started_at": submission.started_at, "completed_at": submission.completed_at, "state": submission.state}
    told |= {"posting": posting.name}
    rows.update(**told)
    return rows.select_related("participant__study").first()


def _approve(market: Market, arrival: Arrival) -> bool:
    market.approve(arrival.submission)
    rows = Arrival.objects.filter(pk=arrival.pk, state=SubmissionState.WAITING)
    return bool(rows.update(state=SubmissionState.APPROVED))


def why_not(posting: Posting, arrival: Arrival) -> str:
    """Why this submission is not approved by itself; empty where its person did what the posting is for."""
    person = arrival.participant
    others = Arrival.objects.filter(participant=person, posting=posting.name, state__in=SubmissionState.PAID)
    if others.exclude(pk=arrival.pk).exists():
        return Why.TWICE
    if person.screened_out_at:
        return Why.SCREENED_OUT
    if not _answered(person, posting.visit):
        return Why.NOTHING
    if person.visit > posting.visit or person.finished_at or person.study.state == Study.State.CLOSED:
        return ""
    return "" if person.visit == posting.visit and person.returns_at else Why.UNFINISHED


def _answered(person: Participant, visit: int) -> bool:
    answers = Trial.objects.filter(participant=person, visit=visit, answered_at__isnull=False)
    return answers.exclude(role=Role.PRACTICE).exists()


# --- deciding by hand -------------------------------------------------------------------------------------------------


def to_decide(posting: Posting) -> list[ToDecide]:
    """What waits for a researcher, by the numbers of people."""
    waiting = Arrival.objects.filter(
        participant__study=posting.study, posting=posting.name, state=SubmissionState.WAITING
    )
    rows = waiting.select_related("participant__study").order_by("participant__number", "pk")
    return [ToDecide(row, why) for row in rows if (why := why_not(posting, row)) or not posting.approves]


def decide(
    posting: Posting,
    arrival_id: int,
    decision: str,
    *,
    category: str = "",
    reason: str = "",
    actor: AbstractBaseUser | None = None,
) -> None:
    """Approve, reject or ask to return one submission that waits; StudyError where it does not, or without a reason."""
    market = _market(posting)
    arrival = Arrival.objects.filter(pk=arrival_id, posting=posting.name, participant__study=posting.study).first()
    if arrival is None or arrival.state != SubmissionState.WAITING:
        raise StudyError("this submission does not wait for a decision any more")
    reason = " ".join(reason.split())
    if decision == "approve":
        if why_not(posting, arrival) == Why.TWICE:
            raise StudyError("this person has been paid for another submission of the same visit")
        _approve(market, arrival)
    elif decision == "reject":
        if category not in market.rejections:
            raise StudyError(f"the category of a rejection is one of {', '.join(market.rejections)}")
        if len(reason) < market.shortest_reason:
            raise StudyError(f"the reason of a rejection has at least {market.shortest_reason} letters")
        market.reject(arrival.submission, category, reason)
        Arrival.objects.filter(pk=arrival.pk).update(state=SubmissionState.REJECTED)
    elif decision == "return":
        if not reason:
            raise StudyError("say why they are asked to return it")
        market.ask_to_return(arrival.submission, reason)
    else:
        raise StudyError("a decision is approve, reject or return")
    number = arrival.participant.number
    audit.record(posting.study, audit.What.DECIDED, actor, participant=number, decision=decision)
