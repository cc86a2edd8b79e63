"""Whether the tests notice small faults: mutants of a sample of lines, and the share of them that a test fails at.

    python -m benchmarks.mutants [--each 30] [--seed 0] [--area NAME …] [--processes 2] [--json OUT] [--again IN]

For each area its tests are run once as they are, to learn which of them reach which line (kept in `build/mutants`
until a file changes).  Then one mutant of each of so many lines is tried, against the tests that reach the line, the
fastest first; what survives these, against the slow ones too.  The table goes to the output with the survivors below
it; --json keeps every single mutant, and --again tries the survivors of such a file once more.  Nothing in the tree is
changed.
"""

import argparse
import json
import sys
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from queue import SimpleQueue
from typing import Any

from .mutant_runs import NOTICED, ROOT, SURVIVED, Baseline, Server, baseline, files
from .mutant_sources import Mutant, mutants_of, sample


@dataclass(frozen=True)
class Area:
    """Files and folders, and the tests that are there for them; `slow` ones are run only for what the others miss."""

    paths: tuple[str, ...]
    tests: tuple[str, ...]
    slow: tuple[str, ...] = ()


#: Whole folders, so that a new file of tests counts by itself. When a folder moves, only this names it.
AREAS = {
    "importing": Area(
        ("studies/catalog/importing",),
        ("tests/unit/catalog", "tests/unit/admin/test_import_pages.py", "tests/unit/admin/test_import_review.py"),
    ),
    "protocols": Area(
        ("studies/protocols",),
        (
            "tests/unit/protocols",
            "tests/unit/results",
            "tests/unit/admin/test_estimates_page.py",
            "tests/contracts/test_protocols.py",
        ),
        (
            "tests/contracts/test_sessions.py",
            "tests/unit/admin/test_design_page.py",
            "tests/unit/export/test_recomputing.py",
        ),
    ),
    "workbench": Area(
        ("studies/preparation",),
        (
            "tests/unit/preparation",
            "tests/unit/catalog/test_evaluation.py",
            "tests/unit/admin/test_attention.py",
            "tests/unit/admin/test_actions.py",
        ),
    ),
    "participation": Area(
        ("studies/participation",),
        ("tests/unit/participation", "tests/unit/views"),
        (
            "tests/contracts/test_sessions.py",
            "tests/properties/test_fair_allocation.py",
            "tests/properties/test_participation_states.py",
        ),
    ),
    "analysis": Area(
        ("studies/analysis",),
        ("tests/unit/analysis", "tests/unit/results"),
        ("tests/properties/test_analysis_properties.py",),
    ),
    "explainers": Area(
        ("explainers",),
        ("tests/unit/explainers",),
        (
            "tests/contracts/test_methods.py",
            "tests/properties/test_attack_bounds.py",
            "tests/properties/test_attribution_axioms.py",
            "tests/properties/test_lime_surrogate.py",
            "tests/properties/test_reading_images.py",
        ),
    ),
}

#: What an area's slow tests may take together.
SLOW_SECONDS = 120

Result = dict[str, Any]


def main() -> None:
    options = _options()
    again = json.loads(Path(options.again).read_text())["mutants"] if options.again else None
    servers: SimpleQueue[Server] = SimpleQueue()
    with ThreadPoolExecutor(options.processes) as threads:
        known: dict[str, Future[Baseline]] = {}

        def tried(area: str, mutant: Mutant) -> Result:
            baseline_of_area = known[area].result()
            server = servers.get() if not servers.empty() else Server()
            try:
                result = _tried(server, area, mutant, baseline_of_area)
            finally:
                servers.put(server)
            print(f"{result['outcome']}: {_told(result)}", file=sys.stderr, flush=True)
            return result

        jobs: list[Future[Result]] = []
        # The next area's tests run as they are while the mutants of this one are tried.
        for area, following in pairwise([*options.area, None]):
            for name in (area, following):
                if name and name not in known:
                    known[name] = threads.submit(_baseline, name)
            jobs += [threads.submit(tried, area, mutant) for mutant in _chosen(area, options, again)]
        results: list[Result] = []
        for job in jobs:
            results.append(job.result())
            if options.json:
                _keep(Path(options.json), options, results)
    while not servers.empty():
        servers.get().close()
    print(report(results, {area: one.result() for area, one in known.items()}))


