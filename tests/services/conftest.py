"""Installations of their own, on each engine, for tests that start real processes."""

import os
import sqlite3
import subprocess
import sys
import uuid
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests import requirements

ROOT = Path(__file__).parent.parent.parent


@dataclass(frozen=True)
class Installation:
    """A data folder and a database, reached only through processes."""

    engine: str
    environment: dict[str, str]

    @property
    def folder(self) -> Path:
        return Path(self.environment["DATA_DIR"])

    def run(self, *command: str, timeout: float = 300) -> subprocess.CompletedProcess:
        """A Python program of this checkout (`-m module …` or `manage.py …`), with this installation's settings."""
        return subprocess.run(
            [sys.executable, *command],
            cwd=ROOT,
            env={**os.environ, **self.environment},
            capture_output=True,
            text=True,
            timeout=timeout,
        )

    def manage(self, *arguments: str) -> str:
        """What a command prints; the test fails when the command does."""
        done = self.run("manage.py", *arguments)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def rows(self, query: str) -> list[tuple]:
        """What the database answers, whatever the processes are doing."""
        with closing(self._connect()) as connection:
            return connection.execute(query).fetchall()

    def change(self, statement: str) -> None:
        """Something that no page does, such as time that passes."""
        with closing(self._connect()) as connection:
            connection.execute(statement)
            connection.commit()

    def _connect(self):
        import psycopg

        if self.engine == "sqlite":
            return sqlite3.connect(self.folder / "quorum.sqlite3", timeout=30)
        return psycopg.connect(self.environment["DATABASE_URL"], connect_timeout=5)


@contextmanager
def installed(engine: str, folder: Path, database: str = "") -> Iterator[Installation]:
    """An empty installation that is gone afterwards; `database`: the address of an empty one, instead of one made."""
    environment = {"DATA_DIR": str(folder), "SECRET_KEY": "tests only", "DATABASE_URL": database, "BROKER_URL": ""}
    if engine == "sqlite" or database:
        yield Installation(engine, environment)
        return
    name = f"quorum_{uuid.uuid4().hex[:12]}"
    with requirements.postgresql() as server:
        server.execute(f"CREATE DATABASE {name}")
        try:
            yield Installation(engine, {**environment, "DATABASE_URL": requirements.database_url(name)})
        finally:
            server.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(params=["sqlite", "postgresql"])
def installation(request, tmp_path):
    """An empty installation on SQLite, then one on PostgreSQL."""
    with installed(request.param, tmp_path) as one:
        yield one
