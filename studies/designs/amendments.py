"""Changes of mind about the analysis of a study that was opened: numbered, with their reason, beside what was frozen.

What the design registered stays what it is and is reported first.  A result under an amended setting is exploratory.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from django.contrib.auth.base_user import AbstractBaseUser
from django.db import transaction
from django.utils import timezone

from studies import audit, protocols
from studies.lib.canonical_json import digest
from studies.lib.errors import StudyError
from studies.models import Amendment, Study
from studies.protocols import DesignError

from .choices import catalogue


@transaction.atomic
def amend_study(
    study: Study, *, reason: str, changes: Mapping[str, Any] | None = None, actor: AbstractBaseUser | None = None
) -> Amendment:
    """Add an amendment; without `changes` it is words alone.  StudyError for whatever cannot be amended."""
    row = Study.objects.select_for_update().get(pk=study.pk)
    kind, reason, changes = protocols.get(row.protocol), reason.strip(), dict(changes or {})
    if row.opened_at is None:
        raise StudyError(f"study {row.slug} is {row.state}: change its design instead of amending it")
    if not reason:
        raise StudyError("an amendment needs a reason")
    if fixed := [name for name in changes if name not in kind.amendable]:
        can = ", ".join(kind.amendable) or "nothing but words"
        raise StudyError(f"{fixed[0]} cannot be amended: it is part of what was shown or asked (amendable: {can})")
    before = amended_design(row)
    try:
        after = kind.clean(before | changes, catalogue=catalogue())
    except DesignError as error:
        raise StudyError(f"design: {error}") from None
    changes = {name: after[name] for name in changes if after[name] != before[name]}
    last = row.amendments.last()
    number, moment, looks = (last.number if last else 0) + 1, timezone.now(), row.looks.count()
    content = {"number": number, "made_at": moment.isoformat(), "reason": reason, "changes": changes}
    audit.record(row, audit.What.AMENDED, actor, number=number, reason=reason, changes=changes)
    return Amendment.objects.create(
        study=row,
        **content | {"made_at": moment},
        made_by=actor,
        answers=row.slots.filter(filled=True).count(),
        looks=looks,
        outcomes_known=looks > 0 or row.state == Study.State.CLOSED,
        sha256=digest({"previous": last.sha256 if last else row.design_sha256, **content}),
    )


def amended_design(study: Study) -> dict[str, Any]:
    """The design with all amendments."""
    design = dict(study.design)
    for amendment in study.amendments.all():
        design |= amendment.changes
    return design


def amended_designs(study: Study) -> Iterator[tuple[Amendment, dict[str, Any]]]:
    """The amendments that change a setting, each with the design as it then was."""
    design = dict(study.design)
    for amendment in study.amendments.all():
        design |= amendment.changes
        if amendment.changes:
            yield amendment, dict(design)


def as_json(study: Study) -> list[dict[str, Any]]:
    """The amendments as the export tells them, without who made them."""
    return [
        {
            "number": one.number,
            "made_at": one.made_at.isoformat(),
            "reason": one.reason,
            "changes": one.changes,
            "answers": one.answers,
            "looks": one.looks,
            "outcomes_known": one.outcomes_known,
            "sha256": one.sha256,
        }
        for one in study.amendments.all()
    ]
