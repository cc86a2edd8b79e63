"""`python -m explainers compute work.jsonl --shard I/N --out DIR`: one process's part of a list of work.

It goes on where it was left, whatever ended it, and says in one line how far it is.
"""

from __future__ import annotations

import argparse
import os
import re
import sys
import time
from collections.abc import Iterator, Sequence
from datetime import timedelta
from pathlib import Path

from explainers import computations
from explainers.command_paths import path_of
from explainers.computations import inputs
from explainers.computations.time_limit import time_limit

from .folder_source import FolderSource
from .shards import ShardHeader, ShardWriter
from .work_list import ListedRecipe, WorkError, WorkList, check_versions, read

#: What is no recipe's fault: the process ends, and the next one tries again.
OUTAGES = (OSError, MemoryError)
#: Seconds between two lines that say how far it is.
REPORT_SECONDS = 60


def compute(argv: Sequence[str]) -> str:
    """Compute a shard; the line about it.  Raises ValueError or OSError, in one line, for what cannot be computed."""
    options = _parser().parse_args(argv)
    shard, shards = _shard(options.shard)
    for name in ("threads", "limit"):
        if (given := getattr(options, name)) is not None and given < 1:
            raise WorkError(f"--{name} {given}: must be at least 1")
    work = read(options.work, shard, shards)
    check_versions(item.recipe for item in work.recipes)
    source = FolderSource(options.files or Path(work.files or "files"), work, options.device)
    header = ShardHeader(work.study, work.sha256, shard, shards, len(work.recipes))
    with ShardWriter(options.out, header) as writer:
        left = [item for item in work.recipes if item.digest not in writer.done]
        if left:
            _remaining(work, left)
            source.check_files()
            inputs.connect(source)
            _prepare_torch(options)
        failures = 0
        told = time.monotonic()
        for batch, outcomes in _computed(left, timedelta(seconds=options.limit)):
            writer.add([item.digest for item in batch], outcomes)
            failures += sum(isinstance(outcome, computations.ComputationFailure) for outcome in outcomes)
            if time.monotonic() - told > REPORT_SECONDS:
                told = time.monotonic()
                print(f"shard {options.shard}: {len(writer.done):,} of {header.recipes:,}", file=sys.stderr)
        writer.finish()
    failed = f", {failures:,} of which failed" if failures else ""
    return (
        f"shard {options.shard} is whole: {len(left):,} results computed{failed}, {header.recipes:,} in {options.out}"
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m explainers compute",
        description="Compute one part of the work that manage.py list_work lists. Interrupted, it goes on where it "
        "stopped. A classifier's own module is run: trust who wrote the list.",
    )
    parser.add_argument("work", type=path_of, metavar="WORK.jsonl", help="the list")
    parser.add_argument("--shard", default="1/1", metavar="I/N", help="the I-th of N parts, from 1; default: all of it")
    parser.add_argument("--out", type=path_of, required=True, metavar="DIR", help="folder for the results of all parts")
    parser.add_argument(
        "--files",
        type=path_of,
        metavar="DIR",
        help="folder with the stored files; default: the one that the list names",
    )
    parser.add_argument("--device", default="", help="cpu or cuda; default: cuda where there is one")
    parser.add_argument(
        "--threads", type=int, metavar="N", help="of torch; default: the processors this process may use"
    )
    parser.add_argument(
        "--limit", type=int, default=600, metavar="SECONDS", help="for one batch; default: 600, as for workers"
    )
    parser.add_argument("--traceback", action="store_true", help="show where it stopped, if it does so unexpectedly")
    return parser


def _shard(text: str) -> tuple[int, int]:
    match = re.fullmatch(r"(\d{1,5})/(\d{1,5})", text, re.ASCII)
    shard, shards = (int(match[1]), int(match[2])) if match else (0, 0)
    if not 1 <= shard <= shards:
        raise WorkError(f"--shard {text}: must be I/N with I from 1 to N, such as 1/8")
    return shard, shards


def _remaining(work: WorkList, left: list[ListedRecipe]) -> None:
    """Keep of the list only what is left to compute: files are needed for these alone."""
    work.recipes = left


def _prepare_torch(options: argparse.Namespace) -> None:
    import torch

    if options.device not in ("", "cpu") and not torch.cuda.is_available():
        raise WorkError(f"there is no device {options.device} here")
    torch.set_num_threads(options.threads or _processors())


def _processors() -> int:
    """How many processors a scheduler gave this process; all of the machine's where that cannot be told."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _computed(
    items: Sequence[ListedRecipe], limit: timedelta
) -> Iterator[tuple[list[ListedRecipe], list[computations.Outcome]]]:
    """Batch after batch with an outcome for each of its recipes; the next batch is read while one is computed."""
    groups: dict[tuple[str, str], list[ListedRecipe]] = {}
    for item in items:
        kind = computations.get(item.recipe["kind"])
        groups.setdefault((kind.name, kind.batch_key(item.recipe)), []).append(item)
    for (name, _), group in groups.items():
        kind, start = computations.get(name), 0
        # What is wrong with all of them, the network or the method, ends it here.
        kind.warm_up(group[0].recipe)
        size = computations.batch_size(kind, None)
        batch = group[:size]
        loaded = kind.load([item.recipe for item in batch])
        while batch:
            start += len(batch)
            following = group[start : start + size]
            ahead = kind.load([item.recipe for item in following]) if following else None
            begun = time.monotonic()
            outcomes = computations.outcomes(
                kind, [item.recipe for item in batch], loaded, outages=OUTAGES, limit=lambda: time_limit(limit)
            )
            size = computations.batch_size(kind, max(time.monotonic() - begun, 1e-6) / len(batch))
            yield batch, outcomes
            batch, loaded = following, ahead
