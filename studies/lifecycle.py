"""The life of a study: created, opened (which freezes it), paused, closed.  Each step is written into its log."""

import hashlib
from collections.abc import Sequence
from typing import Any

import numpy as np
from django.contrib.auth.base_user import AbstractBaseUser
from django.core.exceptions import ValidationError
from django.core.validators import validate_slug
from django.db import transaction
from django.utils import timezone

from studies import audit, participation, protocols, recruiting
from studies.catalogue import catalogue
from studies.consent import DEFAULT_CONSENT, NOTHING_KEPT
from studies.errors import StudyError
from studies.models import Condition, Consent, Slot, Stimulus, Study
from studies.protocols import DesignError
from studies.reports import tallying
from studies.workbench.recipes import digest

What = audit.What

EDITABLE = (Study.State.DRAFT, Study.State.READY)
#: What a rehearsal has of its study, beside conditions and stimuli.
COPIED = ("owner", "protocol", "protocol_version", "design", "consent_text", "preparation", "prepared_at")
NOT_YET_OPEN = (Study.State.DRAFT, Study.State.PREPARING, Study.State.READY)


def create_study(
    *,
    slug: str,
    protocol: str,
    design: Any,
    title: str = "",
    consent_text: str = "",
    owner: AbstractBaseUser | None = None,
    actor: AbstractBaseUser | None = None,
) -> Study:
    """A draft with a valid design; StudyError with one line that names every mistake.  Without an owner it is seen by
    superusers only.
    """
    try:
        validate_slug(slug)
    except ValidationError:
        raise StudyError(f"{slug!r} is no name: use letters, digits, hyphens and underscores") from None
    if Study.objects.filter(slug=slug).exists():
        raise StudyError(f"there is already a study called {slug}")
    try:
        kind = protocols.get(protocol)
        complete = kind.clean(design, catalogue=catalogue())
    except DesignError as error:
        raise StudyError(f"design: {error}") from None
    with transaction.atomic():
        study = Study.objects.create(
            slug=slug,
            title=title or slug.replace("-", " ").capitalize(),
            protocol=kind.key,
            protocol_version=kind.version,
            design=complete,
            consent_text=consent_text or DEFAULT_CONSENT,
            owner=owner,
        )
        owned_by = owner.get_username() if owner else None
        audit.record(study, What.CREATED, actor, protocol=kind.key, owner=owned_by, design=complete)
    return study


@transaction.atomic
def change_design(study: Study, design: Any, *, actor: AbstractBaseUser | None = None) -> None:
    """Give a study that is not open yet another design; it has to be prepared again."""
    try:
        complete = protocols.get(study.protocol).clean(design, catalogue=catalogue())
    except DesignError as error:
        raise StudyError(f"design: {error}") from None
    if complete == study.design:
        return
    before = Study.objects.select_for_update().get(pk=study.pk).design
    changed = Study.objects.filter(pk=study.pk, state__in=EDITABLE).update(design=complete, state=Study.State.DRAFT)
    study.refresh_from_db()
    if not changed:
        raise StudyError(f"study {study.slug} is {study.state}: its design can no longer be changed")
    audit.record(study, What.DESIGN, actor, changes=audit.differences(before, complete))


@transaction.atomic
def change_texts(study: Study, *, title: str, consent_text: str, actor: AbstractBaseUser | None = None) -> None:
    """Change what people read before they begin; possible until the study opens, which freezes it."""
    row = Study.objects.select_for_update().get(pk=study.pk)
    before = {"title": row.title, "consent_text": row.consent_text}
    after = {"title": title or study.slug, "consent_text": consent_text or DEFAULT_CONSENT}
    changed = Study.objects.filter(pk=study.pk, state__in=NOT_YET_OPEN).update(**after)
    study.refresh_from_db()
    if not changed:
        raise StudyError(f"study {study.slug} is {study.state}: its texts can no longer be changed")
    if changes := audit.differences(before, after):
        audit.record(study, What.TEXTS, actor, changes=changes)


@transaction.atomic
def duplicate_study(study: Study, *, slug: str, title: str = "", actor: AbstractBaseUser | None = None) -> Study:
    """A draft with the design and the texts of a study, to be changed; whoever makes it owns it.

    It has to be prepared: its design is about to change, and what stays the same is not computed again.
    """
    copy = create_study(
        slug=slug,
        protocol=study.protocol,
        design=study.design,
        title=title or f"{study.title[:190]} (copy)",
        consent_text=study.consent_text,
        owner=actor or study.owner,
        actor=actor,
    )
    audit.record(study, What.DUPLICATED, actor, copy=copy.slug)
    return copy


