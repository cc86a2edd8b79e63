"""Protocols and recruiters of other installed apps are found beside ours, and two with one key are one clear error."""

import sys
from itertools import count

import pytest
from django.core.checks import run_checks
from django.core.exceptions import ImproperlyConfigured
from django.core.management import call_command
from django.core.management.base import SystemCheckError

from studies import protocols, recruiters

PROTOCOL = """
from studies.protocols import Protocol

class Mine(Protocol):
    key, title, version = {key!r}, "Mine", 1
"""
RECRUITER = """
from studies.recruiters import Recruiter

class Mine(Recruiter):
    key, title, description = {key!r}, "Mine", "Mine."

    def instructions(self, settings, link):
        return []
"""
_numbers = count(1)


@pytest.fixture
def installed(tmp_path, monkeypatch, settings):
    """Write an app of these files and install it beside the others; its name."""
    monkeypatch.syspath_prepend(tmp_path)

    def install(files: dict[str, str]) -> str:
        name = f"lab_{next(_numbers)}"
        for path, text in {"__init__.py": "", **files}.items():
            (tmp_path / name / path).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name / path).write_text(text)
        settings.INSTALLED_APPS = [*settings.INSTALLED_APPS, name]
        for registry in (protocols, recruiters):
            registry.available.cache_clear()
        return name

    yield install
    for module in [module for module in sys.modules if module.startswith("lab_")]:
        del sys.modules[module]
    for registry in (protocols, recruiters):
        registry.available.cache_clear()


def test_a_module_or_a_package_of_another_app_brings_a_protocol_and_a_recruiter(installed):
    before = list(protocols.available()), list(recruiters.available())
    installed({"protocols.py": PROTOCOL.format(key="one_file"), "recruiters.py": RECRUITER.format(key="agency")})
    installed({"protocols/__init__.py": "", "protocols/mine.py": PROTOCOL.format(key="a_package")})
    installed({})
    assert list(protocols.available()) == sorted([*before[0], "one_file", "a_package"])
    assert list(recruiters.available()) == [before[1][0], *sorted([*before[1][1:], "agency"])]
    assert protocols.get("one_file").title == recruiters.get("agency").title == "Mine"


def test_what_is_there_to_be_built_on_is_not_a_protocol_and_nothing_counts_where_it_is_only_imported(installed):
    before = list(protocols.available())
    name = installed(
        {
            "protocols/__init__.py": "from .mine import Mine",
            "protocols/mine.py": PROTOCOL.format(key="mine") + "\nclass Base(Protocol):\n    title = 'Base'\n",
        }
    )
    assert list(protocols.available()) == sorted([*before, "mine"])
    assert type(protocols.get("mine")).__module__ == f"{name}.protocols.mine"


@pytest.mark.parametrize("key", ["rectified_labeling", "open_link"])
def test_two_with_one_key_are_one_line_that_names_both(installed, key, settings):
    settings.ALLOWED_HOSTS = ["127.0.0.1"]
    kind, text = ("protocols", PROTOCOL) if key in protocols.available() else ("recruiters", RECRUITER)
    registry = {"protocols": protocols, "recruiters": recruiters}[kind]
    ours = type(registry.get(key))
    name = installed({f"{kind}.py": text.format(key=key)})
    line = f"two {kind} have the key '{key}': {ours.__module__}.{ours.__qualname__} and {name}.{kind}.Mine"
    with pytest.raises(ImproperlyConfigured) as refused:
        registry.available()
    assert str(refused.value) == line
    (error,) = (message for message in run_checks() if message.id == "quorum.E011")
    assert error.msg == f"T{line[1:]}."
    with pytest.raises(SystemCheckError, match=r"quorum\.E011"):
        call_command("check")


@pytest.mark.parametrize("key", ["Mine", "my-study", "", "../up", "a" * 61])
def test_a_key_that_is_not_a_short_name_is_named(installed, key):
    name = installed({"protocols.py": PROTOCOL.format(key=key)})
    with pytest.raises(ImproperlyConfigured) as refused:
        protocols.available()
    assert str(refused.value).startswith(f"{name}.protocols.Mine has the key {key!r}: use lower-case letters")


def test_a_mistake_in_an_apps_file_is_not_taken_for_an_app_without_protocols(installed):
    installed({"protocols.py": "import no_such_module_anywhere"})
    with pytest.raises(ModuleNotFoundError, match="no_such_module_anywhere"):
        protocols.available()


def test_a_module_that_another_thread_imports_meanwhile_is_looked_at_all_the_same(installed):
    # What an import does to the package of the module, at the moment at which a class of it is looked at.
    name = installed(
        {
            "protocols/__init__.py": PROTOCOL.format(key="while_importing")
            + """
class Watched(type(Protocol)):
    @property
    def key(cls):
        globals()["imported_meanwhile"] = cls
        return "watched"

class Looked(Protocol, metaclass=Watched):
    title, version = "Looked", 1
""",
            "protocols/other.py": "",
        }
    )
    assert {"while_importing", "watched"} <= set(protocols.available())
    assert hasattr(sys.modules[f"{name}.protocols"], "imported_meanwhile")
