"""A stored picture that was changed is noticed before anyone sees it, and made again from its recipe."""

from io import StringIO
from pathlib import Path

import pytest
from django.conf import settings as site
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.core.management import CommandError, call_command

from studies import lifecycle, preparation, tasks
from studies.export import export
from studies.lib import storage
from studies.lib.errors import StudyError
from studies.models import Artifact, Image, Study
from studies.preparation import verification
from tests.factories import open_study
from tests.services.preparing import make

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def own_folder(tmp_path, settings):
    settings.STORAGES = {
        **settings.STORAGES,
        "default": {"BACKEND": "studies.lib.storage.ContentStorage", "OPTIONS": {"location": tmp_path / "media"}},
    }


@pytest.fixture
def study(tmp_path) -> Study:
    """Prepared for real, so that its pictures have recipes."""
    make(tmp_path, images=20)
    study = Study.objects.get()
    preparation.prepare(study)
    return study


def shown(study) -> str:
    return study.stimuli.first().shown["picture"]["file"]


def path(name: str) -> Path:
    return Path(default_storage.path(name))


def change(name: str) -> bytes:
    """One bit, in the middle; what it was."""
    before = path(name).read_bytes()
    changed = bytearray(before)
    changed[len(changed) // 2] ^= 1
    path(name).write_bytes(changed)
    return before


def verify(*options: str) -> str:
    said = StringIO()
    call_command("verify_files", *options, stdout=said)
    return said.getvalue()


DAMAGES = {"changed": change, "gone": lambda name: path(name).unlink(), "cut": lambda name: path(name).write_bytes(b"")}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_study_with_a_damaged_picture_does_not_open(study, damage):
    DAMAGES[damage](shown(study))
    with pytest.raises(StudyError, match=r"1 stored file \(artifacts/.*\) are not what they were when it was prepared"):
        lifecycle.open_study(study, anyway=True)
    assert Study.objects.get().state == Study.State.READY
    assert study.slots.count() == 0


def test_without_the_check_it_opens_and_shows_the_changed_picture(study, monkeypatch):
    monkeypatch.setattr(verification, "check", lambda study: None)
    change(shown(study))
    lifecycle.open_study(study, anyway=True)
    assert Study.objects.get().state == Study.State.OPEN


def test_a_paused_study_does_not_open_again_and_a_damaged_one_is_not_exported(tmp_path):
    study = open_study(3)
    lifecycle.pause_study(study)
    change(shown(study))
    for act in (lambda: lifecycle.open_study(study), lambda: export.write(study, tmp_path / "out")):
        with pytest.raises(StudyError, match="not what they were"):
            act()
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("damage", DAMAGES)
def test_preparing_makes_a_damaged_picture_again_to_the_byte(study, damage):
    name = shown(study)
    before = path(name).read_bytes()
    DAMAGES[damage](name)
    preparation.prepare(study)
    assert path(name).read_bytes() == before
    lifecycle.open_study(study, anyway=True)


@pytest.mark.parametrize("damage", DAMAGES)
def test_the_command_names_what_is_damaged_and_makes_it_again(study, damage):
    assert verify().endswith("damaged: 0\n")
    name = shown(study)
    before = path(name).read_bytes()
    DAMAGES[damage](name)
    with pytest.raises(CommandError, match=r"^1 stored files are not what they were: --repair makes results again$"):
        verify()
    assert f"{name}: made again" in verify("--repair")
    assert path(name).read_bytes() == before
    assert not Artifact.objects.exclude(state=Artifact.State.DONE).exists()
    assert verify().endswith("damaged: 0\n")


def test_a_photograph_that_was_changed_is_named_and_left_as_it_is(study):
    name = Image.objects.first().file
    change(name)
    after = path(name).read_bytes()
    with pytest.raises(CommandError, match="bring photographs and networks in again"):
        verify("--repair")
    assert path(name).read_bytes() == after


def test_a_picture_whose_photograph_is_damaged_too_is_not_passed_off_as_repaired(study):
    name = shown(study)
    DAMAGES["gone"](name)
    for image in Image.objects.all():
        path(image.file).write_bytes(b"not a photograph any more")
    with pytest.raises(CommandError, match="stored files are not what they were"):
        verify("--repair")
    with pytest.raises(StudyError):
        preparation.prepare(study)


def test_a_backup_is_written_and_says_what_is_damaged_in_it(tmp_path):
    study = open_study(2)
    call_command("backup", tmp_path / "whole.zip", stdout=StringIO())
    name = shown(study)
    change(name)
    with pytest.raises(CommandError, match=f"is written, and 1 stored files in it are not what they were .{name}."):
        call_command("backup", tmp_path / "damaged.zip", stdout=StringIO())
    assert (tmp_path / "damaged.zip").exists()


def test_each_night_damage_stands_in_the_log(caplog):
    name = shown(open_study(2))
    tasks.verify_files()
    assert "not what it was" not in caplog.text
    change(name)
    tasks.verify_files()
    assert f"the stored file {name} is not what it was" in caplog.text
    assert site.CELERY_BEAT_SCHEDULE["verify_files"]["task"] == tasks.verify_files.name


def test_uploads_and_drafts_have_no_digest_to_be_compared_with():
    storage.store_upload(ContentFile(b"an archive"))
    default_storage.save("artifacts/.draft-of-somebody-killed", ContentFile(b"half a picture"))
    assert verification.verify_all() == verification.Verification(0, [])
