"""Processes beside a worker's own.  Nothing here needs Django, so that they start in no time."""

import multiprocessing
import os
from concurrent.futures import ProcessPoolExecutor
from threading import Thread


def pool(processes: int) -> ProcessPoolExecutor:
    """Processes that end with the one that started them, also where that is killed.

    They are not forked: a copy of a process that has used CUDA or OpenMP threads does not work.
    """
    context = multiprocessing.get_context("spawn")
    return ProcessPoolExecutor(processes, mp_context=context, initializer=_watch_the_parent)


def _watch_the_parent() -> None:
    Thread(target=_end_with_the_parent, daemon=True).start()


def _end_with_the_parent() -> None:
    if parent := multiprocessing.parent_process():
        parent.join()
    os._exit(1)
