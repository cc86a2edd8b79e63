"""The rules of the house that no linter knows; the layers themselves are in pyproject.toml, for import-linter."""

import ast
import subprocess
import sys
from pathlib import Path

from explainers import base
from studies import protocols, recruiting

ROOT = Path(__file__).parent.parent.parent
SOURCES = [
    path
    for folder in ("config", "explainers", "studies", "toybox")
    for path in sorted((ROOT / folder).rglob("*.py"))
    if "migrations" not in path.parts
]


def trees(*, outside: str = "nowhere"):
    for path in SOURCES:
        name = path.relative_to(ROOT).as_posix()
        if not name.startswith(outside):
            yield name, ast.parse(path.read_text())


def compared_strings(tree: ast.AST):
    for node in ast.walk(tree):
        if isinstance(node, ast.Compare):
            for part in ast.walk(node):
                if isinstance(part, ast.Constant) and isinstance(part.value, str):
                    yield part.value, node.lineno
        if isinstance(node, ast.MatchValue) and isinstance(node.value, ast.Constant):
            yield node.value.value, node.lineno


def test_only_the_settings_read_the_environment():
    """Naming the settings module (`os.environ.setdefault`) is not reading."""
    found = []
    for name, tree in trees(outside="config/settings.py"):
        attributes = [node for node in ast.walk(tree) if isinstance(node, ast.Attribute)]
        naming = {node.value for node in attributes if node.attr == "setdefault"}
        reading = [node for node in attributes if node.attr in {"environ", "getenv"} and node not in naming]
        found += [f"{name}:{node.lineno}" for node in reading]
    assert found == []


def compared_with(keys: set[str], *, outside: str) -> list[str]:
    """Where a file elsewhere compares something with one of these names."""
    found = ((name, compared_strings(tree)) for name, tree in trees(outside=outside))
    return [f"{name}:{line} {text}" for name, strings in found for text, line in strings if text in keys]


def test_no_file_outside_the_protocols_compares_with_a_protocols_name():
    assert compared_with(set(protocols.available()), outside="studies/protocols/") == []


def test_no_file_outside_the_recruiters_compares_with_a_recruiters_name():
    keys = set(recruiting.available())
    assert len(keys) == 3
    assert compared_with(keys, outside="studies/recruiting/") == []


def test_no_file_outside_the_methods_compares_with_a_methods_name():
    methods = {name for kind in ("explainer", "attack", "selector") for name in base.available(kind)}
    found = [
        f"{name}:{line} {text}"
        for name, tree in trees(outside="explainers/")
        for text, line in compared_strings(tree)
        if text in methods
    ]
    assert methods
    assert found == []


WEB = """
import os, sys
os.environ["DJANGO_SETTINGS_MODULE"] = "config.settings"
import config.wsgi
from django.urls import get_resolver
get_resolver().reverse_dict
import studies.protocols, studies.tasks
studies.protocols.available()
loaded = [name for name in sys.modules if name.split(".")[0] in {"torch", "torchvision", "boto3"}]
sys.exit(", ".join(loaded[:5]) or 0)
"""


def run(program: str) -> subprocess.CompletedProcess:
    return subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True)


def test_a_web_process_imports_neither_torch_nor_the_client_of_aws():
    done = run(WEB)
    assert done.returncode == 0, done.stderr


def test_the_test_above_can_tell():
    assert run(WEB.replace("import config.wsgi", "import config.wsgi, torch")).returncode == 1


def test_the_methods_are_listed_without_torch():
    program = "import sys; from explainers.base import available; assert available('explainer'); "
    program += "sys.exit('torch' in sys.modules)"
    assert run(program).returncode == 0
