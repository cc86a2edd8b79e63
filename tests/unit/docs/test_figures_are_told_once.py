"""A measured figure stands on one page: told on two, one of them is wrong after the next measurement."""

import re
from itertools import combinations
from pathlib import Path

ROOT = Path(__file__).parents[3]
#: Records of a date, and pages that are written from others.
RECORDS = {"decisions", "CHANGELOG.md"}
#: A number that was measured: with a decimal, or with thousands.
MEASURED = re.compile(r"(?<![\w.,-])(?:\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+\.\d+)(?![\w-]|\.\d)")
#: So many of them in one row of a table, or in one sentence, are no chance.
ENOUGH = 3
#: What a paper says stands where it is compared; `the-paper.md` is held to the presets by a test of its own.
QUOTED = {"docs/reference/the-paper.md", "docs/how-to/reproduce-the-paper.md", "docs/reference/commands.md"}
#: The usual preprocessing of ImageNet, which is a setting.
SETTINGS = {"0.485", "0.456", "0.406", "0.229", "0.224", "0.225"}


def is_exact(number: str) -> bool:
    """Whether it has three digits that say something: 50,000 and 0.5 may well stand on two pages."""
    digits = number.replace(",", "").replace(".", "").strip("0")
    return len(digits) >= 3 and number not in SETTINGS


def figures(text: str) -> set[frozenset[str]]:
    """The measured numbers of each row of a table and each sentence that has enough of them."""
    text = re.sub(r"```.*?```", " ", text, flags=re.DOTALL)
    rows = [line for line in text.splitlines() if line.startswith("|")]
    prose = " ".join(line for line in text.splitlines() if not line.startswith("|"))
    found = (frozenset(filter(is_exact, MEASURED.findall(part))) for part in [*rows, *prose.split(". ")])
    return {numbers for numbers in found if len(numbers) >= ENOUGH}


def told_twice(pages: dict[str, str]) -> list[tuple[str, str, str]]:
    """Pairs of pages with a row or a sentence that share enough figures, and these."""
    found = {name: figures(text) for name, text in pages.items()}
    return sorted(
        {
            (one, other, ", ".join(sorted(here & there)))
            for one, other in combinations(sorted(pages), 2)
            for here in found[one]
            for there in found[other]
            if len(here & there) >= ENOUGH
        }
    )


def pages() -> dict[str, str]:
    found = [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("benchmarks/*.md")]
    names = {str(path.relative_to(ROOT)): path for path in found if not RECORDS & set(path.relative_to(ROOT).parts)}
    names = {name: path for name, path in names.items() if name not in QUOTED}
    return {name: path.read_text(encoding="utf-8") for name, path in names.items()}


def test_no_row_and_no_sentence_of_figures_stands_on_two_pages():
    assert told_twice(pages()) == []


def test_a_figure_that_is_copied_would_be_noticed():
    row = "| 50,000 | 6.41 s | 3.12 s | 95.7 MB |"
    assert told_twice({"a": f"# A\n\n{row}\n", "b": f"Text.\n\n{row}\n"})
    assert told_twice({"a": "It took 6.41 s, 3.12 s and 95.7 MB.", "b": "Here 3.12 s and 6.41 s at 95.7 MB."})
    assert not told_twice({"a": "Of 50,000 it has 0.5 and 1.0.", "b": "Of 50,000 it has 0.5 and 1.0."})
