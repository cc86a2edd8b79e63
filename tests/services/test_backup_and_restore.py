"""The drill with real processes: back up while people answer, lose everything, restore, on either engine to either."""

import json
import zipfile
from pathlib import Path

import pytest

from tests.services.conftest import installed

pytestmark = pytest.mark.services


def backup(installation, path: Path) -> dict:
    installation.manage("backup", str(path))
    with zipfile.ZipFile(path) as archive:
        return json.loads(archive.read("manifest.json"))


def rows(path: Path) -> dict[str, list]:
    """The rows of a backup as values: within JSON the order means nothing."""
    with zipfile.ZipFile(path) as archive:
        names = [name for name in archive.namelist() if name.startswith("rows/")]
        return {name: [json.loads(line) for line in archive.read(name).splitlines()] for name in names}


@pytest.mark.parametrize(
    ("before", "after"), [("sqlite", "sqlite"), ("postgresql", "postgresql"), ("sqlite", "postgresql")]
)
def test_what_was_backed_up_is_restored_to_the_same_rows_and_hashes_and_goes_on(before, after, tmp_path):
    with installed(before, tmp_path / "before") as first:
        done = first.run("-m", "tests.services.opening", "--stimuli", "6", "--each", "6")
        assert done.returncode == 0, done.stderr
        ((slug,),) = first.rows("SELECT slug FROM studies_study")
        first.manage("simulate", slug, "--participants", "2", "--seed", "1")
        one = backup(first, tmp_path / "one.zip")
    with installed(after, tmp_path / "after") as second:
        second.manage("migrate", "--verbosity", "0")
        second.manage("restore", str(tmp_path / "one.zip"))
        two = backup(second, tmp_path / "two.zip")
        assert one["rows"]["studies.trial"]["rows"] >= 12
        assert two["files"] == one["files"]
        assert len(one["files"]) >= 1
        assert rows(tmp_path / "two.zip") == rows(tmp_path / "one.zip")
        if before == after:
            assert two["rows"] == one["rows"]
        # Numbers of new rows follow the restored ones.
        second.manage("simulate", slug, "--participants", "3", "--seed", "2")
        ((answers,),) = second.rows("SELECT COUNT(*) FROM studies_trial WHERE answered_at IS NOT NULL")
        assert answers == 6 * 5
        # Nothing is restored over it.
        again = second.run("manage.py", "restore", str(tmp_path / "one.zip"))
        assert again.returncode != 0
        assert "not empty" in again.stderr
        assert "Traceback" not in again.stderr
