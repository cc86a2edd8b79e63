"""What some tests need besides Python.  Missing, they are skipped with one line; REQUIRE_SERVICES=1 forbids that."""

import os
import shutil
from urllib.parse import urlsplit

import pytest

POSTGRESQL = os.environ.get("TEST_DATABASE_URL", "postgresql://postgres@127.0.0.1:5432/postgres")
REDIS = os.environ.get("TEST_BROKER_URL", "redis://127.0.0.1:6379/15")
#: Which of the processes that share the tests this is: 0, 1, …
PROCESS = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
CHROMIUM = os.environ.get("TEST_CHROMIUM", "/usr/bin/chromium")


def missing(what: str, how: str) -> None:
    """Skip the test, saying what is missing and how to get it; fail where skipping is forbidden."""
    line = f"NOT RUN: {what}. {how}"
    if os.environ.get("REQUIRE_SERVICES"):
        pytest.fail(line)
    pytest.skip(line)


def postgresql():
    """A connection to PostgreSQL in which databases can be made."""
    import psycopg

    try:
        return psycopg.connect(POSTGRESQL, autocommit=True, connect_timeout=3)
    except psycopg.OperationalError as error:
        reason = str(error).strip().splitlines()[0]
        missing(f"no PostgreSQL ({reason})", "Install postgresql and start it, or set TEST_DATABASE_URL.")


def database_url(name: str) -> str:
    """The URL of another database on the same server."""
    return urlsplit(POSTGRESQL)._replace(path=f"/{name}").geturl()


def redis_url() -> str:
    """A Redis database of this process's own: tests empty it, and their workers take whatever lies in it."""
    import redis

    given = urlsplit(REDIS)
    own = given._replace(path=f"/{int(given.path.strip('/') or 0) - PROCESS}").geturl()
    try:
        redis.Redis.from_url(own, socket_connect_timeout=3).ping()
    except redis.RedisError as error:
        missing(f"no Redis ({error})", "Install redis-server and start it, or set TEST_BROKER_URL.")
    return own


def gettext() -> None:
    if not shutil.which("xgettext"):
        missing("no xgettext", "Install Debian's gettext.")


def chromium() -> str:
    if not os.access(CHROMIUM, os.X_OK):
        missing(f"no Chromium at {CHROMIUM}", "Install Debian's chromium, or set TEST_CHROMIUM.")
    return CHROMIUM
