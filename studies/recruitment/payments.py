"""The payment table: who is paid what, apart from everything that is exported for science."""

import csv
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from statistics import median
from typing import Any

from django.contrib.auth.base_user import AbstractBaseUser
from django.db.models import Q

from studies import audit
from studies.lib.csv_files import cell
from studies.models import Arrival, Participant, Posting, Role, Study, Trial
from studies.recruiters import SubmissionState, VisitOutcome

COLUMNS = ("participant", "person", "submission", "visit", "outcome", "state", "base", "bonus", "minutes")
BEGUN = "begun"


@dataclass(frozen=True)
class Paid:
    """One line: amounts in hundredths; None where Quorum does not know."""

    number: int
    person: str
    submission: str
    visit: int
    outcome: str
    state: str
    base: int | None
    bonus: int
    minutes: float | None


def table(study: Study, *, reward: int | None = None, screened_out_reward: int | None = None) -> Iterator[Paid]:
    """A line for each submission, or for each person where no recruiter names any; in the order of numbers.

    Args:
        reward, screened_out_reward: hundredths, for those who came by no posting of Quorum's.
    """
    postings = {posting.name: posting for posting in study.postings.all()}
    people = study.participants.filter(withdrawn_at=None, forgotten_at=None, simulated=False)
    came: dict[int, list[Arrival]] = {}
    for arrival in Arrival.objects.filter(participant__study=study).order_by("came_at", "pk"):
        came.setdefault(arrival.participant_id, []).append(arrival)
    answered = set(
        Trial.objects.filter(study=study, answered_at__isnull=False)
        .exclude(role=Role.PRACTICE)
        .values_list("participant_id", "visit")
    )
    for person in people.order_by("number", "pk"):
        for arrival in came.get(person.pk) or [None]:
            posting = postings.get(arrival.posting) if arrival else None
            visit = posting.visit if posting else person.visit
            outcome = _outcome(study, person, visit, (person.pk, visit) in answered)
            rewards = (posting.reward, posting.screened_out_reward) if posting else (reward, screened_out_reward)
            yield Paid(
                number=person.number,
                person=arrival.person if arrival else person.completion_code,
                submission=arrival.submission if arrival else "",
                visit=visit,
                outcome=outcome,
                state=arrival.state if arrival else "",
                base=_base(outcome, arrival, rewards),
                bonus=arrival.bonus if arrival else 0,
                minutes=_minutes(person, arrival),
            )


def _outcome(study: Study, person: Participant, visit: int, answered: bool) -> str:
    if person.screened_out_at and person.visit == visit:
        return VisitOutcome.SCREENED_OUT
    if answered and (person.visit > visit or person.returns_at):
        return VisitOutcome.COME_BACK
    if person.finished_at:
        return VisitOutcome.COMPLETED if answered else VisitOutcome.NOTHING_LEFT
    return VisitOutcome.COMPLETED if answered and study.state == Study.State.CLOSED else BEGUN


def _base(outcome: str, arrival: Arrival | None, rewards: tuple[int | None, int | None]) -> int | None:
    """What is paid, by the recruiter's word where it has spoken, else what is due."""
    whole, screened_out = rewards
    if arrival and arrival.state:
        paid = {SubmissionState.APPROVED: whole, SubmissionState.SCREENED_OUT: screened_out}
        return paid.get(arrival.state, 0)
    due = {VisitOutcome.COMPLETED: whole, VisitOutcome.COME_BACK: whole, VisitOutcome.SCREENED_OUT: screened_out}
    return due.get(outcome, 0)


def _minutes(person: Participant, arrival: Arrival | None) -> float | None:
    if arrival and arrival.started_at and arrival.completed_at:
        return _between(arrival.started_at, arrival.completed_at)
    if person.visit > 1 or not person.started_at or not person.finished_at:
        return None
    return _between(person.started_at, person.finished_at)


def _between(start: datetime, end: datetime) -> float | None:
    return (end - start).total_seconds() / 60 if end > start else None


def write(
    study: Study,
    file: Any,
    *,
    reward: int | None = None,
    screened_out_reward: int | None = None,
    actor: AbstractBaseUser | None = None,
) -> int:
    """Write the table as CSV; it names people, so it is written down who asked for it.  How many lines."""
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(COLUMNS)
    lines = 0
    for row in table(study, reward=reward, screened_out_reward=screened_out_reward):
        minutes = "" if row.minutes is None else f"{row.minutes:.1f}"
        named = (row.number, row.person, row.submission, row.visit, row.outcome, row.state)
        values = (*named, money(row.base), money(row.bonus), minutes)
        writer.writerow([cell(value) for value in values])
        lines += 1
    audit.record(study, audit.What.NAMED, actor, people=lines)
    return lines


def money(amount: int | None) -> str:
    """Hundredths as an amount; empty where there is none."""
    return "" if amount is None else f"{amount // 100}.{amount % 100:02}"


def per_hour(posting: Posting) -> Mapping[str, Any] | None:
    """What an hour is paid by the median time of approved submissions, and of how many; None before there are any."""
    rows = Arrival.objects.filter(Q(participant__study=posting.study), posting=posting.name)
    times = rows.filter(state=SubmissionState.APPROVED).values_list("started_at", "completed_at")
    minutes = [taken for start, end in times if start and end and (taken := _between(start, end))]
    if not minutes:
        return None
    middle = median(minutes)
    return {"amount": round(posting.reward * 60 / middle), "minutes": middle, "n": len(minutes)}
