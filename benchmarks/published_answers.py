"""Run the commands of docs/how-to/reanalyse-published-answers.md on a folder of published answers.

    python -m benchmarks.published_answers FOLDER [EXPECTED.json] [--only WORD] [--table]

The page has commands, each with lines that they print. This runs them in the order of the page, with FOLDER as
$ANSWERS and a temporary folder as $WORK, and says which lines were printed. A command whose set is not in the folder is
left out, and said so. Where the folder has an `expected.json`, or it is given, the figures in print that it holds are
compared with what the commands compute, digit by digit, and the intervals of another program to 1e-9. Ends with status
1 where a line was not printed, a figure has other digits, or an interval differs. It is no part of the tests: the sets
are not Quorum's to hand on.
"""

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from benchmarks.published_figures import compare, table

PAGE = Path(__file__).parents[1] / "docs" / "how-to" / "reanalyse-published-answers.md"
#: By JSON file that a command of the page writes, where `expected.json` has the same.
EXPECTED = {
    "imagenet.json": ("visual-correspondence", "ImageNet", "crossed_kept"),
    "cue-conflict.json": ("model-vs-human", "sets", "cue-conflict", "conditions"),
    "cifar-10s.json": ("cifar-10s", "crossed"),
}
#: What it calls a condition, where that is another name.
NAMES = {"most probable class is right": "all"}


def sections(text: str) -> Iterator[tuple[str, list[tuple[str, list[str]]]]]:
    """The title of each section, and its commands with the lines they are to print."""
    for part in re.split(r"^## ", text, flags=re.MULTILINE)[1:]:
        title, _, body = part.partition("\n")
        blocks = re.findall(r"^```(bash|text)\n(.*?)^```", body, flags=re.MULTILINE | re.DOTALL)
        commands: list[tuple[str, list[str]]] = []
        for kind, content in blocks:
            if kind == "bash":
                commands.append((content, []))
            else:
                commands[-1][1].extend(content.rstrip("\n").split("\n"))
        if commands:
            yield title, commands


def missing(command: str, folder: Path) -> list[str]:
    """The sets that a command reads and the folder lacks."""
    sets = set(re.findall(r"\$ANSWERS/([\w-]+)", command)) | set(re.findall(r"'ANSWERS'\]\}/([\w-]+)", command))
    return sorted(name for name in sets if not (folder / name).is_dir())


def run(command: str, folder: Path, work: Path) -> str:
    environment = os.environ | {"ANSWERS": str(folder.absolute()), "WORK": str(work)}
    environment["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-ec", command], cwd=PAGE.parents[2], env=environment, capture_output=True, text=True
    )
    return done.stdout + done.stderr


def differing(work: Path, expected: dict) -> Iterator[str]:
    """The intervals of another program that are not these, to 1e-9."""
    for name, path in EXPECTED.items():
        if not (work / name).exists():
            continue
        there = expected
        for key in path:
            there = there.get(key, {})
        conditions = json.loads((work / name).read_text())["conditions"]
        for condition, found in there.items():
            ours = conditions.get(NAMES.get(condition, condition))
            if ours is None:
                continue
            for quantity, key in (("estimate", "share"), ("low",) * 2, ("high",) * 2, ("standard_error",) * 2):
                close = ours[quantity] is not None and abs(ours[quantity] - found[key]) < 1e-9
                print(f"  {name}, {condition}, {quantity}: {ours[quantity]}" + ("" if close else f" not {found[key]}"))
                if not close:
                    yield f"{name}, {condition}, {quantity}"


def main(folder: Path, only: str, expected: Path | None = None, as_table: bool = False) -> int:
    wrong = []
    with tempfile.TemporaryDirectory() as place:
        work = Path(place)
        for title, commands in sections(PAGE.read_text(encoding="utf-8")):
            if only.lower() not in title.lower():
                continue
            print(title)
            for command, lines in commands:
                if absent := missing(command, folder):
                    print(f"  left out: no {', '.join(absent)} in {folder}")
                    continue
                said = run(command, folder, work)
                for line in lines:
                    printed = any(part.startswith(line) for part in said.split("\n"))
                    print(f"  {'printed' if printed else 'NOT PRINTED'}: {line.strip()}")
                    if not printed:
                        wrong.append(f"{title}: {line.strip()}")
                if not lines or any(title in each for each in wrong):
                    print("  " + "\n  ".join(said.strip().split("\n")))
        source = expected or folder / "expected.json"
        if source.exists():
            known = json.loads(source.read_text(encoding="utf-8"))
            wrong += differing(work, known)
            figures = compare(known, work)
            for figure in figures:
                if not figure.agrees:
                    told = figure.reason or f"{figure.value} instead of {figure.printed}"
                    print(f"  does not come out: {figure.group}, {figure.figure}: {told}")
            # What cannot be had is no mistake; what comes out as another number is.
            wrong += [f"{each.group}, {each.figure}" for each in figures if each.value is not None and not each.agrees]
            print(f"{sum(figure.agrees for figure in figures)} of {len(figures)} figures in print come out")
            if as_table:
                print(table(figures))
    print(f"{len(wrong)} lines or intervals are not as expected" if wrong else "all as expected")
    return 1 if wrong else 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--only", default="", metavar="WORD", help="sections whose title has it")
    parser.add_argument("expected", type=Path, nargs="?", help="expected.json; by default that of the folder")
    parser.add_argument("--table", action="store_true", help="print the figures by set in Markdown")
    asked = parser.parse_args()
    if asked.expected is not None and not asked.expected.is_file():
        parser.error(f"{asked.expected} is not a file")
    sys.exit(main(asked.folder, asked.only, asked.expected, asked.table))
