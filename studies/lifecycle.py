"""The life of a study: created, opened (which freezes it), paused, closed.  Each step is written into its log."""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from django.contrib.auth.base_user import AbstractBaseUser
from django.db import transaction
from django.utils import timezone

from studies import audit, participation, protocols
from studies.analysis import automation
from studies.catalog import judgement
from studies.designs.choices import catalogue
from studies.designs.consent import consent_texts, others_can_come, untold, with_ticks
from studies.designs.consent_details import clean_details
from studies.lib.canonical_json import digest
from studies.lib.database import database_now
from studies.lib.errors import StudyError
from studies.lib.short_names import check_length, check_short_name
from studies.models import Condition, Consent, Slot, Stimulus, Study
from studies.participation.taking_over import take_over
from studies.preparation import verification
from studies.protocols import DesignError
from studies.protocols.base.session_form import Flagging
from studies.results import cache

What = audit.What

#: Characters of a title, as its column has them.
LONGEST_TITLE = 200

EDITABLE = (Study.State.DRAFT, Study.State.READY)
#: What a rehearsal has of its study, beside conditions and stimuli.
COPIED = ("owner", "protocol", "protocol_version", "design", "preparation", "prepared_at")
COPIED += ("consent_text", "consent_details")
COPIED_OF_STIMULI = ("role", "number", "digest", "family", "block", "shown", "truth")
NOT_YET_OPEN = (Study.State.DRAFT, Study.State.PREPARING, Study.State.READY)


def create_study(
    *,
    slug: str,
    protocol: str,
    design: Any,
    title: str = "",
    consent_text: str = "",
    consent_details: Any = None,
    owner: AbstractBaseUser | None = None,
    actor: AbstractBaseUser | None = None,
    repeats: Mapping[str, Any] | None = None,
) -> Study:
    """A draft with a valid design; StudyError with one line that names every mistake.  Without an owner it is seen by
    superusers only.  consent_text: of one's own, in the place of the one that is composed from the design.  repeats: of
    the export that it is made from, what `studies.repeating` compares later.
    """
    check_short_name(slug)
    check_length(title, LONGEST_TITLE, "a title")
    if Study.objects.filter(slug=slug).exists():
        raise StudyError(f"there is already a study called {slug}")
    try:
        kind = protocols.get(protocol)
        complete = kind.clean(design, catalogue=catalogue())
    except DesignError as error:
        raise StudyError(f"design: {error}") from None
    details = with_ticks(Study(protocol=kind.key, design=complete), clean_details(consent_details or {}))
    with transaction.atomic():
        study = Study.objects.create(
            slug=slug,
            title=title or slug.replace("-", " ").capitalize(),
            protocol=kind.key,
            protocol_version=kind.version,
            design=complete,
            consent_text=consent_text.strip(),
            consent_details=details,
            owner=owner,
            repeats=dict(repeats) if repeats else None,
        )
        again = {"repeats": repeats["design_sha256"]} if repeats else {}
        owned_by = owner.get_username() if owner else None
        audit.record(study, What.CREATED, actor, protocol=kind.key, owner=owned_by, design=complete, **again)
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
def change_texts(
    study: Study, *, title: str, consent_text: str, details: Any = None, actor: AbstractBaseUser | None = None
) -> None:
    """Change what people read before they begin; possible until the study opens, which freezes it.

    An empty consent_text is the composed one; None as details leaves these as they are.
    """
    check_length(title, LONGEST_TITLE, "a title")
    row = Study.objects.select_for_update().get(pk=study.pk)
    before = {"title": row.title, "consent_text": row.consent_text, "consent_details": row.consent_details}
    after = {
        "title": title or study.slug,
        "consent_text": consent_text.strip(),
        "consent_details": row.consent_details if details is None else with_ticks(row, clean_details(details)),
    }
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
        consent_details=study.consent_details,
        owner=actor or study.owner,
        actor=actor,
    )
    audit.record(study, What.DUPLICATED, actor, copy=copy.slug)
    return copy


@transaction.atomic
def extend_study(
    study: Study, *, classifier: str, slug: str, title: str = "", actor: AbstractBaseUser | None = None
) -> Study:
    """A draft that asks of another classifier what the closed study did not ask; its answers are taken over on opening.

    StudyError in one line where it cannot be done.
    """
    if study.state != Study.State.CLOSED:
        raise StudyError(f"study {study.slug} is {study.state}: only a closed study can be extended")
    if study.rehearsal_of_id:
        raise StudyError(f"study {study.slug} is a rehearsal: only a study that people answered can be extended")
    if not {"classifier", "classifiers"} <= set(protocols.get(study.protocol).form_class.base_fields):
        raise StudyError(f"study {study.slug} is of {study.protocol}, which takes no further classifier")
    names = protocols.classifiers_of(study.design)
    if classifier in names:
        raise StudyError(f"study {study.slug} has the classifier {classifier} already")
    if study.design["sample"]:
        raise StudyError(
            f"study {study.slug} shows a sample of the errors of its classifiers, which is none of those of others"
        )
    design = {**study.design, "classifier": "", "classifiers": [*names, classifier]}
    extension = create_study(
        slug=slug,
        protocol=study.protocol,
        design=design,
        title=title or study.title,
        consent_text=study.consent_text,
        owner=actor or study.owner,
        actor=actor,
    )
    extension.extends = study
    extension.save(update_fields=["extends"])
    audit.record(study, What.EXTENDED, actor, extension=extension.slug, classifier=classifier)
    return extension


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
                **{name: getattr(stimulus, name) for name in COPIED_OF_STIMULI},
            )
            for stimulus in stimuli.iterator(chunk_size=2000)
        ),
        batch_size=2000,
    )
    audit.record(study, What.REHEARSED, actor, rehearsal=copy.slug)
    audit.record(copy, What.CREATED, actor, rehearsal_of=study.slug)
    return copy


