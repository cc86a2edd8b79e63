"""So many days after a study has closed nothing leads to its people any more, and their answers are as they were."""

from datetime import timedelta
from io import StringIO

import pytest
from django.conf import settings as site
from django.core.management import CommandError, call_command
from django.utils import timezone

from studies import lifecycle, participation, tasks
from studies.models import Event, Participant, Study, Trial
from studies.participation import retention
from tests.factories import answered_study, open_study

pytestmark = pytest.mark.django_db


@pytest.fixture
def study():
    study = answered_study(4, 2, 3)
    study.participants.update(background={"Work": "lighthouse keeper"}, comments="I know her")
    return closed(study, days=10)


def closed(study: Study, *, days: float) -> Study:
    Study.objects.filter(pk=study.pk).update(closed_at=timezone.now() - timedelta(days=days))
    return study


def forget(*options: str) -> str:
    out = StringIO()
    call_command("forget", *options, stdout=out)
    return out.getvalue()


def remembered() -> int:
    return Participant.objects.exclude(completion_code="", background=None, comments=None).count()


def answers() -> list:
    columns = ("answer", "counted", "response_ms", "participant")
    took = [round((b - a).total_seconds(), 3) for a, b in Trial.objects.order_by("pk").values_list(*SHOWN_AND_ANSWERED)]
    return [*Trial.objects.order_by("pk").values_list(*columns), *took]


#: What joins a participant's row to an earlier copy of it.
JOINS = ("public_id", "number", "token_sha256", "consented_at", "started_at", "finished_at", "exclusion_reason")
SHOWN_AND_ANSWERED = ("presented_at", "answered_at")


def values_of(model, columns) -> set:
    return {value for row in model.objects.values_list(*columns) for value in row} - {"", None}


def test_the_same_is_removed_as_by_a_withdrawal_and_answers_stay_with_the_time_they_took(study, settings):
    settings.RETENTION_DAYS = 9
    Participant.objects.update(exclusion_reason="wrote from ada@example.org", excluded_at=timezone.now())
    before, hashes = answers(), set(Participant.objects.values_list("token_sha256", flat=True))
    rows, times = values_of(Participant, JOINS), values_of(Trial, SHOWN_AND_ANSWERED)
    tasks.forget()
    assert rows & values_of(Participant, JOINS) == set()
    assert len(times & values_of(Trial, SHOWN_AND_ANSWERED)) == 0
    assert answers() == before
    assert not hashes & set(Participant.objects.values_list("token_sha256", flat=True))


def test_the_command_says_of_how_many(study, settings):
    settings.RETENTION_DAYS = 9
    before, hashes = answers(), set(Participant.objects.values_list("token_sha256", flat=True))
    assert forget() == f"{study.slug}: 3 forgotten\n"
    assert remembered() == 0
    assert not hashes & set(Participant.objects.values_list("token_sha256", flat=True))
    assert answers() == before


def test_done_again_it_changes_nothing(study, settings):
    settings.RETENTION_DAYS = 9
    forget()
    rows = list(Participant.objects.order_by("pk").values_list())
    assert forget() == "nobody is left to be forgotten\n"
    tasks.forget()
    assert list(Participant.objects.order_by("pk").values_list()) == rows
    assert Event.objects.filter(what="forgotten").count() == 1


def test_nobody_is_forgotten_before_the_time_or_while_a_study_goes_on(study, settings):
    settings.RETENTION_DAYS = 11
    participation.enrol(still := open_study(1, 1), consent=participation.current_consent(still))
    assert forget() == "nobody is left to be forgotten\n"
    assert remembered() == 4
    assert forget("--days", "0") == f"{study.slug}: 3 forgotten\n"
    assert remembered() == 1
    lifecycle.close_study(still)
    closed(still, days=12)
    assert forget("--list").startswith(f"{still.slug}: closed ")
    assert remembered() == 1
    assert forget() == f"{still.slug}: 1 forgotten\n"


def test_killed_in_the_middle_it_goes_on_where_it_stopped(study, settings, monkeypatch):
    settings.RETENTION_DAYS = 1
    monkeypatch.setattr(retention, "AT_ONCE", 1)
    real, calls = participation.disconnect, []

    def dies(people):
        calls.append(1)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return real(people)

    monkeypatch.setattr(participation, "disconnect", dies)
    with pytest.raises(KeyboardInterrupt):
        forget()
    assert remembered() == 2
    assert forget() == f"{study.slug}: 2 forgotten\n"
    assert remembered() == 0


def test_without_a_number_of_days_nothing_is_forgotten_by_itself(study, settings):
    settings.RETENTION_DAYS = 0
    tasks.forget()
    assert remembered() == 3
    with pytest.raises(CommandError, match="RETENTION_DAYS is not set"):
        forget()


def test_workers_are_asked_to_every_hour():
    assert site.CELERY_BEAT_SCHEDULE["forget"]["task"] == tasks.forget.name