@transaction.atomic
def copy_for_rehearsal(study: Study, *, actor: AbstractBaseUser | None = None) -> Study:
    """A prepared copy of a prepared study, under a name of its own, for simulated people alone."""
    if study.rehearsal_of_id:
        raise StudyError(f"study {study.slug} is a rehearsal itself")
    if study.state in (Study.State.DRAFT, Study.State.PREPARING):
        raise StudyError(f"study {study.slug} is {study.state}: prepare it first")
    # Whoever rehearses at the same time waits for their number.
    Study.objects.select_for_update().only("pk").get(pk=study.pk)
    number = study.rehearsals.count() + 1
    copy = Study.objects.create(
        slug=f"{study.slug[:80]}-rehearsal-{number}",
        title=f"{study.title[:180]} (rehearsal {number})",
        state=Study.State.READY,
        rehearsal_of=study,
        **{name: getattr(study, name) for name in COPIED},
    )
    copy.artifacts.set(study.artifacts.all())
    keys = list(study.conditions.order_by("pk").values_list("key", flat=True))
    conditions = {key: Condition.objects.create(study=copy, key=key) for key in keys}
    stimuli = study.stimuli.order_by("number").select_related("condition")
    Stimulus.objects.bulk_create(
        (
            Stimulus(
                study=copy,
                condition=conditions[stimulus.condition.key],
                **{name: getattr(stimulus, name) for name in ("role", "number", "digest", "family", "shown", "truth")},
            )
            for stimulus in stimuli.iterator(chunk_size=2000)
        ),
        batch_size=2000,
    )
    audit.record(study, What.REHEARSED, actor, rehearsal=copy.slug)
    audit.record(copy, What.CREATED, actor, rehearsal_of=study.slug)
    return copy


@transaction.atomic
def open_study(study: Study, *, actor: AbstractBaseUser | None = None) -> None:
    """Freeze the design, make the slots and let people in; or let them in again after a pause."""
    row = Study.objects.select_for_update().get(pk=study.pk)
    if row.state == Study.State.PAUSED:
        row.state = Study.State.OPEN
        row.save(update_fields=["state"])
        audit.record(row, What.REOPENED, actor)
    elif row.state == Study.State.READY:
        _check_consent(row)
        _freeze(row)
        _make_slots(row)
        row.state, row.opened_at = Study.State.OPEN, timezone.now()
        row.save(update_fields=["state", "opened_at", "frozen", "design_sha256", "reach"])
        stimuli = row.frozen["stimuli"]
        audit.record(row, What.OPENED, actor, design_sha256=row.design_sha256, stimuli=stimuli)
    else:
        hint = "prepare it first" if row.state in (Study.State.DRAFT, Study.State.PREPARING) else "it cannot be opened"
        raise StudyError(f"study {row.slug} is {row.state}: {hint}")
    study.refresh_from_db()


def pause_study(study: Study, *, actor: AbstractBaseUser | None = None) -> None:
    """Give out no more stimuli; answers to those already given out are still taken."""
    _move(study, [Study.State.OPEN], What.PAUSED, actor, state=Study.State.PAUSED)


@transaction.atomic
def close_study(study: Study, *, actor: AbstractBaseUser | None = None) -> None:
    """Take no more answers, for good; results can be seen from now on, those of a large study once a worker counted."""
    states = [Study.State.OPEN, Study.State.PAUSED]
    _move(study, states, What.CLOSED, actor, state=Study.State.CLOSED, closed_at=timezone.now())
    if tallying.large(study):
        tallying.ask(study)


@transaction.atomic
def archive_study(study: Study, *, actor: AbstractBaseUser | None = None) -> None:
    """Put a closed study away: it is left out of lists, and everything in it stays."""
    closed = Study.objects.filter(pk=study.pk, state=Study.State.CLOSED, archived_at=None)
    archived = closed.update(archived_at=timezone.now())
    study.refresh_from_db()
    if not archived:
        why = "it is archived already" if study.archived_at else "only a closed study can be archived"
        raise StudyError(f"study {study.slug} is {study.state}: {why}")
    audit.record(study, What.ARCHIVED, actor)


