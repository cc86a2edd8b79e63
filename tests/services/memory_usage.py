"""How much memory processes hold, over time, and whether that grows."""

import statistics
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

#: Of the time that a process is watched, its first part: it loads what it needs.
WARM_UP = 1 / 4
#: What a flat process may gain after that: so many MB, and so much of what it had.
SPARE_MB, SPARE_SHARE = 8, 0.03


def resident_mb(pid: int) -> float | None:
    """Megabytes resident; None for a process that is gone."""
    with suppress(OSError, IndexError):
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * 4096 / 2**20
    return None


@dataclass
class Weights:
    """What one process held: seconds, megabytes."""

    seconds: list[float] = field(default_factory=list)
    megabytes: list[float] = field(default_factory=list)

    def figures(self) -> dict[str, float | bool]:
        """After the warm-up: the median of the first and of the last tenth, the slope, and whether that is flat."""
        begin = self.seconds[0] + WARM_UP * (self.seconds[-1] - self.seconds[0])
        kept = [(at, mb) for at, mb in zip(self.seconds, self.megabytes, strict=True) if at >= begin]
        at, mb = (np.array(column) for column in zip(*kept, strict=True))
        few = max(1, len(mb) // 10)
        start, end = statistics.median(mb[:few]), statistics.median(mb[-few:])
        slope = float(np.polyfit(at - at[0], mb, 1)[0]) * 3600 if len(mb) > 1 else 0.0
        hours = (at[-1] - at[0]) / 3600
        grown = max(end - start, slope * hours)
        return {
            "minutes": round((self.seconds[-1] - self.seconds[0]) / 60, 1),
            "first_mb": round(float(self.megabytes[0]), 1),
            "start_mb": round(float(start), 1),
            "end_mb": round(float(end), 1),
            "most_mb": round(max(self.megabytes), 1),
            "mb_an_hour": round(slope, 1),
            "flat": bool(grown <= SPARE_MB + SPARE_SHARE * start),
        }


class Scales:
    """Weighs processes every so many seconds while the block runs.

    processes: gives what there is to weigh now, by name; a process that came in another's place is weighed by itself.
    """

    def __init__(self, processes: Callable[[], dict[str, list[int]]], every: float = 5):
        self._processes, self._every = processes, every
        self._over = threading.Event()
        self.weights: dict[tuple[str, int], Weights] = {}

    def __enter__(self) -> "Scales":
        self._thread = threading.Thread(target=self._keep_weighing, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _keep_weighing(self) -> None:
        while not self._over.wait(self._every):
            # A process may go while its list is read.
            with suppress(OSError):
                self.weigh()

    def weigh(self) -> None:
        now = time.monotonic()
        for name, pids in self._processes().items():
            for pid in pids:
                if megabytes := resident_mb(pid):
                    one = self.weights.setdefault((name, pid), Weights())
                    one.seconds.append(now)
                    one.megabytes.append(megabytes)

    def figures(self, at_least: float) -> list[dict]:
        """Of each process that was there for so many seconds; then how many others there were, and their most."""
        long = {key: one for key, one in self.weights.items() if one.seconds[-1] - one.seconds[0] >= at_least}
        found = [{"process": name, **one.figures()} for (name, _pid), one in sorted(long.items())]
        for name in sorted({name for name, _pid in self.weights.keys() - long.keys()}):
            short = [one for key, one in self.weights.items() if key[0] == name and key not in long]
            most = round(max(max(one.megabytes) for one in short), 1)
            found.append({"process": f"{name}, killed early", "how_many": len(short), "most_mb": most})
        return found
