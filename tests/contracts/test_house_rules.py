"""The rules of the house that no linter knows; the layers themselves are in pyproject.toml, for import-linter."""

import ast
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

from explainers import base
from studies import protocols, recruiters

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
    keys = set(recruiters.available())
    assert len(keys) == 5
    assert compared_with(keys, outside="studies/recruiters/") == []


def test_no_file_outside_the_methods_compares_with_a_methods_name():
    methods = {name for kind in base.kinds() for name in base.available(kind)}
    found = [
        f"{name}:{line} {text}"
        for name, tree in trees(outside="explainers/")
        for text, line in compared_strings(tree)
        if text in methods
    ]
    assert methods
    assert found == []


# --- one thing, one file, one name ------------------------------------------------------------------------------------


def test_every_file_beside_the_registry_of_protocols_is_one_protocol():
    folder = Path(protocols.__file__).parent
    files = sorted(file.stem for file in folder.glob("*.py") if file.stem != "__init__")
    ours = (type(protocol).__module__ for protocol in protocols.available().values())
    assert files == sorted(module.rpartition(".")[2] for module in ours if module.startswith("studies."))


def modules_of_methods() -> list[str]:
    """By method the module it is in."""
    return [base.get(kind, name).__module__ for kind in base.kinds() for name in base.available(kind)]


def test_every_file_with_a_method_has_one():
    modules = modules_of_methods()
    assert sorted(modules) == sorted(set(modules))


def test_methods_do_not_import_each_other():
    methods = {module.rpartition(".")[2] for module in modules_of_methods()}
    assert len(methods) > 4
    found = []
    for name, tree in trees():
        if name.startswith("explainers/") and Path(name).stem in methods:
            imported = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.level == 1}
            found += [f"{name} imports {module}" for module in imported & methods]
    assert found == []


def bound_in(tree: ast.Module):
    """The names a module hands on, but for modules beside it that it merely imports."""
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from (alias.asname or alias.name for alias in node.names)
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            yield from (target.id for target in targets if isinstance(target, ast.Name))


def test_no_module_is_called_like_a_name_that_its_package_hands_on():
    """Otherwise what `from package import name` gives depends on what was imported before."""
    found, looked = [], 0
    for name, tree in trees():
        if (package := ROOT / name).name == "__init__.py":
            beside = {file.stem for file in package.parent.iterdir() if file.is_dir() or file.suffix == ".py"}
            found += [f"{name}: {one}" for one in bound_in(tree) if one in beside]
            looked += 1
    assert looked > 10
    assert found == []


def test_the_test_above_sees_a_module_that_shadows_what_its_package_hands_on():
    assert list(bound_in(ast.parse("from .stimuli import prepare\nfrom . import bench"))) == ["prepare"]


#: Django calls every command's class so.
OF_DJANGO = {"Command"}


def test_no_class_name_is_used_twice():
    """Of classes that stand by themselves; one within another is called by both names, as `Study.State` is."""
    where = defaultdict(list)
    for name, tree in trees():
        for node in tree.body:
            if isinstance(node, ast.ClassDef) and node.name not in OF_DJANGO:
                where[node.name].append(name)
    assert len(where) > 100
    assert {name: files for name, files in where.items() if len(files) > 1} == {}


# --- what is loaded when ----------------------------------------------------------------------------------------------

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
