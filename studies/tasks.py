"""Celery tasks: they take ids and call a function.  Workers run them; web processes only ring the bell."""

from celery import shared_task

from studies import preparation
from studies.accounts import failed_logins
from studies.catalog import evaluation
from studies.catalog.explanations import job as explanation_job
from studies.catalog.importing import jobs
from studies.participation import retention
from studies.preparation import selection_counts, verification
from studies.recruitment import arrivals, postings
from studies.results import cache


@shared_task
def prepare(study_id: int) -> None:
    preparation.resume_preparation(study_id)


@shared_task
def count_selectable(study_id: int) -> None:
    selection_counts.count_for_page(study_id)


@shared_task
def compute(ids: list[int]) -> None:
    preparation.compute(ids)


@shared_task
def run_import(run_id: int) -> None:
    jobs.run_import(run_id)


@shared_task
def evaluate(evaluation_id: int) -> None:
    evaluation.evaluate(evaluation_id)


@shared_task
def measure_explanations(measurement_id: int) -> None:
    explanation_job.measure(measurement_id)


@shared_task
def count_results(cache_id: int) -> None:
    cache.count(cache_id)


@shared_task
def ask_about_posting(posting_id: int) -> None:
    postings.ask_by_id(posting_id)


@shared_task
def sweep() -> None:
    preparation.sweep()
    jobs.sweep()
    evaluation.sweep()
    explanation_job.sweep()
    cache.sweep()
    postings.sweep()


@shared_task
def forget() -> None:
    arrivals.delete_ids()
    failed_logins.prune()
    retention.forget()


@shared_task
def verify_files() -> None:
    """Each night; what is damaged stands in the log, a line for each file."""
    verification.verify_all()