@transaction.atomic
def unarchive_study(study: Study, *, actor: AbstractBaseUser | None = None) -> None:
    """Bring an archived study back to the others; it is closed as before."""
    found = Study.objects.filter(pk=study.pk, archived_at__isnull=False).update(archived_at=None)
    study.refresh_from_db()
    if not found:
        raise StudyError(f"study {study.slug} is {study.state}: it is not archived")
    audit.record(study, What.UNARCHIVED, actor)


def why_not_deleted(study: Study) -> str:
    """What keeps a study from being deleted; empty where nothing does."""
    if study.state in (Study.State.OPEN, Study.State.PAUSED):
        return "somebody may be about to take part: close it first"
    if study.participants.exists():
        return "people have taken part, and what they said is never deleted; a closed study can be archived"
    if study.rehearsals.exists():
        return "it has been rehearsed, and its rehearsals belong to it"
    return ""


@transaction.atomic
def delete_study(study: Study, *, actor: AbstractBaseUser | None = None) -> None:
    """Delete a study that nobody has answered; its log stays.  StudyError for one that somebody may have."""
    row = Study.objects.select_for_update().get(pk=study.pk)
    if why := why_not_deleted(row):
        raise StudyError(f"study {row.slug} is {row.state}: {why}")
    audit.record(row, What.DELETED, actor, title=row.title, design=row.design)
    row.delete()


@transaction.atomic
def _move(study: Study, states: Sequence[str], what: str, actor: AbstractBaseUser | None, **changes: Any) -> None:
    moved = Study.objects.filter(pk=study.pk, state__in=states).update(**changes)
    study.refresh_from_db()
    if not moved:
        verb = "paused" if changes["state"] == Study.State.PAUSED else "closed"
        raise StudyError(f"study {study.slug} is {study.state}: only {' or '.join(states)} studies can be {verb}")
    audit.record(study, what, actor, answers=study.slots.filter(filled=True).count())


def _check_consent(study: Study) -> None:
    chosen = getattr(study, "recruitment", None)
    if chosen and recruiting.get(chosen.recruiter).names_people and NOTHING_KEPT in study.consent_text:
        title = recruiting.get(chosen.recruiter).title
        raise StudyError(
            f"the consent text says that nothing identifies people, and {title} names them: say what is kept of that"
        )


def _freeze(study: Study) -> None:
    consent = Consent.objects.create(
        study=study, version=1, text=study.consent_text, sha256=hashlib.sha256(study.consent_text.encode()).hexdigest()
    )
    stimuli = list(study.stimuli.order_by("number").values_list("digest", flat=True))
    study.reach = participation.reach(study)
    study.frozen = {
        "study": study.slug,
        "title": study.title,
        "protocol": study.protocol,
        "protocol_version": study.protocol_version,
        "design": study.design,
        "preparation": study.preparation,
        "analysis": registered_analysis(study),
        "stimuli": study.stimuli.main().count(),
        "checks": study.stimuli.checks().count(),
        "stimuli_sha256": digest(stimuli),
        "consent_sha256": consent.sha256,
    }
    study.design_sha256 = digest(study.frozen)


def registered_analysis(study: Study) -> dict[str, Any]:
    """The analysis that opening a prepared study freezes with its design."""
    plan = protocols.get(study.protocol).registered(study.design, study.preparation)
    n, panel, seed = study.stimuli.main().count(), study.design["answers_per_stimulus"], study.design["seed"]
    return {
        **plan.as_json(),
        "target": {"stimuli": n, "answers_per_stimulus": panel, "answers": panel * n},
        "seeds": {"study": seed, "order": seed, "bootstrap": seed},
    }


def _make_slots(study: Study) -> None:
    """One row for each wanted answer; in each layer of slots the stimuli come in another random order."""
    stimuli = list(study.stimuli.main().order_by("number").values_list("pk", "condition_id", "family"))
    random = np.random.default_rng(study.design["seed"])
    for slot_no in range(1, study.design["answers_per_stimulus"] + 1):
        ranks = random.permutation(len(stimuli))
        Slot.objects.bulk_create(
            (
                Slot(
                    study=study,
                    stimulus_id=stimulus,
                    slot_no=slot_no,
                    rank=int(rank),
                    condition_id=condition,
                    family=family,
                )
                for (stimulus, condition, family), rank in zip(stimuli, ranks, strict=True)
            ),
            batch_size=2000,
        )
