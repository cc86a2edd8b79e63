"""Celery tasks: they take ids and call a function.  Workers run them; web processes only ring the bell."""

from celery import shared_task

from studies import recruitment, retention, workbench
from studies.importing import jobs
from studies.reports import tallying
from studies.workbench import checking


@shared_task
def prepare(study_id: int) -> None:
    workbench.replay(study_id)


@shared_task
def compute(ids: list[int]) -> None:
    workbench.compute(ids)


@shared_task
def bring_in(run_id: int) -> None:
    jobs.bring_in(run_id)


@shared_task
def check(check_id: int) -> None:
    checking.look(check_id)


@shared_task
def tally(tally_id: int) -> None:
    tallying.count(tally_id)


@shared_task
def sweep() -> None:
    workbench.sweep()
    jobs.sweep()
    checking.sweep()
    tallying.sweep()


@shared_task
def forget() -> None:
    recruitment.delete_ids()
    retention.forget()
