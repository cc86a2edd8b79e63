"""A limit on how long a computation may take."""

import faulthandler
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

#: File descriptor of the process's own standard error, whatever a worker makes of `sys.stderr`.
STANDARD_ERROR = 2


class TooSlow(Exception):
    """A computation did not end within its time."""


@contextmanager
def time_limit(limit: timedelta) -> Iterator[None]:
    """Interrupt with TooSlow what takes longer than nine tenths of the limit; needs the main thread.

    What does not come back to Python even then, stuck in compiled code, ends its process at the limit, with a traceback
    of where.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def ring(*_: Any) -> None:
        raise TooSlow(f"no result after {limit.total_seconds():,.0f} seconds")

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, limit.total_seconds() * 0.9)
    faulthandler.dump_traceback_later(limit.total_seconds(), exit=True, file=STANDARD_ERROR)
    try:
        yield
    finally:
        faulthandler.cancel_dump_traceback_later()
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
