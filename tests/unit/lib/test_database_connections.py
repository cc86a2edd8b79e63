"""SQLite as it is really set up, asked of live connections: docs/decisions/0003 and SECURITY.md promise these."""

import sqlite3
import threading

import pytest
from django.db import connection, transaction

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(connection.vendor != "sqlite", reason="about SQLite's own settings"),
]

#: By PRAGMA: what is deleted is overwritten; what is committed is on the disk; readers and a writer do not wait for
#: each other; writers wait for half a minute; rows do not point at nothing.
SET = {"secure_delete": 1, "synchronous": 2, "journal_mode": "wal", "busy_timeout": 30_000, "foreign_keys": 1}


def settings_of_this_connection() -> dict:
    with connection.cursor() as cursor:
        return {name: cursor.execute(f"PRAGMA {name}").fetchone()[0] for name in SET}


def test_every_connection_is_set_up_and_not_the_first_alone():
    found = [settings_of_this_connection()]

    def in_another_thread():
        found.append(settings_of_this_connection())
        connection.close()

    thread = threading.Thread(target=in_another_thread)
    thread.start()
    thread.join()
    assert found == [SET, SET]


def test_the_settings_do_not_hang_on_what_sqlite_was_built_with():
    other = sqlite3.connect(":memory:")
    other.executescript("PRAGMA secure_delete=OFF; PRAGMA synchronous=OFF;")
    other.executescript(connection.settings_dict["OPTIONS"]["init_command"])
    assert {name: other.execute(f"PRAGMA {name}").fetchone()[0] for name in ("secure_delete", "synchronous")} == {
        "secure_delete": 1,
        "synchronous": 2,
    }
    other.close()


def test_a_transaction_begins_as_a_writer_so_that_none_fails_at_its_first_write():
    other = sqlite3.connect(connection.settings_dict["NAME"], timeout=0, isolation_level=None)
    # The control: nobody is writing.
    other.execute("BEGIN IMMEDIATE")
    other.execute("ROLLBACK")
    with transaction.atomic(), pytest.raises(sqlite3.OperationalError, match="locked"):
        other.execute("BEGIN IMMEDIATE")
    other.close()