def _chosen(area: str, options: argparse.Namespace, again: list[Result] | None) -> Iterable[Mutant]:
    if again is not None:
        return _survivors(area, again)
    return sample(files(AREAS[area].paths), ROOT, options.each, f"{options.seed} {area}")


def _keep(path: Path, options: argparse.Namespace, results: list[Result]) -> None:
    path.write_text(json.dumps({"seed": options.seed, "each": options.each, "mutants": results}, indent=1) + "\n")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--each", type=int, default=30, help="Mutants of each area.")
    parser.add_argument("--seed", type=int, default=0, help="Of the sample.")
    parser.add_argument("--area", nargs="+", choices=AREAS, default=list(AREAS))
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--json", help="A file for every mutant and what became of it.")
    parser.add_argument("--again", help="Such a file: try its survivors once more, and nothing else.")
    return parser.parse_args()


def _baseline(area: str) -> Baseline:
    return baseline(area, AREAS[area].paths, AREAS[area].tests)


def _tried(server: Server, area: str, mutant: Mutant, known: Baseline) -> Result:
    told = {"area": area, "path": mutant.path, "line": mutant.line, "before": mutant.before, "after": mutant.after}
    tests, slow = known.tests_of(mutant.path, mutant.statement, mutant.line), AREAS[area].slow
    found: Result = {"outcome": SURVIVED, "by": "no test reaches it", "seconds": 0.0}
    if tests:
        seconds = sum(known.seconds.get(test, 0.0) for test in tests)
        found = server.attempt(mutant.path, mutant.source(), tests, seconds)
    if found["outcome"] == SURVIVED and slow:
        last = server.attempt(mutant.path, mutant.source(), slow, SLOW_SECONDS)
        if last["outcome"] != SURVIVED:
            found = last
    return {**told, **found, "tests": len(tests)}


def _survivors(area: str, before: list[Result]) -> Iterator[Mutant]:
    """Those of an earlier run, wherever in their file they are now."""
    for result in before:
        if (result["area"], result["outcome"]) == (area, SURVIVED):
            same = [
                mutant
                for mutant in mutants_of(ROOT / result["path"], ROOT)
                if (mutant.before, mutant.after) == (result["before"], result["after"])
            ]
            if same:
                yield min(same, key=lambda mutant: abs(mutant.line - result["line"]))


# --- what came of it --------------------------------------------------------------------------------------------------


def report(results: list[Result], known: dict[str, Baseline]) -> str:
    """The table by area, and a line for each survivor."""
    lines = ["| area | mutants | noticed | score | lines that tests reach |", "| --- | ---: | ---: | ---: | ---: |"]
    for area, one in known.items():
        of_area = [result for result in results if result["area"] == area]
        noticed = sum(result["outcome"].startswith(NOTICED) for result in of_area)
        score = f"{noticed / len(of_area):.0%}" if of_area else "–"
        lines.append(f"| {area} | {len(of_area)} | {noticed} | {score} | {one.covered / one.statements:.1%} |")
    survivors = [f"- {_told(result)}" for result in results if result["outcome"] == SURVIVED]
    return "\n".join([*lines, "", f"Survivors: {len(survivors)}", *survivors])


def _told(result: Result) -> str:
    before, after = _what_differs(result["before"], result["after"])
    by = f" ({result['by']})" if result["by"] else ""
    return f"{result['path']}:{result['line']}: `{before}` → `{after}`{by}"


def _what_differs(before: str, after: str, around: int = 25) -> tuple[str, str]:
    """Of two long lines what is not the same, with a little of what is around it."""
    start = next((i for i, pair in enumerate(zip(before, after, strict=False)) if len(set(pair)) > 1), 0)
    start = max(0, start - around)
    return before[start : start + 3 * around], after[start : start + 3 * around]


if __name__ == "__main__":
    main()
