"""Whatever people do, in whatever order: exactly N distinct people, and what was said first stands.

tests/properties/participating.py is the state machine; here it is run, and shown to notice when something is broken.
"""

import pytest
from django.utils import timezone
from hypothesis import Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from studies import participation
from studies.models import Slot, Trial
from tests.factories import open_study
from tests.properties.participating import EACH, PANEL, STIMULI, Participating

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def study():
    return open_study(STIMULI, PANEL, trials_per_participant=EACH)


def run(**options) -> None:
    run_state_machine_as_test(Participating, settings=settings(stateful_step_count=30, deadline=None, **options))


def test_nothing_people_do_breaks_a_promise():
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


@pytest.mark.parametrize(
    ("name", "broken"),
    [
        ("answer", last_answer_stands),
        ("answer", late_answers_count),
        ("current_trial", coming_back_goes_on_to_another_trial),
    ],
)
def test_the_machine_notices_when(name, broken, monkeypatch):
    monkeypatch.setattr(participation, name, broken(getattr(participation, name)))
    with pytest.raises(AssertionError):
        # As long as it takes, but for one example that shows it, not the shortest.
        run(max_examples=200, database=None, derandomize=True, report_multiple_bugs=False, phases=[Phase.generate])
