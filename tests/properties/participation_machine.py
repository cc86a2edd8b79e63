"""Participants and what must hold for them, as a state machine over the public functions of studies.participation.

The model knows who was shown what and what they answered first.  Two tabs are two callers with the same participant:
one of them may send what the other has long answered.  The study has stimuli alone and in families, and gold; a person
may have fewer of them than there are, so that what was kept ready and lost makes a difference.
"""

from collections import Counter
from copy import copy
from dataclasses import dataclass, field
from datetime import timedelta

import pytest
from django.db import transaction
from django.db.models import F, Q
from django.utils import timezone
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from studies import lifecycle, participation
from studies.lib.errors import StudyError
from studies.models import Participant, Role, Slot, Stimulus, Study, Trial
from studies.participation.claiming import lease
from studies.protocols.base.session_form import Withdrawal
from tests.factories import make_study

#: Of the stimuli the first `IN_FAMILIES` are in families of two.  At most EACH a person, and GOLD among them.
STIMULI, IN_FAMILIES, PANEL, EACH, GOLD = 7, 4, 2, 4, 2
ANSWERS = st.sampled_from(["yes", "no"])


def open_mixed_study(**design) -> Study:
    """What the machine is about, opened."""
    study = make_study(STIMULI, PANEL, trials_per_participant=EACH, gold=GOLD, **design)
    stimuli = list(study.stimuli.order_by("number"))
    for place, stimulus in enumerate(stimuli[:IN_FAMILIES]):
        stimulus.family = f"family {place // 2}"
    Stimulus.objects.bulk_update(stimuli, ["family"])
    # One gold trial shows what a family does: who met that does not meet it.
    for place, family in enumerate([stimuli[0].family, "", ""]):
        truth = stimuli[-1].truth | {"expected": "yes"}
        more = {"digest": f"gold {place}", "shown": stimuli[-1].shown, "truth": truth}
        condition, number = stimuli[0].condition, STIMULI + place + 1
        study.stimuli.create(role=Role.GOLD, condition=condition, number=number, family=family, **more)
    lifecycle.open_study(study)
    return study


@dataclass
class Person:
    """What one participant has seen of the study."""

    pk: int
    at: int | None = None  # the trial on their page
    said: dict[int, str] = field(default_factory=dict)  # the first answer to each trial
    met: list[Stimulus] = field(default_factory=list)  # in order
    begun: bool = False
    done: bool = False
    last: Participant | None = None  # as a request found it just before they withdrew

    @property
    def row(self) -> Participant:
        """As a request finds it."""
        return Participant.objects.select_related("study").get(pk=self.pk)


#: Somebody among those a rule is about, however many there are.
SOMEBODY = st.integers(0, 11)


