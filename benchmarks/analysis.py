"""The complete report on answers held in memory, as a ratio to one numpy.bincount over the same answers.

    python -m benchmarks.analysis [--sizes 1000000 10000000] [--repeats 5]

Prints one JSON line: seconds (the best of the repeats, alternating with the bincount), the ratio, and the peak of
memory above the loaded table in bytes an answer, as traced by tracemalloc in a run of its own.
"""

import argparse
import json
import time
import tracemalloc

import numpy as np

from studies.analysis.answers import Answers
from studies.analysis.reanalysis import reanalysis

PARTICIPANTS = 2000
LIMITS = {1_000_000: 80, 10_000_000: 15}
MOST_BYTES = 60


def table(size: int, panel: int = 5) -> Answers:
    """Answers in random order, as they would come in: panels of five, unevenly active participants."""
    rng = np.random.default_rng(size)
    stimuli = size // panel
    stimulus = np.repeat(np.arange(stimuli, dtype=np.int32), panel)
    # Distinct within a panel: steps of 211 from a start that favours low numbers.
    start = (PARTICIPANTS * rng.random(stimuli) ** 2).astype(np.int32)
    participant = ((start[:, None] + 211 * np.arange(panel, dtype=np.int32)) % PARTICIPANTS).ravel()
    answer = (rng.random(size) < rng.beta(0.6, 0.6, stimuli)[stimulus]).astype(np.int8)
    order = rng.permutation(size)
    return Answers(participant[order], stimulus[order], answer[order])


def measure(size: int, repeats: int) -> dict[str, float | int | bool | None]:
    answers = table(size)
    counting, reporting = [], []
    for _ in range(repeats):
        start = time.perf_counter()
        np.bincount(answers.stimulus)
        middle = time.perf_counter()
        report(answers)
        counting.append(middle - start)
        reporting.append(time.perf_counter() - middle)
    tracemalloc.start()
    report(answers)
    peak = tracemalloc.get_traced_memory()[1] / size
    tracemalloc.stop()
    ratio = min(reporting) / min(counting)
    limit = LIMITS.get(size)
    return {
        "answers": size,
        "bincount_s": round(min(counting), 5),
        "report_s": round(min(reporting), 4),
        "ratio": round(ratio, 1),
        "ratio_limit": limit,
        "peak_bytes_an_answer": round(peak, 1),
        "peak_limit": MOST_BYTES,
        "within": (limit is None or ratio <= limit) and peak <= MOST_BYTES,
    }


def report(answers: Answers) -> None:
    """Counts, curve, agreement with both intervals, pivotal interval and rectified error."""
    stimuli = len(answers) // 5
    reanalysis(answers, population=4 * stimuli, errors=stimuli)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", type=int, nargs="+", default=list(LIMITS))
    parser.add_argument("--repeats", type=int, default=5)
    asked = parser.parse_args()
    rows = [measure(size, asked.repeats) for size in asked.sizes]
    print(json.dumps({"benchmark": "analysis", "numpy": np.__version__, "sizes": rows}))
