"""How many threads the libraries of a worker compute with."""

import logging
import os
import sys
from typing import Any

from celery import bootsteps
from django.conf import settings
from threadpoolctl import threadpool_limits

log = logging.getLogger(__name__)

#: What the libraries read when they are loaded, after OMP_NUM_THREADS.
VARIABLES = ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


def limit_threads(threads: int) -> int:
    """Have torch and linear algebra compute with so many threads in this process, those loaded later too.

    OMP_NUM_THREADS in the environment goes before it.  Returns the number that holds.
    """
    given = os.environ.setdefault("OMP_NUM_THREADS", str(threads)).partition(",")[0]
    if given.isdecimal() and int(given):
        threads = int(given)
    for name in VARIABLES:
        os.environ.setdefault(name, str(threads))
    threadpool_limits(threads)
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(threads)
    return threads


class ThreadLimit(bootsteps.Step):
    """A step of a starting worker, before its first task: the setting WORKER_THREADS."""

    def __init__(self, parent: Any, **options: Any):
        super().__init__(parent, **options)
        log.info("computing with %d threads", limit_threads(settings.WORKER_THREADS))
