"""Whatever people do, in whatever order: exactly N distinct people, and what was said first stands.

tests/properties/participation_machine.py is the state machine; here it is run, and shown to notice what is broken.
"""

import pytest
from django.utils import timezone
from hypothesis import Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from studies import participation
from studies.models import Participant, Slot, Trial
from studies.protocols.base.session_form import Withdrawal
from tests.properties.participation_machine import Participating, open_mixed_study

pytestmark = pytest.mark.django_db


def run(machine=Participating, **options) -> None:
    run_state_machine_as_test(machine, settings=settings(stateful_step_count=30, deadline=None, **options))


class WithoutAnEnd(Participating):
    ends_full = False


@pytest.mark.parametrize("withdrawal", [Withdrawal.ANONYMISE, Withdrawal.REMOVE])
def test_nothing_people_do_breaks_a_promise(withdrawal):
    open_mixed_study(withdrawal=withdrawal)
    run(max_examples=15)


def last_answer_stands(answer):
    def broken(participant, trial_id, value, **options):
        given = answer(participant, trial_id, value, **options)
        Trial.objects.filter(pk=trial_id).update(answer=value)
        return given

    return broken


def late_answers_count(answer):
    def broken(participant, trial_id, value, **options):
        given = answer(participant, trial_id, value, **options)
        Trial.objects.filter(pk=trial_id, exclusion="late").update(counted=True, exclusion="")
        return given

    return broken


def coming_back_goes_on_to_another_trial(arrive):
    def broken(participant):
        shown = Trial.objects.filter(participant=participant, presented_at__isnull=False, answered_at=None)
        Slot.objects.filter(holder__in=shown).update(holder=None, leased_until=None)
        shown.update(presented_at=None, released_at=timezone.now())
        return arrive(participant)

    return broken


def row_after_withdrawing():
    """Withdrawing puts another row in the place of the participant's."""
    return Participant.objects.filter(withdrawn_at__isnull=False).latest("pk")


def withdrawing_forgets_the_page(withdraw):
    def broken(participant):
        withdraw(participant)
        Participant.objects.filter(pk=row_after_withdrawing().pk).update(withdrawn_at=None)

    return broken


def withdrawing_leaves_the_answers(withdraw):
    def broken(participant):
        withdraw(participant)
        blanked = Trial.objects.filter(participant=row_after_withdrawing(), answered_at=None)
        blanked.update(answer="yes", answered_at=timezone.now())

    return broken


@pytest.mark.parametrize(
    ("name", "broken"),
    [
        ("answer", last_answer_stands),
        ("answer", late_answers_count),
        ("arrive", coming_back_goes_on_to_another_trial),
        ("withdraw", withdrawing_forgets_the_page),
        ("withdraw", withdrawing_leaves_the_answers),
    ],
)
def test_the_machine_notices_when(name, broken, monkeypatch):
    open_mixed_study(withdrawal=Withdrawal.REMOVE)
    monkeypatch.setattr(participation, name, broken(getattr(participation, name)))
    # As long as it takes, but for one example that shows it, not the shortest.
    options = {"database": None, "derandomize": True, "report_multiple_bugs": False, "phases": [Phase.generate]}
    with pytest.raises((AssertionError, pytest.fail.Exception)):
        run(WithoutAnEnd, max_examples=200, **options)
