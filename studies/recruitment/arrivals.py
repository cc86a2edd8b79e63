"""How a study's people come to it: choosing a recruiter, knowing somebody again, and where they go in the end.

Somebody whom a recruiter names is known by a keyed hash of that name, and in no other way: it is their token, of which
the database has the hash alone (docs/decisions/0021).  The names themselves stand in `Arrival`, for payment, until a
date.
"""

import hmac
from base64 import urlsafe_b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings as site
from django.contrib.auth.base_user import AbstractBaseUser
from django.db import transaction
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from studies import audit, lifecycle, recruiters
from studies.lib.errors import StudyError
from studies.models import Arrival, Participant, Recruitment, Study
from studies.recruiters import Arrived, Exit, NotFromHere, Recruiter

#: 128 bits, like a token that is drawn.
TOKEN_BYTES = 16
#: Submissions of one person that are kept; nobody comes with more by honest means.
MOST_SUBMISSIONS = 50
NO_KEY = "RECRUIT_KEY is not set: ids of recruiters are hashed with it"


# --- choosing ---------------------------------------------------------------------------------------------------------


def link_of(study: Study) -> str:
    """The study's link, in full."""
    return site.SITE_URL + reverse("studies:join", args=[study.link])


def recruiter_of(study: Study) -> tuple[Recruiter, dict[str, Any]]:
    """The study's recruiter and its settings."""
    chosen = getattr(study, "recruitment", None)
    if chosen is None:
        return recruiters.get(recruiters.DEFAULT), {}
    return recruiters.get(chosen.recruiter), chosen.settings[chosen.recruiter]


@transaction.atomic
def choose(study: Study, key: str, data: Any, *, actor: AbstractBaseUser | None = None) -> None:
    """Have people come by this recruiter from now on; those who came by another before go on as they came."""
    recruiter = recruiters.get(key)
    given = recruiter.clean(data)
    if recruiter.names_people and not site.RECRUIT_KEY:
        raise StudyError(NO_KEY)
    if study.rehearsal_of_id:
        raise StudyError(f"study {study.slug} is a rehearsal: simulated people alone answer it")
    _check_consent(study, recruiter)
    Study.objects.select_for_update().only("pk").get(pk=study.pk)
    row, new = Recruitment.objects.get_or_create(study=study, defaults={"recruiter": key, "settings": {key: given}})
    before = {} if new else row.settings.get(key, {})
    if not new and (row.recruiter, before) == (key, given):
        return
    row.recruiter, row.settings = key, row.settings | {key: given}
    row.save(update_fields=["recruiter", "settings"])
    study.recruitment = row
    # Not the values: whoever knows a completion code can claim to be done.
    changed = sorted(audit.differences(before, given))
    audit.record(study, audit.What.RECRUITER, actor, recruiter=key, settings=changed)


def _check_consent(study: Study, recruiter: Recruiter) -> None:
    """StudyError where people may have agreed already to a text that does not say that the recruiter names them."""
    if not recruiter.names_people or study.state in lifecycle.NOT_YET_OPEN:
        return
    if not all(recruiter.title in text for text in study.consents.values_list("text", flat=True)):
        raise StudyError(
            f"people agree to a text which does not say that {recruiter.title} names them: choose it for a copy of "
            "this study, before that opens"
        )


def ancestors(study: Study) -> list[str]:
    """The origins that may show this study in a frame: of its recruiter, and of those before it."""
    chosen = getattr(study, "recruitment", None)
    given = chosen.settings.items() if chosen else ()
    return [origin for key, settings in given for origin in recruiters.get(key).ancestors(settings)]


# --- coming -----------------------------------------------------------------------------------------------------------


def identify_arrival(study: Study, query: Mapping[str, Sequence[str]]) -> Arrived | None:
    """Who comes with this query; None where the recruiter names nobody.  Raises NotFromHere."""
    recruiter, settings = recruiter_of(study)
    return recruiter.arrived(settings, query)


