"""Making a study again from its export, and saying whether it came out the same."""

from collections.abc import Iterator, Mapping
from typing import Any

from django.contrib.auth.base_user import AbstractBaseUser
from django.db import transaction

from studies import lifecycle
from studies.catalog.class_descriptions import change_words
from studies.export import texts
from studies.lib.canonical_json import digest
from studies.lib.errors import StudyError
from studies.models import Study

from .differences import Differences
from .folder import ExportedStudy

#: So many pages, stimuli or settings are named.
NAMED = 3


def repeat_study(
    exported: ExportedStudy,
    compared: Differences,
    *,
    slug: str,
    title: str = "",
    owner: AbstractBaseUser | None = None,
    actor: AbstractBaseUser | None = None,
    anyway: bool = False,
) -> Study:
    """A draft with the design and every text of an exported study; StudyError where something differs, unless anyway.

    Words of classes become those of the export where no other study is about to be prepared with them.
    """
    if compared.lines and not anyway:
        raise StudyError(f"nothing was made: {'; '.join(compared.lines)}")
    content = exported.content
    with transaction.atomic():
        study = lifecycle.create_study(
            slug=slug,
            protocol=content["protocol"],
            design=compared.design,
            title=title or content["title"],
            consent_text=content["consent_text"],
            consent_details=content.get("consent_details"),
            owner=owner,
            actor=actor,
            repeats={
                "study": content["study"],
                "design_sha256": exported.design_sha256,
                "stimuli_sha256": exported.frozen.get("stimuli_sha256"),
                "stimuli": exported.frozen.get("stimuli"),
                "analysis": exported.frozen.get("analysis"),
                "pages": exported.pages,
                "differences": compared.lines,
            },
        )
        for image_set, words in compared.words.items():
            change_words(image_set, words, actor=actor)
    return study


def verdict(study: Study) -> Iterator[str]:
    """Whether a prepared study is the one it repeats: its stimuli, its analysis, its pages; none for one that repeats
    none, or is not prepared.
    """
    told = study.repeats
    if not told or study.prepared_at is None:
        return
    digests = list(study.stimuli.order_by("number").values_list("digest", flat=True))
    if digest(digests) == told["stimuli_sha256"]:
        yield f"The {len(digests):,} stimuli are those of {told['study']} (SHA-256 {told['stimuli_sha256'][:12]}…)."
    else:
        yield (
            f"The stimuli are not those of {told['study']}: their SHA-256 is {digest(digests)[:12]}…, not "
            f"{(told['stimuli_sha256'] or 'unknown')[:12]}…."
        )
    other = _differing(told["analysis"] or {}, lifecycle.registered_analysis(study))
    yield f"The analysis differs in {', '.join(other)}." if other else "The analysis is the registered one."
    pages: dict[str, dict[str, str]] = {}
    for page in texts.pages(study):
        pages.setdefault(page.language, {})[page.key] = page.sha256
    changed = [
        f"{language} {key}"
        for language, known in told["pages"].items()
        for key, sha256 in known.items()
        if pages.get(language, {}).get(key) != sha256
    ]
    if changed:
        more = f" (and {len(changed) - NAMED} more)" if len(changed) > NAMED else ""
        yield f"Participants read other pages: {', '.join(changed[:NAMED])}{more}."
    else:
        yield "Participants read the same pages."


def _differing(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    return sorted(name for name in {*before, *after} if before.get(name) != after.get(name))