class Participating(RuleBasedStateMachine):
    """Each run has the same open study, of which nothing remains afterwards."""

    #: Whether others come in the end, until every panel is full: most of the time of a run.
    ends_full = True

    def __init__(self) -> None:
        super().__init__()
        self._undone = transaction.atomic()
        self._undone.__enter__()
        self.everybody: list[Person] = []
        self.gone: list[Person] = []
        self.kept: list[tuple[int, str]] = []
        self.study = Study.objects.get()

    def teardown(self) -> None:
        try:
            if self.ends_full:
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
        person.last = person.row
        said = Trial.objects.filter(participant=person.pk, answered_at__isnull=False)
        if self.study.design["withdrawal"] != Withdrawal.REMOVE:
            self.kept += said.values_list("stimulus", "answer")
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
                participation.answer(copy(person.last), trial, value)
        # Nor is a place held for it again.
        participation.current_trial(copy(person.last))

    # --- what happens around them -------------------------------------------------------------------------------------

    @precondition(lambda self: self.everybody)
    @rule(n=SOMEBODY)
    def somebodys_leases_run_out(self, n: int) -> None:
        run_out(Slot.objects.filter(holder__participant=self.one(n).pk))

    @rule()
    def all_leases_run_out(self) -> None:
        run_out(Slot.objects.all())

    @precondition(at_work)
    @rule(n=SOMEBODY, share=st.sampled_from([0.4, 0.6, 0.9]))
    def time_passes_and_somebody_reloads(self, n: int, share: float) -> None:
        """Somebody thinks for a while and reloads their page: nobody takes from them what they look at."""
        pass_time(share * lease(self.study))
        people = self.at_work()
        self._look(people[n % len(people)])

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
        standing = participation.arrive(person.row)
        trial = standing.shown
        if person.at is not None:
            assert trial is not None
            assert trial.pk == person.at, "coming back continues the same trial"
        elif person.done or self.is_paused() or not person.begun:
            assert trial is None
        elif trial is not None:
            assert trial.participant_id == person.pk
            self.shown(person, trial)
        self.see(person)
        if standing.waits:
            assert Slot.objects.filter(filled=False, holder__isnull=False).exists(), "waited for is what others hold"
        assert person.at or person.done or self.is_paused() or not person.begun or standing.waits
        if trial and trial.role == Role.MAIN and self.is_open():
            held = Slot.objects.filter(holder=trial).values_list("leased_until", flat=True)
            taken = not Slot.objects.filter(self.open_to(None), stimulus=trial.stimulus_id, filled=False).exists()
            assert taken if not held else held[0] > timezone.now() + lease(self.study) / 2, "not held for long enough"

    def _answer(self, person: Person, value: str) -> None:
        trial, stimulus = person.at, person.met[-1]
        counts = Slot.objects.filter(self.open_to(trial), stimulus=stimulus, filled=False).exists()
        given = participation.answer(person.row, trial, value, response_ms=700)
        assert not given.repeated
        person.said[trial], person.at = value, None
        row = Trial.objects.get(pk=trial)
        if stimulus.role == Role.GOLD:
            assert (row.counted, row.exclusion, row.correct) == (False, "", value == "yes")
        else:
            assert (row.counted, row.exclusion) == ((True, "") if counts else (False, "late"))
        self.see(person)

    def shown(self, person: Person, trial: Trial) -> None:
        assert trial.stimulus not in person.met, "nobody meets a stimulus twice"
        families = {stimulus.family for stimulus in person.met} - {""}
        assert trial.stimulus.family not in families, "nor two of a family"
        person.at = trial.pk
        person.met.append(trial.stimulus)

    def see(self, person: Person) -> None:
        """What the functions have put on the person's page: at most one trial, or that they are done."""
        rows = Trial.objects.filter(participant=person.pk, presented_at__isnull=False, answered_at=None)
        trials = list(rows.select_related("stimulus"))
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
        kept = Trial.objects.filter(participant=person.pk, role=Role.MAIN, released_at=None)
        if kept.filter(presented_at=None, slot__leased_until__gt=timezone.now()).exists():
            return True
        met = Trial.objects.filter(participant=person.pk)
        slots = Slot.objects.filter(self.open_to(None), filled=False).exclude(stimulus__in=met.values("stimulus"))
        slots = slots.exclude(family__in=met.exclude(family="").values("family"))
        return kept.exclude(presented_at=None).count() < EACH and slots.exists()

    # --- what must hold -----------------------------------------------------------------------------------------------

    @invariant()
    def first_answers_are_stored(self) -> None:
        answered = Trial.objects.filter(answered_at__isnull=False)
        stored = dict(answered.filter(participant__withdrawn_at=None).values_list("pk", "answer"))
        assert stored == {trial: value for person in self.everybody for trial, value in person.said.items()}
        # Of those who withdrew the same answers to the same stimuli, in rows of nobody.
        kept = answered.filter(participant__withdrawn_at__isnull=False).values_list("stimulus", "answer")
        assert sorted(kept) == sorted(self.kept)

    @invariant()
    def nothing_leads_to_who_has_withdrawn(self) -> None:
        assert not Participant.objects.filter(pk__in=[person.pk for person in self.gone]).exists()
        rows = Participant.objects.filter(withdrawn_at__isnull=False)
        assert rows.count() == len(self.gone)
        for row in rows:
            assert (row.background, row.comments, row.completion_code) == (None, None, "")
            assert not Slot.objects.filter(holder__participant=row, filled=False).exists()

    @invariant()
    def nobody_meets_anything_twice_or_too_much(self) -> None:
        meetings = list(Trial.objects.values_list("participant", "stimulus"))
        assert len(set(meetings)) == len(meetings)
        kept = Counter(Trial.objects.filter(released_at=None).values_list("participant", "role"))
        assert max((n for (_, role), n in kept.items() if role == Role.MAIN), default=0) <= EACH
        assert max((n for (_, role), n in kept.items() if role == Role.GOLD), default=0) <= GOLD

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
            self.study.stimuli.main().values_list("pk", flat=True), PANEL
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


def pass_time(time: timedelta) -> None:
    """Leases are so much nearer to their end."""
    Slot.objects.filter(filled=False, leased_until__isnull=False).update(leased_until=F("leased_until") - time)


def run_out(slots) -> None:
    slots.filter(filled=False, holder__isnull=False).update(leased_until=timezone.now() - timedelta(seconds=1))
