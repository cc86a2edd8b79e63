"""Who computes what is missing: this process, or workers that are rung for."""

import time
from collections.abc import Callable, Sequence
from typing import Protocol

from studies.jobs.time_limit import OUTAGES
from studies.lib.errors import StudyError, one_line
from studies.models import Artifact, Study

from . import chunks, execution

#: Called with what is computed, how much of it is done by this call, and how much was planned by it.
Progress = Callable[[str, int, int], None]

WINDOW = 500


class Pending(Exception):
    """Workers are computing what comes next; the protocol is replayed when they are done."""


class Executor(Protocol):
    def compute(self, kind: str, ids: Sequence[int], progress: Callable[[int], None]) -> None:
        """See to it that these artifacts of one kind end as done or failed.  Raises Pending where others do that."""


class Foreground:
    """Here and now, side by side with whoever computes the same."""

    def __init__(self, study: Study | None = None):
        self._study = study

    def compute(self, kind: str, ids: Sequence[int], progress: Callable[[int], None]) -> None:
        for start in range(0, len(ids), WINDOW):
            self._window(list(ids[start : start + WINDOW]), progress)

    def _window(self, ids: list[int], progress: Callable[[int], None]) -> None:
        done = 0

        def count(n: int) -> None:
            nonlocal done
            done += n
            progress(n)

        while True:
            execution.reclaim_from_dead_processes(ids)
            try:
                execution.compute_pending(ids, only_wanted=self._study is not None, progress=count)
            except OUTAGES as error:
                reason = one_line(error)
                raise StudyError(f"interrupted, and nothing is lost: {reason}") from error
            undone = Artifact.objects.filter(
                pk__in=ids, state__in=[Artifact.State.PENDING, Artifact.State.RUNNING]
            ).exists()
            if not undone:
                progress(len(ids) - done)  # by somebody else
                return
            if self._study and not Study.objects.filter(pk=self._study.pk, state=Study.State.PREPARING).exists():
                raise execution.Stopped("its preparation was cancelled")
            time.sleep(0.5)


class Queued:
    """By workers: what is free is handed out in chunks."""

    def compute(self, kind: str, ids: Sequence[int], progress: Callable[[int], None]) -> None:
        chunks.enqueue_artifacts(kind, ids)
        raise Pending
