"""How the benchmarks measure, and what on."""

import argparse
import json
import os
import statistics
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from skimage import data
from torchvision import models

from explainers.classifiers import ImageClassifier

STAT, CPUINFO = Path("/proc/stat"), Path("/proc/cpuinfo")
_clock = time.perf_counter
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def alternating(
    sides: dict[str, Callable[[], object]], rounds: int, warm_up: Iterable[Callable[[], object]] | None = None
) -> dict[str, float]:
    """Median seconds of each side, one after the other in every round, by the clock that `arguments` has set. warm_up:
    what is run once before; None: the sides themselves."""
    seconds: dict[str, list[float]] = {name: [] for name in sides}
    for run in sides.values() if warm_up is None else warm_up:
        run()
    for _ in range(rounds):
        for name, run in sides.items():
            start = _clock()
            run()
            seconds[name].append(_clock() - start)
    return {name: statistics.median(values) for name, values in seconds.items()}


def photograph() -> np.ndarray:
    """A part of scikit-image's picture of an astronaut, 224 × 224."""
    return np.ascontiguousarray(data.astronaut()[0:448:2, 60:508:2])


def resnet18() -> ImageClassifier:
    torch.manual_seed(0)
    return ImageClassifier(models.resnet18(), mean=MEAN, std=STD)


def has_amx() -> bool | None:
    """Whether the processor multiplies matrices in bfloat16; None where /proc does not say."""
    return " amx_bf16" in CPUINFO.read_text() if CPUINFO.exists() else None


def arguments(description: str | None, **defaults: int) -> argparse.Namespace:
    """Whole numbers from the command line, --threads among them, which is set at once. --processor-seconds counts these
    instead of seconds: with one thread they tell two sides apart on a machine that has other work to do, too."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in {**defaults, "threads": 2}.items():
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--processor-seconds", action="store_true")
    parsed = parser.parse_args()
    if parsed.processor_seconds:
        global _clock
        _clock = time.process_time
    torch.set_num_threads(parsed.threads)
    return parsed


def tell(benchmark: str, given: argparse.Namespace, **figures: Any) -> None:
    """The one JSON line. others: processors kept busy by other programs meanwhile, on average; a run with much of that
    measures the machine's other work."""
    print(json.dumps({"benchmark": benchmark, **vars(given), **figures, "others": _others()}))


def _ticks() -> tuple[float, float]:
    """Seconds since some time, and processor seconds that others have spent since some time; on Linux."""
    user, nice, system, *_ = (int(number) for number in STAT.read_text().split("\n")[0].split()[1:])
    return time.monotonic(), (user + nice + system) / os.sysconf("SC_CLK_TCK") - sum(os.times()[:4])


_START = _ticks() if STAT.exists() else None


def _others() -> float | None:
    if _START is None:
        return None
    now, busy = _ticks()
    return round(max(busy - _START[1], 0) / (now - _START[0]), 2)
