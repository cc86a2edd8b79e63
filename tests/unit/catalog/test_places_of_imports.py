"""What is named as the place of photographs or weights: an empty name, what is missing, and what cannot be read."""

import os

import pytest
from django.core.management import CommandError, call_command

from explainers.command_line import main
from studies.catalog.importing import jobs
from studies.catalog.importing.folders import Folder
from studies.catalog.importing.image_folders import import_images
from studies.lib.errors import StudyError
from studies.models import ImageSet, Import
from tests.factories import make_image_set
from tests.unit.catalog.test_folders_as_they_come import files, written

pytestmark = pytest.mark.django_db


def refusal(*arguments, **options) -> str:
    with pytest.raises(CommandError) as caught:
        call_command(*arguments, **options)
    assert "\n" not in str(caught.value)
    assert not ImageSet.objects.filter(name="things").exists()
    return str(caught.value)


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A folder of photographs that the program runs in: what an empty name would be."""
    monkeypatch.chdir(written(tmp_path / "here", files("a", "b")))
    return tmp_path


def test_the_folder_one_is_in_is_imported_by_its_name(here):
    """The negative control: a full stop is a name, and there is something to read."""
    call_command("import_images", "things", ".")
    assert ImageSet.objects.get().images.count() == 4


@pytest.mark.parametrize("empty", ["", " ", "\t"])
def test_an_empty_name_is_not_the_folder_one_is_in(here, settings, empty):
    assert "argument folder: is empty; name a file or a folder" in refusal("import_images", "things", empty)
    with pytest.raises(StudyError, match="no folder or zip is named"):
        import_images("things", empty)
    settings.IMPORT_FOLDERS = [here]
    with pytest.raises(StudyError, match="no folder or file is named"):
        jobs.request_images("things", owner=None, folder=empty)
    assert not Import.objects.exists()


@pytest.mark.parametrize("empty", ["", " "])
def test_empty_names_of_other_files_are_refused_too(here, settings, empty):
    assert "argument --objects: is empty" in refusal("import_images", "things", ".", f"--objects={empty}")
    settings.MODULE_FOLDERS = [here]
    with pytest.raises(StudyError, match="no folder or file is named"):
        jobs.request_classifier(
            "net", owner=None, image_set="x", module="", checkpoint=empty, timm=f"local-dir:{empty}"
        )


def test_empty_names_of_a_classifiers_files_are_refused(here):
    make_image_set("birds", n_images=4)
    said = refusal("import_classifier", "net", "--images=birds", "--module=net.py:net", "--checkpoint=")
    assert "argument --checkpoint: is empty" in said
    named = {"images": "birds", "module": "net.py:net", "checkpoint": "net.safetensors"}
    assert "must be FILE.py:FACTORY" in refusal("import_classifier", "net", **named | {"module": " :net"})
    assert "--outputs is empty" in refusal("import_classifier", "net", **named, outputs=" ")


def test_an_empty_pool_of_examples_is_refused(here, capsys):
    with pytest.raises(SystemExit):
        main(["nearest_neighbours", "--pool", "", "a/0.png", "out.png", "--classifier", "toybox"])
    assert "argument --pool: is empty" in capsys.readouterr().err


def test_a_place_that_is_not_there_is_named_with_the_reason(tmp_path):
    (tmp_path / "file.txt").write_text("words")
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    cases = {
        "none": "No such file or directory",
        "file.txt": "is a text file, not a zip archive: pack the folder as zip",
        "file.txt/inside": "Not a directory",
        "pipe": "is neither a folder nor a zip",
        "loop": "symbolic links",
        300 * "x": "File name too long",
    }
    for name, said in cases.items():
        assert said in refusal("import_images", "things", str(tmp_path / name)), name
    assert "null byte" in refusal("import_images", "things", "a\0b")


@pytest.mark.parametrize("function", ["scandir", "stat"])
def test_a_folder_that_may_not_be_read_is_named_with_the_reason(here, monkeypatch, function):
    def forbidden(path, *args, **kwargs):
        raise PermissionError(13, "Permission denied", str(path))

    place = str(here / "here")
    with monkeypatch.context() as patched:
        patched.setattr(os, function, forbidden)
        with pytest.raises(StudyError) as caught:
            import_images("things", place)
    assert str(caught.value) == f"{place}: Permission denied"


def test_a_folder_within_that_may_not_be_read_is_refused_by_its_name(here, monkeypatch):
    source, scan = Folder(here / "here"), os.scandir

    def forbidden(path):
        if str(path).endswith("/b"):
            raise PermissionError(13, "Permission denied", str(path))
        return scan(path)

    monkeypatch.setattr(os, "scandir", forbidden)
    assert [(one.path, one.problem) for one in source.files() if one.problem] == [("b", "Permission denied")]
