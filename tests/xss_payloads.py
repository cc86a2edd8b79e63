"""Text that would run where a page takes it for more than text, put wherever somebody's text is stored.

The places are found by asking the models and the designs' forms; those that nobody types into are named here with the
reason.  A new column of text is filled with the others, and then has to be shown somewhere or named.
"""

import re
from collections.abc import Callable, Iterator
from typing import Any

from django import forms
from django.apps import apps
from django.db import models

from studies import protocols
from studies.models import Study

#: A function of this name is called by whatever runs; the attribute stands on whatever becomes an element.
RAN, ELEMENT = "__ran", "data-ran"
#: What evaluated template syntax leaves behind.
SUM = "62615533"
#: Whose text it is: the number of the place, and of the row.
TAG = r"zq(\d+)x\d+z"
LINK = f"javascript:{RAN}()//"
FRAGMENTS = (
    f'"><script {ELEMENT}>{RAN}()</script>',
    f"'><img {ELEMENT} src=/ran onerror={RAN}()>",
    f"<svg {ELEMENT} onload={RAN}()>",
    # Within a script, or an attribute that a script reads: the text ends and a call follows.
    f"'-{RAN}()-'\"-{RAN}()-\"\\'-{RAN}()//",
    f'" {ELEMENT} autofocus onfocus={RAN}() x-init="{RAN}()" x="',
    "{{ 62615532|add:1 }}${62615532+1}{{ 62615532+1 }}",
    f"</textarea></title></style></script>--><script {ELEMENT}>{RAN}()</script>",
)
#: Whole models in which nobody's text is, or that no page shows.
NOT_SHOWN = {
    "admin.LogEntry": "nothing is written there: the log is studies.Event",
    "auth.Permission": "Django's own",
    "axes.AccessAttempt": "no page shows it (AXES_ENABLE_ADMIN)",
    "axes.AccessFailureLog": "no page shows it",
    "axes.AccessLog": "no page shows it, and nothing is written there",
    "contenttypes.ContentType": "Django's own",
    "otp_static.StaticDevice": "named by the program",
    "otp_static.StaticToken": "made by the program",
    "otp_totp.TOTPDevice": "named by the program",
    "sessions.Session": "signed, and read by the program alone",
}
#: Columns that the program fills with words of its own, or that take nothing but letters, digits, - and _.
NOT_TYPED = {
    "auth.User.password": "a hash",
    "studies.Study.protocol": "a protocol's key",
    "studies.Study.preparation": "counts, by words of the program",
    "studies.Study.frozen": "a copy of the design, for exports",
    "studies.Study.design_sha256": "a digest",
    "studies.Study.reach": "counts",
    "studies.Condition.key": "named by the protocol",
    "studies.Stimulus.digest": "a digest",
    "studies.Stimulus.family": "a digest",
    "studies.Consent.sha256": "a digest",
    "studies.Consent.language": "a language's code",
    "studies.Participant.token_sha256": "a digest",
    "studies.Participant.completion_code": "made by the program",
    "studies.Trial.answer": "one of the answers that were offered",
    "studies.Slot.block": "named by the protocol",
    "studies.Stimulus.block": "named by the protocol",
    "studies.Tombstone.digest": "a digest",
    "studies.ExplanationMeasurement.settings": "methods and numbers",
    "studies.ExplanationMeasurement.result": "numbers, by method",
    "studies.ExplanationMeasurement.worker": "host and process",
    "studies.Trial.exclusion": "one of the program's reasons",
    "studies.Trial.browser": "a browser and its system, by the names of a library",
    "studies.Trial.evidence": "numbers and words of the program: anything else is refused",
    "studies.Participant.evidence": "numbers and words of the program: anything else is refused",
    "studies.Participant.flags": "words of the program",
    "studies.Trial.family": "a digest",
    "studies.Slot.family": "a digest",
    "studies.Artifact.digest": "a digest",
    "studies.Artifact.kind": "named by the program",
    "studies.Artifact.recipe": "written by the program",
    "studies.Artifact.worker": "host and process",
    "studies.Artifact.value": "written by the program",
    "studies.Artifact.files": "digests",
    "studies.Artifact.problem": "in the words of a library; people read of it as Study.problem",
    "studies.Image.sha256": "a digest",
    "studies.ImageClass.wordnet_id": "one of ImageNet’s own ids, from a list",
    "studies.Image.file": "a digest",
    "studies.Classifier.preprocessing": "numbers",
    "studies.Classifier.state_digest": "a digest",
    "studies.Classifier.digest": "a digest",
    "studies.Import.worker": "host and process",
    "studies.ImportedFile.sha256": "a digest",
    "studies.ImportedFile.file": "a digest",
    "studies.ClassifierEvaluation.worker": "host and process",
    "studies.ClassifierEvaluation.result": "counts, by number of class",
    "studies.ResultCache.worker": "host and process",
    "studies.ResultCache.key": "a digest",
    "studies.Amendment.changes": "numbers and choices",
    "studies.Amendment.sha256": "a digest",
    "studies.InterimLook.way": "one of the program's ways",
    "studies.Recruitment.recruiter": "a recruiter's key",
    "studies.Recruitment.settings": "choices, and codes of letters and digits",
    "studies.Recruitment.qualifications": "names that a market gave",
    "studies.Arrival.recruiter": "a recruiter's key",
    "studies.Arrival.person": "letters and digits: anything else is refused",
    "studies.Arrival.submission": "letters and digits: anything else is refused",
    "studies.Arrival.posting": "letters and digits: anything else is refused",
    "studies.Arrival.state": "one of the program's states",
    "studies.Posting.recruiter": "a recruiter's key",
    "studies.Posting.name": "letters, digits and hyphens: anything else is refused",
    "studies.Posting.group": "letters, digits and hyphens: anything else is refused",
    "studies.Posting.invited": "letters, digits and hyphens: anything else is refused",
    "studies.Posting.problem": "the words of a service that the operator chose, escaped; nobody's typed text",
    "studies.BonusPayment.name": "letters, digits and hyphens: anything else is refused",
}
#: Filled like the others, and on no page: only in files that are handed out as attachments.
NOT_ON_PAGES = {
    "studies.Trial.parts": "in the export",
    "studies.Participant.background": "in the export",
    "studies.Participant.comments": "in the export",
    "studies.ImportedFile.problem": "read of as ImportedFile.refused, its copy",
    "studies.ImportedFile.label": "in the report of an import",
}
#: Within JSON, what the program itself goes by.
KEPT = {
    "samples",
    "consequence",
    "reward",
    "file",
    "upload",
    "expected",
    "condition",
    "kind",
    "value",
    "role",
    "span",
    "svg",
}
#: Settings of a design that are no text, though a form shows them as such.
CHECKED_SETTINGS = {
    "completion_url": "an address that begins with http",
    "class_name": "must be the name of a class",
    "classes": "must be names of classes",
}


