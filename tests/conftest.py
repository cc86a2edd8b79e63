import gc

import pytest
from django.conf import settings
from django.core.files.storage import FileSystemStorage, default_storage
from django.test import override_settings

from studies import installation
from studies.views import rate_limits


def pytest_collection_finish():
    """What was imported stays to the end: looking through it for garbage again and again costs more than many tests."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session", autouse=True)
def static_files_are_looked_for_when_they_are_asked_for():
    """Not at the start: each test client is a start, and would go through all of them."""
    with override_settings(WHITENOISE_AUTOREFRESH=True):
        yield


@pytest.fixture(scope="session")
def django_db_modify_db_settings():
    """SQLite in a file, not in memory: each thread gets a connection of its own, and other processes can open it."""
    database = settings.DATABASES["default"]
    if database["ENGINE"].endswith("sqlite3"):
        database["TEST"]["NAME"] = database["NAME"]


@pytest.fixture(autouse=True)
def no_test_leaves_its_name_on_the_stored_files():
    """Each test has a database of its own, and most of them share one data folder."""
    yield
    if isinstance(default_storage._wrapped, FileSystemStorage):
        default_storage.delete(installation.MARK)


@pytest.fixture
def within_one_minute(monkeypatch):
    """The minute in which requests are counted does not end within the test."""
    monkeypatch.setattr(rate_limits, "minute_of_clock", lambda: 30_000_000)
