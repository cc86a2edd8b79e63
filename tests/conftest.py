import pytest
from django.conf import settings


@pytest.fixture(scope="session")
def django_db_modify_db_settings():
    """SQLite in a file, not in memory: each thread gets a connection of its own, and other processes can open it."""
    database = settings.DATABASES["default"]
    if database["ENGINE"].endswith("sqlite3"):
        database["TEST"]["NAME"] = database["NAME"]
