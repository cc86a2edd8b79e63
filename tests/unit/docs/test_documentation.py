"""The reference names everything there is; a new setting, command or design field without a line here fails."""

import ast
import re
from pathlib import Path

import pytest
from django.core.management import get_commands

from studies import protocols
from studies.protocols.base.session_form import SessionForm

ROOT = Path(__file__).parents[3]
REFERENCE = ROOT / "docs" / "reference"


def settings_read() -> set[str]:
    """The variables that config/settings.py asks its environment for."""
    tree = ast.parse((ROOT / "config" / "settings.py").read_text())
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)]
    asked = [
        c
        for c in calls
        if c.func.attr in {"text", "flag", "words", "packages", "number", "count", "one_of"}
        and ast.unparse(c.func.value) == "env"
    ]
    return {call.args[0].value for call in asked} | {"SECRET_KEY"}


def named_in(page: str) -> set[str]:
    return set(re.findall(r"^\| `(\w+)", (REFERENCE / page).read_text(), re.MULTILINE))


def test_every_setting_is_documented_and_no_other():
    assert named_in("settings.md") == settings_read()


def test_every_command_is_documented():
    commands = {name for name, app in get_commands().items() if app == "studies"}
    assert commands <= named_in("commands.md")


@pytest.mark.parametrize("key", protocols.available())
def test_every_design_field_is_documented(key):
    form = protocols.get(key).form(catalogue=protocols.Catalogue({}))
    page = (REFERENCE / "commands.md").read_text()
    shared, own = (
        set(re.findall(r"^\| `(\w+)`", page.partition(f"## {title}")[2].partition("\n## ")[0], re.MULTILINE))
        for title in ("What every design can add", f"The design of `{key}`")
    )
    assert shared == set(SessionForm.base_fields)
    assert own == set(form.fields) - shared


def test_links_between_pages_lead_somewhere():
    broken = []
    for page in [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("benchmarks/*.md")]:
        for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", page.read_text()):
            if "://" not in target and not (page.parent / target).exists():
                broken.append(f"{page.relative_to(ROOT)} → {target}")
    assert broken == []


def test_every_fault_in_the_table_is_checked_by_a_test_that_is_there():
    page = (ROOT / "docs" / "explanation" / "faults.md").read_text()
    files = [*(ROOT / "tests" / "unit").rglob("*.py"), *(ROOT / "tests" / "services").glob("*.py")]
    written = set(re.findall(r"^def (test_\w+)", "\n".join(file.read_text() for file in files), re.MULTILINE))
    named = set(re.findall(r"`(test_\w+)…?`", page))
    assert len(named) > 12
    assert [name for name in named if not any(test.startswith(name) for test in written)] == []


def test_commands_told_to_assistants_and_contributors_are_there():
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for page in ("AGENTS.md", "CONTRIBUTING.md", "README.md"):
        text = (ROOT / page).read_text()
        assert set(re.findall(r"`make (\w+)`", text)) <= targets, page
        for path in re.findall(r"`(?:\.venv/bin/pytest )?((?:tests|studies|explainers|docs|templates)/[\w/.-]+)", text):
            assert (ROOT / path.rstrip(".")).exists(), f"{page} names {path}, which is not there"


def test_every_protocol_has_a_question_that_it_answers():
    page = (ROOT / "docs" / "how-to" / "which-protocol.md").read_text()
    rows = [line.split("|") for line in page.splitlines() if line.startswith("| ")]
    assert {row[2].strip().strip("`") for row in rows[2:]} == set(protocols.available())


@pytest.mark.parametrize("page", sorted((ROOT / "docs" / "how-to").glob("*.md")), ids=lambda page: page.stem)
def test_a_how_to_begins_with_what_its_reader_will_have(page):
    assert page.read_text().splitlines()[2].startswith("**At the end you have** ")