def participant_token(study: Study, arrived: Arrived) -> str:
    """The token of the person who came: always the same in this study, and in no other."""
    if not site.RECRUIT_KEY:
        raise StudyError(NO_KEY)
    recruiter, _settings = recruiter_of(study)
    name = "\n".join((str(study.link), recruiter.key, arrived.person))
    digest = hmac.digest(site.RECRUIT_KEY.encode(), name.encode(), "sha256")
    return urlsafe_b64encode(digest[:TOKEN_BYTES]).rstrip(b"=").decode()


@transaction.atomic
def record_arrival(participant: Participant, arrived: Arrived) -> None:
    """Keep the ids somebody came with; nothing of somebody who has just withdrawn."""
    there = Participant.objects.select_for_update(no_key=True).filter(
        pk=participant.pk, token_sha256=participant.token_sha256, withdrawn_at=None
    )
    if not list(there.values_list("pk")):
        return
    submissions = Arrival.objects.filter(participant=participant).exclude(submission=arrived.submission)
    if submissions.count() >= MOST_SUBMISSIONS:
        raise NotFromHere(_("You have started this study too often. Please contact the person who invited you."))
    recruiter, _settings = recruiter_of(participant.study)
    now = timezone.now()
    Arrival.objects.update_or_create(
        participant=participant,
        submission=arrived.submission,
        defaults={
            "recruiter": recruiter.key,
            "person": arrived.person,
            "posting": arrived.posting,
            "came_at": now,
            "delete_at": now + timedelta(days=site.RECRUIT_ID_DAYS),
        },
    )


# --- leaving ----------------------------------------------------------------------------------------------------------


def last_arrival(participant: Participant) -> Arrival | None:
    return Arrival.objects.filter(participant=participant).order_by("-came_at", "-pk").first()


def exit_for(participant: Participant, outcome: str) -> Exit | None:
    """Where this participant goes with this outcome, by the recruiter they came from last."""
    study, last = participant.study, last_arrival(participant)
    chosen = getattr(study, "recruitment", None)
    recruiter, settings = recruiter_of(study)
    if last and chosen and last.recruiter in chosen.settings:
        recruiter, settings = recruiters.get(last.recruiter), chosen.settings[last.recruiter]
    return recruiter.exit_for(
        settings,
        outcome,
        design=study.design,
        code=participant.completion_code,
        submission=last.submission if last else "",
    )


def way_back(study: Study, outcome: str) -> Exit | None:
    """The same for somebody who does not take part."""
    recruiter, settings = recruiter_of(study)
    return recruiter.exit_for(settings, outcome, design=study.design, code="", submission="")


# --- coming again -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Due:
    """Somebody who may come to their next visit, as their recruiter calls them; empty where the id is deleted."""

    number: int
    visit: int
    since: datetime
    person: str
    arrival: Arrival | None


def due(study: Study) -> list[Due]:
    """Who may come to their next visit by now, the longest due first."""
    people = study.participants.filter(
        returns_at__lte=timezone.now(), finished_at=None, withdrawn_at=None, excluded_at=None
    ).order_by("returns_at", "number")
    recruiter, _settings = recruiter_of(study)
    arrivals = Arrival.objects.filter(participant__in=people, recruiter=recruiter.key).order_by("came_at", "pk")
    last = {arrival.participant_id: arrival for arrival in arrivals}
    return [
        Due(one.number, one.visit + 1, one.returns_at, last[one.pk].person if one.pk in last else "", last.get(one.pk))
        for one in people
    ]


def reveal_due_ids(study: Study, *, actor: AbstractBaseUser | None = None) -> list[Due]:
    """The same, to be shown to somebody: it is written down who saw the ids."""
    found = due(study)
    audit.record(study, audit.What.NAMED, actor, people=sum(1 for one in found if one.person))
    return found


# --- forgetting -------------------------------------------------------------------------------------------------------


def delete_ids(now: datetime | None = None) -> int:
    """Delete the ids whose date has come; of how many submissions."""
    deleted, _by_model = Arrival.objects.filter(delete_at__lte=now or timezone.now()).delete()
    return deleted
