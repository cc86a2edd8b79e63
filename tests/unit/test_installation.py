"""Another database's files are never deleted, served as ours or backed up: both know each other by a name."""

from io import StringIO
from uuid import uuid4

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.core.management import CommandError, call_command

from config.environment import storage as storage_of
from studies import installation
from studies.installation import FOLDERS, ForeignFiles
from studies.lib import storage
from studies.models import Image, Installation, Study
from studies.operations import backups
from tests.factories import make_study, open_study

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _own_folder(settings, tmp_path):
    into(settings, tmp_path / "ours")


def into(settings, folder) -> None:
    settings.STORAGES = {**settings.STORAGES, "default": storage_of("", folder)}


def files() -> set[str]:
    return {name for folder in FOLDERS for name in storage.names(folder)}


def collect(**options) -> str:
    said = StringIO()
    call_command("collect_artifacts", stdout=said, **{"hours": 0, **options})
    return said.getvalue()


def another_database() -> None:
    call_command("flush", interactive=False, verbosity=0)


def attack() -> None:
    """Delete all that the present database does not name, with the number typed as it is asked for."""
    collect(delete=True, confirm=len([name for name in files() if not name.startswith(("images/", "classifiers/"))]))


def test_under_another_database_nothing_is_deleted_and_the_server_is_not_ready(client):
    open_study(3)
    ours = installation.check()
    before = files()
    another_database()
    with pytest.raises(CommandError, match=f"belong to installation {ours}, and this database has never had files"):
        attack()
    assert files() == before
    assert client.get("/readyz").status_code == 503
    assert b"storage: away" in client.get("/readyz").content


def test_without_the_check_the_same_command_deletes_them(monkeypatch):
    open_study(3)
    installation.check()
    another_database()
    monkeypatch.setattr("studies.preparation.cleanup.installation.check", lambda: None)
    attack()
    assert {name.split("/")[0] for name in files()} == {"images"}


def test_a_database_with_files_of_its_own_deletes_none_of_anothers(settings, tmp_path):
    open_study(3)
    theirs = installation.check()
    another_database()
    into(settings, tmp_path / "elsewhere")
    open_study(2)
    own = installation.check()
    into(settings, tmp_path / "ours")
    with pytest.raises(CommandError, match=f"belong to installation {theirs}, and this database is of .* {own}"):
        attack()


def test_files_that_nobody_has_marked_are_anothers_where_the_database_names_none_of_them():
    open_study(3)
    another_database()
    with pytest.raises(CommandError, match="this database names none of them"):
        attack()
    assert not default_storage.exists(installation.MARK)
    assert not Installation.objects.exists()


def test_files_of_before_there_were_marks_are_the_databases_that_names_them():
    open_study(3)
    key = installation.check()
    assert storage.read(installation.MARK).decode().strip() == str(key)
    assert installation.check() == Installation.objects.get().key == key


def test_a_folder_that_is_not_mounted_is_not_taken_for_a_new_one(settings, tmp_path, client):
    open_study(3)
    installation.check()
    into(settings, tmp_path / "not-mounted")
    with pytest.raises(ForeignFiles, match="the files that this database names are not stored here"):
        installation.check()
    assert client.get("/readyz").status_code == 503


def test_a_new_installation_is_marked_when_it_is_first_asked(client):
    assert client.get("/readyz").status_code == 200
    assert installation.mark() == Installation.objects.get().key


@pytest.mark.parametrize("text", [b"", b"\xff\xfe", b"not a name"])
def test_a_mark_that_cannot_be_read_stops_everything_in_one_line(text):
    open_study(2)
    default_storage.save(installation.MARK, ContentFile(text))
    with pytest.raises(CommandError, match=r"^the stored file 'installation' does not hold an installation's name: "):
        collect(delete=True)


def test_a_backup_never_mixes_rows_with_another_databases_files(tmp_path):
    open_study(2)
    installation.check()
    another_database()
    with pytest.raises(CommandError, match="belong to installation"):
        call_command("backup", tmp_path / "one.zip", stdout=StringIO())
    assert list(tmp_path.glob("*.zip*")) == []


def test_a_backup_restores_beside_its_own_files_that_stayed_and_not_beside_anothers(settings, tmp_path):
    make_study(2)
    ours = installation.check()
    call_command("backup", tmp_path / "one.zip", stdout=StringIO())
    another_database()
    into(settings, tmp_path / "theirs")
    default_storage.save(installation.MARK, ContentFile(str(uuid4()).encode()))
    with pytest.raises(CommandError, match="belong to installation"):
        call_command("restore", tmp_path / "one.zip", stdout=StringIO())
    assert not Study.objects.exists()
    into(settings, tmp_path / "ours")
    backups.restore(tmp_path / "one.zip")
    assert installation.check() == ours
    assert Image.objects.exists()


def test_files_are_adopted_by_someone_who_types_their_name_and_by_nobody_else():
    open_study(2)
    ours = installation.check()
    Installation.objects.update(key=uuid4())
    for wrong in (str(uuid4()), "yes"):
        with pytest.raises(CommandError):
            call_command("adopt_files", wrong, stdout=StringIO())
    with pytest.raises(CommandError, match="belong to installation"):
        call_command("adopt_files", stdout=StringIO())
    call_command("adopt_files", str(ours), stdout=StringIO())
    assert installation.check() == ours
