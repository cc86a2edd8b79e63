"""Back up, wipe, restore: the same rows and the same bytes; and whatever is not a whole backup changes nothing."""

import json
import zipfile
from io import StringIO

import pytest
from django.apps import apps
from django.contrib.auth.models import User
from django.core.files.storage import default_storage
from django.core.management import CommandError, call_command
from django.db import connection

from config.environment import storage as storage_of
from studies.accounts import roles
from studies.lib import storage
from studies.models import Participant, ResultCache, Share, Study, Trial
from studies.operations import backups
from studies.results import cache
from tests.factories import answered_study, open_study
from tests.participant_client import Visitor

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _own_folder(settings, tmp_path):
    into(settings, tmp_path / "before")


def into(settings, folder) -> None:
    settings.STORAGES = {**settings.STORAGES, "default": storage_of("", folder)}


@pytest.fixture
def installation():
    """Something in as many tables as one gets."""
    roles.set_up_roles()
    study = answered_study(4, 2, 3)
    Participant.objects.update(background={"Who are you?": "« Zoë » \U0001f600\n\t\\", "Ä": None})
    ada = User.objects.create_user("ada", password="a password of five words")
    Share.objects.create(study=study, user=ada, may="edit")
    cache.count(cache.ask(study).pk)
    assert ResultCache.objects.get().page_data["headline"]
    default_storage.save(
        "images/.draft-of-somebody-killed", default_storage.open(next(iter(storage.names("artifacts"))))
    )
    return study


def backup(path) -> dict:
    call_command("backup", path, stdout=StringIO())
    with zipfile.ZipFile(path) as archive:
        return json.loads(archive.read("manifest.json"))


def wipe(settings, folder) -> None:
    call_command("flush", interactive=False, verbosity=0)
    into(settings, folder)
    assert not Study.objects.exists()
    assert list(backups._stored()) == []


def rows() -> dict[str, list]:
    """Every row of every table as the database has it, but sessions."""
    found = {}
    with connection.cursor() as cursor:
        for label, model in backups.tables().items():
            cursor.execute(f"SELECT * FROM {model._meta.db_table} ORDER BY 1")
            found[label] = cursor.fetchall()
    return found


def files() -> dict[str, bytes]:
    return {name: storage.read(name) for name in backups._stored()}


def test_after_back_up_wipe_and_restore_every_row_and_every_byte_is_the_same(installation, settings, tmp_path):
    rows_before, files_before = rows(), files()
    assert sum(map(bool, rows_before.values())) >= 15
    first = backup(tmp_path / "one.zip")
    wipe(settings, tmp_path / "after")
    call_command("restore", tmp_path / "one.zip", stdout=StringIO())
    assert rows() == rows_before
    assert files() == files_before
    assert not [name for name in storage.names("images") if "draft" in name]
    second = backup(tmp_path / "two.zip")
    assert (second["rows"], second["files"]) == (first["rows"], first["files"])


def test_a_restored_installation_goes_on(settings, tmp_path):
    visitor = Visitor(open_study(2, 2)).begin()
    backup(tmp_path / "one.zip")
    wipe(settings, tmp_path / "after")
    call_command("restore", tmp_path / "one.zip", stdout=StringIO())
    # The same person goes on, and somebody new comes: numbers of rows follow the restored ones.
    visitor.finish()
    Visitor(Study.objects.get()).begin().finish()
    assert Trial.objects.filter(counted=True).count() == 4


def test_a_backup_is_its_owners_alone_and_never_replaces_a_file(installation, tmp_path):
    backup(tmp_path / "one.zip")
    assert (tmp_path / "one.zip").stat().st_mode & 0o777 == 0o600
    with pytest.raises(CommandError, match="is there already"):
        backup(tmp_path / "one.zip")
    assert [path.name for path in tmp_path.glob("*.zip*")] == ["one.zip"]


def test_nothing_is_restored_over_anything(installation, tmp_path):
    backup(tmp_path / "one.zip")
    before = rows()
    with pytest.raises(CommandError, match="this installation is not empty"):
        call_command("restore", tmp_path / "one.zip")
    assert rows() == before


def test_a_backup_that_cannot_be_written_leaves_nothing_behind(installation, tmp_path, monkeypatch):
    def full(*_args, **_options):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(backups, "_fill", full)
    with pytest.raises(CommandError, match="No space left on device"):
        backup(tmp_path / "one.zip")
    assert not [path for path in tmp_path.iterdir() if path.is_file()]


def rewritten(path, change) -> None:
    """The archive with its entries changed; `change` takes and gives a dict of them."""
    with zipfile.ZipFile(path) as archive:
        entries = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in change(entries).items():
            archive.writestr(name, content)


def with_manifest(entries: dict, **changes) -> dict:
    manifest = json.loads(entries["manifest.json"])
    return {**entries, "manifest.json": json.dumps({**manifest, **changes})}


def smuggled(entries: dict) -> dict:
    files = json.loads(entries["manifest.json"])["files"]
    (name, one), *_rest = files.items()
    return with_manifest({**entries, "files/../../evil": entries[f"files/{name}"]}, files={**files, "../../evil": one})


def a_file(entries: dict) -> str:
    return next(name for name in entries if name.startswith("files/"))


@pytest.mark.parametrize(
    ("change", "line"),
    [
        (lambda e: {**e, a_file(e): b"other"}, "is not as it was backed up"),
        (lambda e: {**e, "rows/studies.trial.jsonl": e["rows/studies.trial.jsonl"][:-30]}, "is not as it was"),
        (lambda e: {name: one for name, one in e.items() if name != a_file(e)}, "does not hold what its list says"),
        (lambda e: {**e, "files/more.png": b"x"}, "does not hold what its list says"),
        (smuggled, "is not a valid file name"),
        (lambda e: {name: one for name, one in e.items() if name != "manifest.json"}, "is not a backup"),
        (lambda e: with_manifest(e, format="other"), "is not a backup"),
        (lambda e: with_manifest(e, migrations=["studies.0002_later"]), "is of another version"),
    ],
)
def test_what_is_not_a_whole_backup_of_this_version_is_refused_and_changes_nothing(
    installation, settings, tmp_path, change, line
):
    backup(tmp_path / "one.zip")
    wipe(settings, tmp_path / "after")
    before = rows()
    rewritten(tmp_path / "one.zip", change)
    with pytest.raises(CommandError, match=line):
        call_command("restore", tmp_path / "one.zip")
    assert rows() == before
    assert files() == {}


@pytest.mark.parametrize("content", [b"", b"PK no archive", None])
def test_no_archive_at_all_is_one_line(tmp_path, content):
    path = tmp_path / "one.zip"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(CommandError) as refused:
        call_command("restore", path)
    assert "\n" not in str(refused.value)


def test_rows_that_do_not_fit_together_are_all_taken_back(installation, settings, tmp_path, monkeypatch):
    backup(tmp_path / "one.zip")
    wipe(settings, tmp_path / "after")
    before = rows()
    monkeypatch.setattr(backups, "_checked", lambda archive: json.loads(archive.read("manifest.json")))
    rewritten(tmp_path / "one.zip", lambda e: {**e, "rows/studies.study.jsonl": b""})
    with pytest.raises(Exception, match=r"(?i)foreign key"):
        call_command("restore", tmp_path / "one.zip")
    assert rows() == before


def test_every_table_is_in_a_backup_but_sessions_and_the_name_of_the_place():
    left_out = {model._meta.label for model in apps.get_models(include_auto_created=True)} - {
        model._meta.label for model in backups.tables().values()
    }
    assert left_out == {"sessions.Session", "studies.Installation"}
