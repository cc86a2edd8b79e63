"""Readers for `settings.py`: they fail loudly, and say which variable is wrong."""

import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import entry_points
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from django.core.exceptions import ImproperlyConfigured


@dataclass(frozen=True)
class Environment:
    """The variables of one process."""

    variables: Mapping[str, str]

    def text(self, name: str, default: str = "") -> str:
        return self.variables.get(name, "").strip() or default

    def flag(self, name: str, default: bool = False) -> bool:
        value = self.text(name, str(default)).lower()
        if value in {"1", "true", "yes", "on"}:
            return True
        if value in {"0", "false", "no", "off"}:
            return False
        raise ImproperlyConfigured(f"{name} must be true or false, not {value!r}.")

    def number(self, name: str, default: int) -> int:
        """A whole number above zero."""
        value = self.text(name, str(default))
        if not value.isascii() or not value.isdecimal() or int(value) == 0:
            raise ImproperlyConfigured(f"{name} must be a whole number above 0, not {value!r}.")
        return int(value)

    def count(self, name: str, default: int) -> int:
        """A whole number, 0 among them."""
        value = self.text(name, str(default))
        if not value.isascii() or not value.isdecimal():
            raise ImproperlyConfigured(f"{name} must be a whole number, 0 or more, not {value!r}.")
        return int(value)

    def one_of(self, name: str, *choices: str) -> str:
        """One of the choices, the first by default."""
        value = self.text(name, choices[0])
        if value not in choices:
            raise ImproperlyConfigured(f"{name} must be one of {', '.join(choices)}, not {value!r}.")
        return value

    def words(self, name: str, default: str = "") -> list[str]:
        """A comma-separated list."""
        return [word.strip() for word in self.text(name, default).split(",") if word.strip()]

    def packages(self, name: str, *, group: str) -> list[str]:
        """A comma-separated list of Python packages that are there, and those that installed packages name themselves:
        the values of their entry points of this group."""
        named = dict.fromkeys(self.words(name), name)
        for entry in sorted(entry_points(group=group), key=lambda entry: entry.name):
            named.setdefault(entry.value, f"The entry point {entry.name!r} of {group}")
        for package, where in named.items():
            try:
                there = find_spec(package) is not None
            except (ImportError, ValueError):
                there = False
            if not there:
                raise ImproperlyConfigured(f"{where} names {package!r}, and there is no Python package of that name.")
        return list(named)

    def secret_key(self, folder: Path, *, required: bool) -> str:
        """The variable SECRET_KEY; on one machine otherwise a key made once and kept in the data folder."""
        if key := self.text("SECRET_KEY"):
            return key
        if required:
            raise ImproperlyConfigured("SECRET_KEY must be set when DATABASE_URL or BROKER_URL is.")
        return kept_key(folder / "secret_key")


def last_address(folder: Path) -> str:
    """Where `manage.py serve` last ran with this data folder, for other processes; empty if it never did."""
    try:
        return (folder / "address").read_text().strip()
    except OSError:
        return ""


def kept_key(path: Path) -> str:
    """A key that is made where there is none yet, to be read by its owner alone."""
    if not path.exists():
        draft = path.with_name(f".{path.name}.{os.getpid()}")
        draft.touch(mode=0o600)
        draft.write_text(secrets.token_urlsafe(64))
        try:
            # A link fails where the name exists, so that two processes starting at once agree on one key.
            os.link(draft, path)
        except FileExistsError:
            pass
        finally:
            draft.unlink()
    return path.read_text().strip()


def sqlite(path: Path) -> dict[str, Any]:
    """SQLite made fit for several processes: writers queue instead of failing (docs/decisions/0003)."""
    return {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": path,
        "OPTIONS": {
            "transaction_mode": "IMMEDIATE",
            "timeout": 30,
            "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA cache_size=-16000; "
            # What is deleted is overwritten, so that it cannot be found in the file.
            "PRAGMA secure_delete=ON;",
        },
    }


_FLAGS = {"true": True, "false": False}


def storage(url: str, folder: Path) -> dict[str, Any]:
    """Django's STORAGES entry: files in the data folder, or a bucket `s3://KEY:SECRET@BUCKET?endpoint_url=…`."""
    if not url:
        return {"BACKEND": "studies.lib.storage.ContentStorage", "OPTIONS": {"location": folder / "media"}}
    parts = urlsplit(url)
    if parts.scheme != "s3" or not parts.hostname:
        raise ImproperlyConfigured("STORAGE_URL must look like s3://KEY:SECRET@BUCKET?endpoint_url=https://….")
    options: dict[str, Any] = {
        "bucket_name": parts.hostname,
        "file_overwrite": True,
        "object_parameters": {"CacheControl": "public, max-age=31536000, immutable"},
        **{name: _FLAGS.get(value.lower(), value) for name, value in parse_qsl(parts.query)},
    }
    if parts.username:
        options |= {"access_key": unquote(parts.username), "secret_key": unquote(parts.password or "")}
    return {"BACKEND": "storages.backends.s3.S3Storage", "OPTIONS": options}
