"""How many processors this process may use, and how many threads of them a worker takes."""

import os
from pathlib import Path

#: Where a container's limit on processor time is told: microseconds in each period of so many.
CGROUP_LIMIT = Path("/sys/fs/cgroup/cpu.max")


def processors() -> int:
    """The processors this process may use: of the machine, by its affinity, and by a container's limit."""
    here = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(here, _limit() or here))


def threads_of_a_worker(processors: int, workers: int) -> int:
    """An equal share of all processors but one, which is left to web, database and beat; at least 1.

    More threads than free processors wait for one another at the end of every operation, and all are slower for it.
    """
    return max(1, (processors - 1) // workers)


def _limit() -> int | None:
    try:
        quota, period = CGROUP_LIMIT.read_text().split()
        return max(1, int(quota) // int(period))
    except (OSError, ValueError):
        return None
