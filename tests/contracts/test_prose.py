"""Pages, help texts and documentation are written in the plain English that the rules of the house ask for."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.core.management import get_commands, load_command_class

from studies import protocols
from studies.protocols.base.field_help import field_help

ROOT = Path(__file__).parents[2]

#: Words that stand for a person the sentence could name, and for "again".
WORDS = re.compile(
    r"\b(somebody|whoever|anybody|anew)\b|(?<!there )\bis no (name|number|file|class|photograph)\b", re.IGNORECASE
)
#: A help text is a noun phrase or an imperative.
OPENINGS = re.compile(r"(Of|What|Whether|So many|How|Which|Who|Where|Why)\b")
#: Decisions are dated records; the list of changes tells what was.
RECORDS = {"decisions", "CHANGELOG.md"}


def pages():
    for path in [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("templates/**/*.html")]:
        if not RECORDS & set(path.relative_to(ROOT).parts):
            yield path


@pytest.mark.parametrize("path", list(pages()), ids=lambda path: str(path.relative_to(ROOT)))
def test_no_page_has_a_word_of_the_list(path):
    found = [
        f"{path.relative_to(ROOT)}:{number}: {match[0]}"
        for number, line in enumerate(path.read_text().splitlines(), start=1)
        for match in WORDS.finditer(line)
    ]
    assert found == []


def said(source: str) -> Iterator[ast.Constant]:
    """Each text of a module that the program may say: all but docstrings, which are for readers of the code."""
    tree = ast.parse(source)
    alone = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in alone:
            yield node


def test_no_text_that_the_program_says_has_a_word_of_the_list():
    wrong = [
        f"{path.relative_to(ROOT)}:{text.lineno}: {match[0]}"
        for package in ("studies", "explainers", "config")
        for path in sorted(ROOT.glob(f"{package}/**/*.py"))
        for text in said(path.read_text())
        for match in WORDS.finditer(text.value)
    ]
    assert wrong == []


def help_texts():
    """Each help text with where it stands: settings of designs, and options of commands."""
    for key, protocol in protocols.available().items():
        form = protocol.form(catalogue=protocols.Catalogue({}))
        for name, field in form.fields.items():
            yield f"{key}.{name}", str(field.help_text)
            yield f"{key}.{name}: effect", field_help(type(form), name).changes
    for name, app in get_commands().items():
        if app == "studies":
            command = load_command_class("studies", name)
            yield name, command.help
            own = command.create_parser("manage.py", name)
            standard = {action.dest for action in standard_options()}
            for action in own._actions:
                if action.dest not in standard and action.help:
                    yield f"{name} {action.dest}", action.help


def standard_options():
    from django.core.management.base import BaseCommand

    return BaseCommand().create_parser("manage.py", "any")._actions


def test_no_help_text_has_a_word_of_the_list_or_begins_with_a_question_word():
    wrong = [
        f"{where}: {text}"
        for where, text in help_texts()
        if WORDS.search(text) or (OPENINGS.match(text) and not where.endswith("effect"))
    ]
    assert not wrong, "\n".join(wrong)


def test_a_wrong_word_would_be_noticed():
    assert WORDS.search("'x y' is no name")
    assert WORDS.search("Whoever comes first")
    assert not WORDS.search("there is no name yet")
    assert OPENINGS.match("Whether people are asked")
    assert [text.value for text in said('"""Somebody."""\nraise Refused("Whoever")')] == ["Whoever"]
