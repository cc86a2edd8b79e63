"""Celery tasks: they take ids and call a function.  Workers run them; web processes only ring the bell."""

from celery import shared_task

from studies import workbench
from studies.errors import StudyError
from studies.models import Study


@shared_task(throws=(StudyError,))
def prepare(study_id: int) -> None:
    """Prepare a study; what goes wrong is kept with it."""
    workbench.prepare(Study.objects.get(pk=study_id))