def text(tag: str, number: int, longest: int | None) -> str:
    """As many fragments as fit, another one first for each number; every second one begins as a link that runs."""
    found = (LINK if number % 2 else "") + tag
    for n in range(len(FRAGMENTS)):
        more = FRAGMENTS[(number + n) % len(FRAGMENTS)]
        if longest is None or len(found) + len(more) <= longest:
            found += more
    return found


def columns() -> Iterator[models.Field]:
    """Every column that holds text of somebody's."""
    for model in apps.get_models():
        if model._meta.label in NOT_SHOWN:
            continue
        for column in model._meta.concrete_fields:
            is_text = isinstance(column, models.CharField | models.TextField | models.JSONField)
            # A slug takes no character that could end anything; SlugField's own check is Django's.
            is_text &= not column.choices and not isinstance(column, models.SlugField)
            if is_text and f"{model._meta.label}.{column.name}" not in NOT_TYPED:
                yield column


def settings_of(protocol: str) -> list[str]:
    """The settings of a design that are free text."""
    fields = protocols.get(protocol).form_class.base_fields
    return [name for name, one in fields.items() if type(one) is forms.CharField and name not in CHECKED_SETTINGS]


class Filling:
    """Puts payloads everywhere; knows afterwards which place each was put into."""

    def __init__(self) -> None:
        self.places: list[str] = []

    def everywhere(self) -> "Filling":
        """What is empty stays so, as some things are told in the place of others; but no column may be."""
        nowhere = []
        for column in columns():
            label, name = f"{column.model._meta.label}.{column.name}", column.name
            for row in column.model._base_manager.exclude(**{f"{name}__in": ("", {}, [])}).exclude(**{name: None}):
                before = getattr(row, name)
                if isinstance(row, Study) and name == "design":
                    value: Any = self._design(row, label)
                elif isinstance(column, models.JSONField):
                    value = _leaves(before, self._maker(label, row.pk))
                else:
                    value = self._maker(label, row.pk, column.max_length)()
                column.model._base_manager.filter(pk=row.pk).update(**{name: value})
            if not any(place.startswith(label) for place in self.places):
                nowhere.append(label)
        if nowhere:
            raise LookupError(f"nothing is stored in {', '.join(nowhere)}: store it, or name it as not typed")
        return self

    def _design(self, study: Study, label: str) -> dict[str, Any]:
        typed = {name: self._maker(f"{label}.{name}", study.pk)() for name in settings_of(study.protocol)}
        if "questions" in typed:
            # Nothing ends a question but a bar and a line's end.
            text = typed["questions"].replace("|", "¦")
            typed["questions"] = f"{text}\nand {text} | {text} | no\nanother {text} | number"
        return study.design | typed

    def _maker(self, label: str, number: int, longest: int | None = None) -> Callable[[], str]:
        if label not in self.places:
            self.places.append(label)
        return lambda: text(f"zq{self.places.index(label)}x{number}z", number, longest)

    def shown(self, page: str) -> set[str]:
        """The places whose text is on a page."""
        return {self.places[int(number)] for number in re.findall(TAG, page, re.IGNORECASE)}


def _leaves(value: Any, make: Callable[[], str], key: str = "") -> Any:
    if isinstance(value, dict):
        return {name: _leaves(one, make, name) for name, one in value.items()}
    if isinstance(value, list):
        return [_leaves(one, make, key) for one in value]
    return make() if isinstance(value, str) and key not in KEPT else value
