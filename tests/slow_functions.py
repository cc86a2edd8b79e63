"""What tests of limited processes have computed: functions that end, never end, fail, or want too much."""

import os
import time
from pathlib import Path


def process(pid_file: str, seconds: float = 0) -> int:
    """Writes down in which process it runs, and stays so long."""
    Path(pid_file).write_text(str(os.getpid()))
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        pass
    return os.getpid()


def complain(message: str) -> None:
    raise ValueError(message)


def hoard() -> int:
    return len(b"\x01" * 2**36)


def niceness() -> int:
    return os.nice(0)
