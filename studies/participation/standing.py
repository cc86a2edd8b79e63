"""Where a participant stands: read in two queries, whatever the size of the study."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from django.db.models import Count, Q

from studies import protocols
from studies.models import Participant, Role, Slot, Stimulus, Study, Trial
from studies.protocols import Phase, block_of

from . import queries, trial_order


@dataclass
class ParticipantCounts:
    """What a participant has been given: practice in all, the rest in their present visit."""

    person: Participant
    #: The highest position so far, over all visits.
    position: int = 0
    practice: int = 0
    gold: int = 0
    main: int = 0
    training: int = 0
    #: Of gold, training and main trials, how many are answered; of practice ones too.
    answered: int = 0
    practised: int = 0
    #: Gold trials answered wrong.
    wrong: int = 0
    #: Main trials by condition.
    met: Counter[int] = field(default_factory=Counter)
    #: Training and main trials by block, where there are phases.
    blocks: Counter[str] = field(default_factory=Counter)

    @property
    def design(self) -> Mapping[str, Any]:
        return self.person.study.design

    @cached_property
    def most(self) -> int:
        """How many main trials this visit has at most."""
        reach = self.person.study.reach
        return min(self.design["trials_per_participant"], reach.get(str(self.person.arm_id or "all"), 0))

    @property
    def total(self) -> int:
        """How many trials this visit has at most, practice left out."""
        return self.most + self.design["gold"] + sum(phase.trials for phase in self.phases if phase.training)

    @cached_property
    def phases(self) -> tuple[Phase, ...]:
        return protocols.get(self.person.study.protocol).phases(self.design)

    def phase_number(self, block: str) -> int | None:
        """Which phase a block belongs to, from 1; of no block, as gold has, the phase this visit is at.

        None where there are no phases.
        """
        blocks = [block_of(phase, self.person.rotation) for phase in self.phases]
        if block in blocks:
            return blocks.index(block) + 1
        begun = [at for at, one in enumerate(blocks, start=1) if self.blocks[one]]
        return max(begun, default=1) if blocks else None

    def next_role(self) -> str | None:
        """What the next trial is; None where the participant had all of their visit."""
        if self.person.visit == 1 and self.practice < self.design["practice"]:
            return Role.PRACTICE
        study, place = self.person.study, self.gold + self.main + self.training + 1
        places = {"number": self.person.number, "visit": self.person.visit, "seed": self.design["seed"]}
        if self.design["gold"] and place in trial_order.gold_places(self.total, self.design["gold"], **places):
            return Role.GOLD
        return Role.MAIN if self.main < self.design["trials_per_participant"] and study.reach else None

    def shares(self) -> dict[int, int]:
        """The conditions a main trial can be of, with the number of their stimuli."""
        if self.person.arm_id:
            return {self.person.arm_id: 1}
        return {int(key): n for key, n in self.person.study.reach.items() if key != "all"}

    def add(self, role: str, condition: int, block: str = "") -> None:
        """Count one more trial."""
        self.position += 1
        if block:
            self.blocks[block] += 1
        if role == Role.PRACTICE:
            self.practice += 1
        elif role == Role.GOLD:
            self.gold += 1
        elif role == Role.TRAINING:
            self.training += 1
        else:
            self.main += 1
            self.met[condition] += 1


@dataclass
class SessionState:
    """A participant, the trials they are at, and what they have been given."""

    person: Participant
    #: The trial on the screen.
    shown: Trial | None
    #: The trials kept ready as the next, in order.
    ready: list[Trial]
    #: The practice trial whose feedback is still to be read.
    feedback: Trial | None
    counts: ParticipantCounts
    #: Whether others hold every place that is left for them now.
    waits: bool = False

    @classmethod
    def without_trials(cls, person: Participant) -> "SessionState":
        """Of somebody who is at none: before they start, between visits, or done."""
        return cls(person, None, [], None, ParticipantCounts(person))

    @property
    def study(self) -> Study:
        return self.person.study

    @property
    def goes_on(self) -> bool:
        """Whether this participant can be given a trial now."""
        person = self.person
        at_work = person.started_at and not (person.finished_at or person.returns_at)
        return bool(at_work and self.study.state == Study.State.OPEN)


def stand(person: Participant) -> SessionState:
    """Where the participant stands; `person` as read just now, with study and arm."""
    counts, shown, feedback, ready = ParticipantCounts(person), None, None, []
    for role, condition, block, n, answered, wrong, position in queries.counts(person):
        if block:
            counts.blocks[block] += n
        counts.position = max(counts.position, position)
        if role == Role.PRACTICE:
            counts.practice, counts.practised = counts.practice + n, counts.practised + answered
        else:
            counts.answered += answered
            if role == Role.GOLD:
                counts.gold, counts.wrong = counts.gold + n, counts.wrong + wrong
            elif role == Role.TRAINING:
                counts.training += n
            else:
                counts.main += n
                counts.met[condition] += n
    for trial in queries.open_trials(person):
        if trial.answered_at:
            feedback = trial
        elif trial.presented_at:
            shown = shown or trial
        else:
            ready.append(trial)
    return SessionState(person, shown, ready, feedback, counts)


def slot_of(trial: Trial) -> Slot | None:
    """The slot a trial holds, as it was read."""
    return getattr(trial, "slot", None)


def max_stimuli_per_visit(study: Study) -> dict[str, int]:
    """At most how many stimuli somebody meets in a visit, by condition and in all: one of each family."""
    alone, stimuli = Q(family=""), Stimulus.objects.filter(study=study).main().order_by()
    number = Count("pk", filter=alone) + Count("family", distinct=True, filter=~alone)
    by_condition = stimuli.values("condition").annotate(n=number).values_list("condition", "n")
    return {"all": stimuli.aggregate(n=number)["n"], **{str(key): n for key, n in by_condition.order_by("condition")}}
