"""Participants and what must hold for them, as a state machine over the public functions of studies.participation.

The model knows who was shown what and what they answered first.  Two tabs are two callers with the same participant:
one of them may send what the other has long answered.
"""

from collections import Counter
from dataclasses import dataclass, field
from datetime import timedelta

import pytest
from django.db import transaction
from django.db.models import Q
from django.utils import timezone
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from studies import lifecycle, participation
from studies.errors import StudyError
from studies.models import Participant, Slot, Study, Trial
from studies.protocols.session import Withdrawal

STIMULI, PANEL, EACH = 3, 2, 2
ANSWERS = st.sampled_from(["yes", "no"])


@dataclass
class Person:
    """What one participant has seen of the study."""

    pk: int
    at: int | None = None  # the trial on their page
    said: dict[int, str] = field(default_factory=dict)  # the first answer to each trial
    met: list[int] = field(default_factory=list)  # stimuli, in order
    begun: bool = False
    done: bool = False

    @property
    def row(self) -> Participant:
        """As a request finds it."""
        return Participant.objects.select_related("study").get(pk=self.pk)


#: Somebody among those a rule is about, however many there are.
SOMEBODY = st.integers(0, 11)


class Participating(RuleBasedStateMachine):
    """Each run has the same open study, of which nothing remains afterwards."""

    def __init__(self) -> None:
        super().__init__()
        self._undone = transaction.atomic()
        self._undone.__enter__()
        self.everybody: list[Person] = []
        self.gone: list[Person] = []
        self.study = Study.objects.get()

    def teardown(self) -> None:
        try:
            self.fill_up()
        finally:
            transaction.set_rollback(True)
            self._undone.__exit__(None, None, None)

    def one(self, n: int) -> Person:
        return self.everybody[n % len(self.everybody)]

    def at_work(self) -> list[Person]:
        return [person for person in self.everybody if person.at is not None]

    def answered(self) -> list[tuple[Person, int]]:
        return [(person, trial) for person in self.everybody for trial in person.said]

    def is_open(self) -> bool:
        return self.study.state == Study.State.OPEN

    def is_paused(self) -> bool:
        return self.study.state == Study.State.PAUSED

    # --- what people do -----------------------------------------------------------------------------------------------

    @precondition(is_open)
    @rule(begins=st.booleans())
    def enrol(self, begins: bool) -> None:
        row, _token = participation.enrol(self.study, consent=participation.current_consent(self.study))
        self.everybody.append(person := Person(row.pk))
        if begins:
            self._begin(person)

    @precondition(is_paused)
    @rule()
    def enrol_while_paused(self) -> None:
        with pytest.raises(StudyError):
            participation.enrol(self.study, consent=participation.current_consent(self.study))

    @precondition(lambda self: self.everybody)
    @rule(n=SOMEBODY)
    def begin(self, n: int) -> None:
        """Also a second time, from the other tab."""
        self._begin(self.one(n))

    @precondition(lambda self: self.everybody)
    @rule(n=SOMEBODY)
    def look(self, n: int) -> None:
        """Open the page, or reload it."""
        self._look(self.one(n))

    @precondition(at_work)
    @rule(n=SOMEBODY, value=ANSWERS)
    def answer(self, n: int, value: str) -> None:
        """The trial on the page, whether or not its lease has run out."""
        people = self.at_work()
        self._answer(people[n % len(people)], value)

    @precondition(answered)
    @rule(n=SOMEBODY, changes=st.booleans())
    def answer_again(self, n: int, changes: bool) -> None:
        """A second tab, going back, a retry: the first answer stands, and the page stays where it was."""
        person, trial = self.answered()[n % len(self.answered())]
        before, value = person.at, person.said[trial]
        again = {"yes": "no", "no": "yes"}[value] if changes else value
        given = participation.answer(person.row, trial, again, response_ms=1)
        assert given.repeated
        assert given.trial.answer == value
        self.see(person)
        assert before in (None, person.at)

    @precondition(at_work)
    @rule(n=SOMEBODY, value=st.sampled_from(["", "maybe", "YES"]))
    def answer_what_is_not_offered(self, n: int, value: str) -> None:
        person = self.at_work()[n % len(self.at_work())]
        with pytest.raises(participation.AnswerRefused):
            participation.answer(person.row, person.at, value)

    @precondition(answered)
    @rule(n=SOMEBODY, m=SOMEBODY)
    def answer_for_somebody_else(self, n: int, m: int) -> None:
        theirs, trial = self.answered()[m % len(self.answered())]
        if theirs is not self.one(n):
            with pytest.raises(participation.AnswerRefused):
                participation.answer(self.one(n).row, trial, "yes")

    @precondition(lambda self: self.everybody)
    @rule(n=SOMEBODY)
    def withdraw(self, n: int) -> None:
        """Whether or not they had begun, whatever is on their page; what they said goes, where the study says so."""
        person = self.one(n)
        participation.withdraw(person.row)
        self.everybody.remove(person)
        self.gone.append(person)
        if self.study.design["withdrawal"] == Withdrawal.REMOVE:
            person.said.clear()

    @precondition(lambda self: self.gone)
    @rule(n=SOMEBODY, value=ANSWERS)
    def answer_after_withdrawing(self, n: int, value: str) -> None:
        """A tab that was open all the time: it is not heard."""
        person = self.gone[n % len(self.gone)]
        for trial in person.said.keys() | ({person.at} - {None}):
            with pytest.raises(participation.AnswerRefused):
                participation.answer(person.row, trial, value)
        # Nor is a place held for it again.
        participation.current_trial(person.row)

    # --- what happens around them -------------------------------------------------------------------------------------

    @precondition(lambda self: self.everybody)
    @rule(n=SOMEBODY)
    def somebodys_leases_run_out(self, n: int) -> None:
        run_out(Slot.objects.filter(holder__participant=self.one(n).pk))

    @rule()
    def all_leases_run_out(self) -> None:
        run_out(Slot.objects.all())

    @precondition(lambda self: self.at_work() and self.is_open())
    @rule(n=SOMEBODY, people=st.integers(1, PANEL), value=st.none() | ANSWERS)
    def be_overtaken(self, n: int, people: int, value: str | None) -> None:
        """Somebody is slow; others come and take as much as there is; who was slow may answer all the same."""
        slow = self.at_work()[n % len(self.at_work())]
        run_out(Slot.objects.filter(holder__participant=slow.pk))
        for _ in range(people):
            self.somebody_eager()
        if value:
            self._answer(slow, value)

    @precondition(is_open)
    @rule()
    def pause(self) -> None:
        lifecycle.pause_study(self.study)

    @precondition(is_paused)
    @rule()
    def go_on(self) -> None:
        lifecycle.open_study(self.study)

    # --- the same, against the model ----------------------------------------------------------------------------------

    def _begin(self, person: Person) -> None:
        participation.start(person.row)
        person.begun = True
        self._look(person)

    def _look(self, person: Person) -> None:
        trial = participation.current_trial(person.row)
        if person.at is not None:
            assert trial is not None
            assert trial.pk == person.at, "coming back continues the same trial"
        elif person.done or self.is_paused() or not person.begun:
            assert trial is None
        elif trial is not None:
            assert trial.participant_id == person.pk
            self.shown(person, trial)
        self.see(person)
        assert person.at or person.done or self.is_paused() or not person.begun

    def _answer(self, person: Person, value: str) -> None:
        trial = person.at
        counts = Slot.objects.filter(self.open_to(trial), stimulus=person.met[-1], filled=False).exists()
        given = participation.answer(person.row, trial, value, response_ms=700)
        assert not given.repeated
        person.said[trial], person.at = value, None
        row = Trial.objects.get(pk=trial)
        assert (row.counted, row.exclusion) == ((True, "") if counts else (False, "late"))
        self.see(person)

    def shown(self, person: Person, trial: Trial) -> None:
        assert trial.stimulus_id not in person.met, "nobody meets a stimulus twice"
        person.at = trial.pk
        person.met.append(trial.stimulus_id)

    def see(self, person: Person) -> None:
        """What the functions have put on the person's page: at most one trial, or that they are done."""
        rows = Trial.objects.filter(participant=person.pk, presented_at__isnull=False, answered_at=None)
        trials = list(rows)
        assert len(trials) <= 1
        if trials and trials[0].pk != person.at:
            assert person.at is None
            self.shown(person, trials[0])
        if not person.done and person.row.finished_at:
            person.done = True
            assert not self.free_for(person), "whoever may answer something that is free is not done"

    def open_to(self, trial: int | None) -> Q:
        now = timezone.now()
        return Q(holder=None) | Q(leased_until__lt=now) | Q(holder=trial)

    def free_for(self, person: Person) -> bool:
        """Whether the person may have more, and there is a free slot of something they have not met."""
        kept = Trial.objects.filter(participant=person.pk, released_at=None)
        if kept.filter(presented_at=None, slot__leased_until__gt=timezone.now()).exists():
            return True
        met = Trial.objects.filter(participant=person.pk).values("stimulus")
        slots = Slot.objects.filter(self.open_to(None), filled=False).exclude(stimulus__in=met)
        return kept.exclude(presented_at=None).count() < EACH and slots.exists()

    # --- what must hold -----------------------------------------------------------------------------------------------

    @invariant()
    def first_answers_are_stored(self) -> None:
        stored = dict(Trial.objects.filter(answered_at__isnull=False).values_list("pk", "answer"))
        people = [*self.everybody, *self.gone]
        assert stored == {trial: value for person in people for trial, value in person.said.items()}

    @invariant()
    def nothing_leads_to_who_has_withdrawn(self) -> None:
        for row in Participant.objects.filter(pk__in=[person.pk for person in self.gone]):
            assert (row.background, row.comments, row.completion_code) == (None, None, "")
            assert not Slot.objects.filter(holder__participant=row, filled=False).exists()

    @invariant()
    def nobody_meets_anything_twice_or_too_much(self) -> None:
        meetings = list(Trial.objects.values_list("participant", "stimulus"))
        assert len(set(meetings)) == len(meetings)
        kept = Counter(Trial.objects.filter(released_at=None).values_list("participant", flat=True))
        assert max(kept.values(), default=0) <= EACH

    @invariant()
    def no_panel_is_over_full_and_slots_agree_with_answers(self) -> None:
        counted = dict(Trial.objects.filter(counted=True).values_list("pk", "stimulus"))
        assert max(Counter(counted.values()).values(), default=0) <= PANEL
        assert dict(Slot.objects.filter(filled=True).values_list("holder", "stimulus")) == counted

    def fill_up(self) -> None:
        """Whatever has happened: people who come now, one after the other, leave every panel exactly full."""
        if self.is_paused():
            lifecycle.open_study(self.study)
        for _ in range(STIMULI * PANEL + 1):
            run_out(Slot.objects.all())
            if not Slot.objects.filter(filled=False).exists():
                break
            self.somebody_eager()
        self.first_answers_are_stored()
        self.no_panel_is_over_full_and_slots_agree_with_answers()
        counted = set(Trial.objects.filter(counted=True).values_list("stimulus", "participant"))
        assert Counter(stimulus for stimulus, _ in counted) == dict.fromkeys(
            self.study.stimuli.values_list("pk", flat=True), PANEL
        )

    def somebody_eager(self) -> Person:
        row, _token = participation.enrol(self.study, consent=participation.current_consent(self.study))
        self.everybody.append(person := Person(row.pk))
        participation.start(row)
        self.see(person)
        while person.at is not None:
            participation.answer(person.row, person.at, "yes")
            person.said[person.at], person.at = "yes", None
            self.see(person)
        return person


def run_out(slots) -> None:
    slots.filter(filled=False, holder__isnull=False).update(leased_until=timezone.now() - timedelta(seconds=1))
