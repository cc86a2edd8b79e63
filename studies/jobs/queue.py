"""Ringing for workers.  The queue carries ids and may lose, repeat or delay them: the rows are the truth.

Whatever is not rung for, because the queue was down or was emptied, the sweeper rings for later.
"""

import logging
from collections.abc import Iterable

from celery import current_app
from kombu.exceptions import KombuError

log = logging.getLogger(__name__)

DEFAULT, NETWORKS = "default", "gpu"
QUEUES = (DEFAULT, NETWORKS)


def enqueue_study(study_id: int) -> bool:
    """Have a study's preparation replayed; False where the queue cannot be reached."""
    return send("studies.tasks.prepare", study_id, DEFAULT)


def enqueue_import(run_id: int, queue: str) -> bool:
    """Have a worker go on with an import; False where the queue cannot be reached."""
    return send("studies.tasks.run_import", run_id, queue)


def enqueue_evaluation(evaluation_id: int) -> bool:
    """Have a worker go on with looking at a classifier; False where the queue cannot be reached."""
    return send("studies.tasks.evaluate", evaluation_id, NETWORKS)


def enqueue_measurement(measurement_id: int) -> bool:
    """Have a worker go on with measuring explanations; False where the queue cannot be reached."""
    return send("studies.tasks.measure_explanations", measurement_id, NETWORKS)


def enqueue_result_cache(cache_id: int) -> bool:
    """Have a worker count the answers of a study; False where the queue cannot be reached."""
    return send("studies.tasks.count_results", cache_id, DEFAULT)


def enqueue_posting(posting_id: int) -> bool:
    """Have a worker ask a recruiter's service about a posting; False where the queue cannot be reached."""
    return send("studies.tasks.ask_about_posting", posting_id, DEFAULT)


def waiting(queue: str) -> int | None:
    """How many messages wait in a queue; None where it cannot be reached."""
    try:
        with current_app.connection_for_read() as connection:
            connection.ensure_connection(max_retries=1, timeout=5)
            channel = connection.channel()
            return channel.queue_declare(queue, durable=True, auto_delete=False).message_count
    except (KombuError, OSError, *current_app.connection_for_read().connection_errors) as error:
        log.warning("the queue cannot be reached: %s", error)
        return None


def send(task: str, argument: int | Iterable[int], queue: str) -> bool:
    try:
        current_app.send_task(task, [argument], queue=queue)
    except (KombuError, OSError) as error:
        log.warning("the queue cannot be reached (%s); the sweeper rings when it is back", error)
        return False
    return True
