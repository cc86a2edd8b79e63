"""Whatever people do, in whatever order: exactly N distinct people, and what was said first stands.

tests/properties/participating.py is the state machine; here it is run, and shown to notice when something is broken.
"""

import pytest
from django.utils import timezone
from hypothesis import Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from studies import participation
from studies.models import Participant, Slot, Trial
from studies.protocols.session import Withdrawal
from tests.factories import open_study
from tests.properties.participating import EACH, PANEL, STIMULI, Participating

pytestmark = pytest.mark.django_db


def study(withdrawal: str) -> None:
    open_study(STIMULI, PANEL, trials_per_participant=EACH, withdrawal=withdrawal)


def run(**options) -> None:
    run_state_machine_as_test(Participating, settings=settings(stateful_step_count=30, deadline=None, **options))


@pytest.mark.parametrize("withdrawal", [Withdrawal.ANONYMISE, Withdrawal.REMOVE])
def test_nothing_people_do_breaks_a_promise(withdrawal):
    study(withdrawal)
    run(max_examples=25)


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


def coming_back_goes_on_to_another_trial(current_trial):
    def broken(participant):
        shown = Trial.objects.filter(participant=participant, presented_at__isnull=False, answered_at=None)
        Slot.objects.filter(holder__in=shown).update(holder=None, leased_until=None)
        shown.update(presented_at=None, released_at=timezone.now())
        return current_trial(participant)

    return broken


def withdrawing_forgets_the_page(withdraw):
    def broken(participant):
        withdraw(participant)
        Participant.objects.filter(pk=participant.pk).update(withdrawn_at=None)

    return broken


def withdrawing_leaves_the_answers(withdraw):
    def broken(participant):
        said = list(Trial.objects.filter(participant=participant, answered_at__isnull=False))
        withdraw(participant)
        Trial.objects.bulk_update(said, ["answer", "answered_at"])

    return broken


@pytest.mark.parametrize(
    ("name", "broken"),
    [
        ("answer", last_answer_stands),
        ("answer", late_answers_count),
        ("current_trial", coming_back_goes_on_to_another_trial),
        ("withdraw", withdrawing_forgets_the_page),
        ("withdraw", withdrawing_leaves_the_answers),
    ],
)
def test_the_machine_notices_when(name, broken, monkeypatch):
    study(Withdrawal.REMOVE)
    monkeypatch.setattr(participation, name, broken(getattr(participation, name)))
    with pytest.raises((AssertionError, pytest.fail.Exception)):
        # As long as it takes, but for one example that shows it, not the shortest.
        run(max_examples=200, database=None, derandomize=True, report_multiple_bugs=False, phases=[Phase.generate])
