"""What is found by being there, in a package of Quorum's or in that of the same name of any installed Django app."""

import importlib
import pkgutil
import re
from collections.abc import Iterator
from types import ModuleType
from typing import Any

from django.apps import apps
from django.core.exceptions import ImproperlyConfigured
from django.utils.module_loading import module_has_submodule

#: Keys stand in designs, addresses, and the names of templates.
KEY = re.compile(r"[a-z][a-z0-9_]{0,59}")


def find(name: str, base: type) -> dict[str, Any]:
    """One instance of each class in `<app>.<name>` of an installed app that builds on `base` and has a key, by its key.

    `<app>.<name>` is a module, or a package in which each module is looked at.  A class counts where it is defined;
    one without a key is there to be built on.

    Raises:
        ImproperlyConfigured: in one line, for two classes with one key, or a key that is not a short name.
    """
    found: dict[str, Any] = {}
    for module in _modules(name):
        # Another thread may be importing a module of this package, which puts a name into it meanwhile.
        for thing in tuple(vars(module).values()):
            if not (isinstance(thing, type) and issubclass(thing, base) and thing.__module__ == module.__name__):
                continue
            if (key := getattr(thing, "key", None)) is None:
                continue
            if not isinstance(key, str) or not KEY.fullmatch(key):
                raise ImproperlyConfigured(
                    f"{_path(thing)} has the key {key!r}: use lower-case letters, digits and underscores, at most 60"
                )
            if key in found:
                raise ImproperlyConfigured(f"two {name} have the key {key!r}: {_path(found[key])} and {_path(thing)}")
            found[key] = thing()
    return found


def packages(name: str) -> list[str]:
    """The modules or packages `<app>.<name>` of installed apps, not imported."""
    return [f"{app.name}.{name}" for app in apps.get_app_configs() if module_has_submodule(app.module, name)]


def _modules(name: str) -> Iterator[ModuleType]:
    for path in packages(name):
        package = importlib.import_module(path)
        yield package
        for module in pkgutil.iter_modules(getattr(package, "__path__", ())):
            if not module.ispkg:
                yield importlib.import_module(f"{package.__name__}.{module.name}")


def _path(thing: Any) -> str:
    one = thing if isinstance(thing, type) else type(thing)
    return f"{one.__module__}.{one.__qualname__}"
