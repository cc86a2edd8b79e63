"""What no study uses is listed and, when told, deleted; what a study shows never is."""

from io import StringIO

import pytest
from django.core.files.storage import default_storage
from django.core.management import CommandError, call_command

from studies import lifecycle, preparation
from studies.lib import storage
from studies.models import Artifact, Study
from tests.factories import open_study
from tests.services.preparing import make

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def own_folder(tmp_path, settings):
    settings.STORAGES = {
        **settings.STORAGES,
        "default": {"BACKEND": "studies.lib.storage.ContentStorage", "OPTIONS": {"location": tmp_path / "media"}},
    }


def collect(*options: str, **named: float) -> str:
    said = StringIO()
    call_command("collect_artifacts", *options, stdout=said, **{"hours": 0, **named})
    return said.getvalue()


def files() -> set[str]:
    return {name for folder in ("artifacts", "images", "classifiers", "pools") for name in storage.names(folder)}


def test_what_a_study_asked_for_is_kept(tmp_path):
    make(tmp_path, images=20)
    preparation.prepare(Study.objects.get())
    before = files()
    assert collect("--delete") == "deleted: 0 results, 0 files, 0 bytes\n"
    assert files() == before


def test_what_no_study_asks_for_any_longer_is_listed_and_then_deleted(tmp_path):
    make(tmp_path, images=20)
    study = Study.objects.get()
    preparation.prepare(study)
    results = study.artifacts.count()
    lost = storage.store("artifacts", b"written by a worker that was killed", ".npy")
    study.delete()
    before = files()
    listed = collect()
    assert f"not used: {results} results" in listed
    assert lost in listed
    assert files() == before
    with pytest.raises(CommandError, match=r"which is more than usual: nothing was deleted; give --confirm \d+"):
        collect("--delete")
    n = len([name for name in before if name.startswith("artifacts/")])
    with pytest.raises(CommandError, match=f"^{n} files are not used, not {n + 1}: nothing was deleted$"):
        collect("--delete", confirm=n + 1)
    assert files() == before
    assert Artifact.objects.count() == results
    collect("--delete", confirm=n)
    assert not Artifact.objects.exists()
    assert files() == {name for name in before if not name.startswith("artifacts/")}


@pytest.mark.parametrize("closed", [False, True])
def test_what_an_open_or_closed_study_shows_is_kept_even_without_a_result(closed):
    study = open_study(3)
    if closed:
        lifecycle.close_study(study)
    collect("--delete")
    for stimulus in study.stimuli.all():
        assert default_storage.exists(stimulus.shown["picture"]["file"])


def test_nothing_is_collected_while_a_study_is_prepared():
    study = open_study(3)
    Study.objects.update(state=Study.State.PREPARING)
    with pytest.raises(CommandError, match=f"study {study.slug} is being prepared"):
        collect("--delete")


def test_photographs_and_networks_are_listed_and_never_deleted():
    open_study(3)
    photograph = storage.store("images", b"of an image set that is gone", ".png")
    network = storage.store("classifiers", b"of a classifier that is gone", ".safetensors")
    said = collect("--delete")
    assert said.splitlines() == [
        "deleted: 0 results, 0 files, 0 bytes",
        "not used, and kept: 2 files of photographs and networks",
    ]
    assert {photograph, network} <= files()


def test_a_few_files_among_many_are_deleted_without_asking():
    open_study(12)
    lost = storage.store("artifacts", b"written by a worker that was killed", ".npy")
    assert "deleted: 0 results, 1 files" in collect("--delete")
    assert lost not in files()


def test_a_file_that_was_just_written_is_left_alone():
    open_study(3)
    new = storage.store("artifacts", b"being computed", ".png")
    assert collect("--delete", hours=24) == "deleted: 0 results, 0 files, 0 bytes\n"
    assert new in files()
