"""The figures in print of ``expected.json``, and those that the commands of the page on published answers compute.

``computed`` reads the JSON files that the commands wrote and names each figure as ``expected.json`` does; ``compare``
puts the two beside each other, digit by digit.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

#: A set and a figure of it.
Name = tuple[str, str]

#: Why a figure does not come out, by what its name holds; the first that fits.
REASONS = {
    r"^model-vs-human/people-files": "a count of files, not of answers",
    r"^label-errors/audioset": "several labels may be ticked and each clip offers others, so there are no common "
    "answers to count",
    r"^label-errors/amazon": "the answers are classes, not whether the given label is kept, and the file writes them "
    "another way than its labels",
}
SHARE = ": share of right answers"
#: By what decides an item, what the paper calls it.
DECIDED = {"mturk.guessed": "correctable", "mturk.both": "several labels", "mturk.neither": "neither"}


@dataclass(frozen=True)
class Compared:
    """A figure in print, what a command computes (None for nothing), and why there is nothing."""

    group: str
    figure: str
    printed: str
    value: float | None
    reason: str

    @property
    def agrees(self) -> bool:
        return self.value is not None and as_printed(self.value, self.printed) == self.printed.replace(",", "")


def as_printed(value: float, printed: str) -> str:
    """The value with as many decimals as it has in print."""
    _, _, decimals = printed.partition(".")
    return f"{value:.{len(decimals)}f}"


def in_print(expected: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    """(set, figure, printed) of all that is in print, whatever the depth at which ``figures`` stand."""

    def walk(node: Any, path: tuple[str, ...]) -> Iterator[tuple[str, str, str]]:
        if not isinstance(node, Mapping):
            return
        for name, value in node.items():
            if name != "figures" or not isinstance(value, Mapping):
                yield from walk(value, (*path, name))
                continue
            for figure, found in value.items():
                if isinstance(found, Mapping) and found.get("printed") is not None:
                    yield "/".join(path), figure, str(found["printed"])

    return walk(expected, ())


def compare(expected: Mapping[str, Any], work: Path) -> list[Compared]:
    """Each figure in print beside what the commands left in ``work``."""
    found = computed(work)
    return [
        Compared(group, figure, printed, value, "" if value is not None else reason_for(group, figure))
        for group, figure, printed in in_print(expected)
        for value in [found.get((group, figure))]
    ]


def reason_for(group: str, figure: str) -> str:
    whole = f"{group}/{figure}"
    return next((reason for pattern, reason in REASONS.items() if re.search(pattern, whole)), "the set is not here")


def computed(work: Path) -> dict[Name, float]:
    """All figures of the JSON files in ``work``, named as in ``expected.json``."""
    found: dict[Name, float] = {}
    for study, file in (("ImageNet", "imagenet"), ("CUB", "cub")):
        if report := _read(work, file):
            found |= _accept_or_reject(f"visual-correspondence/{study}", report)
    if report := _read(work, "testing-I"):
        found |= _references("testing-visualizations/Experiment I", report)
    if report := _read(work, "shape-bias"):
        found["model-vs-human", "cue-conflict: shape bias of people, %"] = 100 * report["conditions"]["0"]["estimate"]
    if report := _read(work, "all-sets"):
        found["model-vs-human", "trials of all 17 sets"] = report["answers"]
    found |= _recordings(work)
    for file in sorted(work.glob("label-errors-*.json")):
        group = file.stem.removeprefix("label-errors-")
        found |= _votes(f"label-errors/{group}", json.loads(file.read_text()))
    found |= _likeliest(work)
    if report := _read(work, "bluebirds"):
        against = report["against_truth"]
        found["bluebirds", "majority: error, %"] = 100 * against["majority"]["error"]
        found["bluebirds", "Dawid-Skene: error, %"] = 100 * against["dawid_skene"]["error"]
    return found


def _read(work: Path, name: str) -> dict[str, Any] | None:
    file = work / f"{name}.json"
    return json.loads(file.read_text()) if file.exists() else None


def _accept_or_reject(group: str, report: Mapping[str, Any]) -> dict[Name, float]:
    found: dict[Name, float] = {
        (group, "answers in the file"): report["flow"][0]["remains"]["answers"],
        (group, "answers kept"): report["answers"],
    }
    for method, condition in report["conditions"].items():
        people = condition["by_participant"]
        found[group, f"{method}: mean accuracy of a person, %"] = 100 * people["mean"]
        found[group, f"{method}: SD over people, points"] = 100 * people["sd"]
    return found


def _references(group: str, report: Mapping[str, Any]) -> dict[Name, float]:
    found = {}
    for name, condition in (("natural", "natural"), ("synthetic", "optimized")):
        people = report["conditions"][condition]["by_participant"]
        found[group, f"{name} references: mean accuracy, %"] = 100 * people["mean"]
        found[group, f"{name} references: two standard errors, points"] = 100 * people["two_standard_errors"]
    return found


def _recordings(work: Path) -> dict[Name, float]:
    group, found, trials = "generalisation-humans", {}, 0
    for file in sorted(work.glob("*-experiment.json")):
        report = json.loads(file.read_text())
        trials += report["answers"]
        for condition, share in report["conditions"].items():
            found[group, f"{file.stem}, {condition}{SHARE}"] = share["estimate"]
    return found | ({(group, "trials"): trials} if trials else {})


def _votes(group: str, report: Mapping[str, Any]) -> dict[Name, float]:
    errors = report["errors"]
    found: dict[Name, float] = {
        (group, "items checked"): report["stimuli"],
        (group, "errors"): errors["stimuli"],
        (group, "errors without agreement"): errors["by_none"],
    }
    for answer, name in DECIDED.items():
        if answer in errors["by"]:
            found[group, name] = errors["by"][answer]
    return found


def _likeliest(work: Path) -> dict[Name, float]:
    found: dict[Name, float] = {}
    if report := _read(work, "cifar-10s"):
        people, times = report["conditions"]["all"]["by_participant"], report["response_times"]["all"]
        found["cifar-10s", "people"] = report["participants"]
        found["cifar-10s", "most probable class is right, %"] = 100 * people["mean"]
        found["cifar-10s", "mean seconds a picture"] = times["mean"]
        found["cifar-10s", "median seconds a picture"] = times["median"]
    if report := _read(work, "cifar-10s-one-of-two"):
        mean = report["conditions"]["all"]["by_participant"]["mean"]
        found["cifar-10s", "one of two classes is right, %"] = 100 * mean
    return found


def table(rows: list[Compared]) -> str:
    """Markdown: by set how many of the figures in print come out, and why not the others."""
    groups: dict[str, list[Compared]] = {}
    for row in rows:
        groups.setdefault(row.group, []).append(row)
    lines = ["| set | in print | come out | not, and why |", "| --- | ---: | ---: | --- |"]
    for group, found in groups.items():
        others = [
            f"{row.figure}: {row.reason or f'{as_printed(row.value or 0.0, row.printed)} instead of {row.printed}'}"
            for row in found
            if not row.agrees
        ]
        lines.append(f"| {group} | {len(found)} | {sum(row.agrees for row in found)} | {'; '.join(others)} |")
    lines.append(f"| all | {len(rows)} | {sum(row.agrees for row in rows)} | |")
    return "\n".join(lines)
