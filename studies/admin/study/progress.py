"""How far a study is, in counts that tell nothing of its outcome."""

from dataclasses import dataclass
from typing import Any

from django.db.models import Count, IntegerField, OuterRef, QuerySet, Subquery
from django.db.models.functions import Coalesce

from studies import protocols
from studies.models import Participant, Role, Slot, Stimulus, Study
from studies.planning.estimates import people_needed


@dataclass(frozen=True)
class Progress:
    """Answers still wanted are `wanted - answered`; before a study opens `wanted` is what its stimuli will need."""

    stimuli: int
    wanted: int
    answered: int
    participants: int
    finished: int
    people_needed: int

    @property
    def percent(self) -> int:
        return 100 * self.answered // self.wanted if self.wanted else 0

    @property
    def missing(self) -> int:
        return self.wanted - self.answered


def counted(studies: QuerySet[Study]) -> QuerySet[Study]:
    """The studies with what `progress` reads, counted by the database in the same query."""

    def count(model: Any, **conditions: Any) -> Coalesce:
        rows = model.objects.filter(study=OuterRef("pk"), **conditions).order_by().values("study")
        return Coalesce(Subquery(rows.annotate(n=Count("pk")).values("n"), output_field=IntegerField()), 0)

    return studies.annotate(
        n_stimuli=count(Stimulus, role=Role.MAIN),
        n_slots=count(Slot),
        n_free=count(Slot, filled=False),
        n_participants=count(Participant),
        n_finished=count(Participant, finished_at__isnull=False, excluded_at=None),
    )


def progress(study: Study) -> Progress:
    """Of a study from `counted`."""
    wanted = study.n_slots or study.n_stimuli * study.design["answers_per_stimulus"]
    kind = protocols.get(study.protocol)
    return Progress(
        stimuli=study.n_stimuli,
        wanted=wanted,
        answered=study.n_slots - study.n_free,
        participants=study.n_participants,
        finished=study.n_finished,
        people_needed=people_needed(kind, study.design, study.n_stimuli, wanted=wanted) if wanted else 0,
    )
