import pytest
from django.conf import settings
from django.test import override_settings


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