@transaction.atomic
def open_study(
    study: Study, *, actor: AbstractBaseUser | None = None, anyway: bool = False, untold_anyway: bool = False
) -> None:
    """Freeze the design, make the slots and let people in; or let them in again after a pause.

    anyway: in spite of what is doubtful about its classifier (`judgement.doubts`), which is written into the log;
    otherwise that is a StudyError.  untold_anyway: the same of what its consent text does not tell people
    (`consent.untold`); where nobody beside us can come (`consent.others_can_come`) that is written down only.
    """
    row = Study.objects.select_for_update().get(pk=study.pk)
    if row.state in (Study.State.PAUSED, Study.State.READY):
        verification.check(row)
    if row.state == Study.State.PAUSED:
        row.state = Study.State.OPEN
        row.save(update_fields=["state"])
        audit.record(row, What.REOPENED, actor)
    elif row.state == Study.State.READY:
        left_out = untold(row)
        if left_out and others_can_come(row) and not untold_anyway:
            raise StudyError(f"study {row.slug} is not opened to other people: {left_out}")
        doubts = judgement.doubts(row)
        if doubts and not anyway:
            raise StudyError(f"study {row.slug} is not opened without a confirmation: {' '.join(doubts)}")
        _freeze(row)
        _make_slots(row)
        taken_over = take_over(row)
        row.state, row.opened_at = Study.State.OPEN, timezone.now()
        row.save(update_fields=["state", "opened_at", "frozen", "design_sha256", "reach"])
        stimuli = row.frozen["stimuli"]
        in_spite_of = {"in_spite_of": doubts} if doubts else {}
        more = in_spite_of | ({"untold": left_out} if left_out else {})
        more |= {"taken_over": taken_over} if row.extends else {}
        audit.record(row, What.OPENED, actor, design_sha256=row.design_sha256, stimuli=stimuli, **more)
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
    # Whoever is answering is waited for, and only then is it closed: nothing is answered after that moment.
    Study.objects.select_for_update(no_key=True).only("pk").get(pk=study.pk)
    _move(study, states, What.CLOSED, actor, state=Study.State.CLOSED, closed_at=database_now())
    if cache.large(study):
        cache.ask(study)


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
        return "participants may be about to begin: close it first"
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


def _freeze(study: Study) -> None:
    for language, text in consent_texts(study).items():
        Consent.objects.create(study=study, version=1, language=language, text=text, sha256=_sha256(text))
    study.reach = participation.max_stimuli_per_visit(study)
    study.frozen = frozen_content(study)
    study.design_sha256 = digest(study.frozen)


def frozen_content(study: Study) -> dict[str, Any]:
    """What opening a prepared study freezes; its digest is the SHA-256 of the design, also before it is opened."""
    consents = {language: _sha256(text) for language, text in consent_texts(study).items()}
    return {
        "study": study.slug,
        "title": study.title,
        "protocol": study.protocol,
        "protocol_version": study.protocol_version,
        "design": study.design,
        "preparation": study.preparation,
        "analysis": registered_analysis(study),
        "stimuli": study.stimuli.main().count(),
        "checks": study.stimuli.control_stimuli().count(),
        "stimuli_sha256": digest(list(study.stimuli.order_by("number").values_list("digest", flat=True))),
        "consent_sha256": next(iter(consents.values())),
        "consent_sha256_by_language": {language: sha256 for language, sha256 in consents.items() if language},
    }


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def registered_looks(design: Mapping[str, Any]) -> dict[str, Any] | None:
    """The spending function of a design's interim looks, and the shares of all answers at which they come."""
    if not design.get("spending"):
        return None
    shares = [float(part) / 100 for part in design["interim_looks"].split(",")]
    return {"spending": design["spending"], "shares": shares}


def registered_analysis(study: Study) -> dict[str, Any]:
    """The analysis that opening a prepared study freezes with its design."""
    plan = protocols.get(study.protocol).preregister(study.design, study.preparation)
    n, panel, seed = study.stimuli.main().count(), study.design["answers_per_stimulus"], study.design["seed"]
    told = plan.as_json()
    if least := study.design.get("min_answer_ms"):
        told["exclusions"].append(
            f"an answer less than {least} ms after its picture was painted, by the page's clock, does not count "
            f"({participation.UNSEEN})"
        )
    if study.design.get("flagging") == Flagging.EXCLUDE:
        signs = "; ".join(automation.SIGNALS.values())
        told["exclusions"].append(
            f"answers of participants with a sign of a program do not count ({participation.FLAGGED}; signs of version "
            f"{automation.VERSION}: {signs})"
        )
    told["looks"] = registered_looks(study.design)
    return {
        **told,
        "target": {"stimuli": n, "answers_per_stimulus": panel, "answers": panel * n},
        "seeds": {"study": seed, "order": seed, "bootstrap": seed},
    }


def _make_slots(study: Study) -> None:
    """One row for each wanted answer; in each layer of slots the stimuli come in another random order."""
    stimuli = list(study.stimuli.main().order_by("number").values_list("pk", "condition_id", "family", "block"))
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
                    block=block,
                )
                for (stimulus, condition, family, block), rank in zip(stimuli, ranks, strict=True)
            ),
            batch_size=2000,
        )
