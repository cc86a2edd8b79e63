"""Photographs out of an archive or an allowed folder, by a worker: nothing half done, every refusal with its line."""

import io
import os
import re
import zipfile
from pathlib import Path

import pytest
from django.core.files.storage import default_storage

from studies import storage, tasks
from studies.errors import StudyError
from studies.importing import jobs
from studies.models import Image, ImageClass, ImageSet, Import
from tests.archives import link, packed, uploaded
from tests.factories import make_image_set, make_picture
from tests.workers import Workers

pytestmark = pytest.mark.django_db(transaction=True)

State = Import.State


@pytest.fixture
def workers(monkeypatch) -> Workers:
    return Workers(monkeypatch)


def asked(data: bytes, name: str = "things") -> Import:
    return jobs.request_images(name, owner=None, upload=uploaded(data))


def looked_at(workers: Workers, data: bytes) -> Import:
    run = asked(data)
    workers.work()
    run.refresh_from_db()
    return run


def refused(run: Import) -> dict[str, str]:
    return dict(run.files.exclude(refused="").values_list("path", "refused"))


def test_an_archive_of_photographs_becomes_an_image_set(workers):
    run = looked_at(workers, packed())
    assert (run.state, run.total, run.done) == (State.DONE, 6, 6)
    assert run.image_set.name == "things"
    assert list(run.image_set.classes.values_list("index", "name")) == [(0, "bell"), (1, "fish"), (2, "key")]
    assert run.image_set.images.get(path="bell/3.png").label == 0


def test_one_folder_around_everything_is_taken_off(workers):
    run = looked_at(workers, packed({f"mine/{name}/1.png": make_picture(n) for n, name in enumerate("abc")}))
    assert list(run.image_set.images.values_list("path", flat=True)) == ["a/1.png", "b/1.png", "c/1.png"]


def test_a_labels_file_names_the_classes(workers):
    files = {"x/1.png": make_picture(1), "2.png": make_picture(2), "labels.csv": b"file,label\nx/1.png,b\n2.png,a\n"}
    run = looked_at(workers, packed(files))
    assert list(run.image_set.images.values_list("path", "label")) == [("2.png", 0), ("x/1.png", 1)]


def test_hidden_files_are_passed_over(workers):
    run = looked_at(workers, packed({"a/1.png": make_picture(1), "a/.DS_Store": b"x", "__MACOSX/a/1.png": b"x"}))
    assert (run.state, run.image_set.images.count()) == (State.DONE, 1)


def test_the_archive_is_deleted_when_it_was_read(workers):
    run = asked(packed())
    assert default_storage.exists(run.source["upload"])
    workers.work()
    assert not default_storage.exists(run.source["upload"])


PLACES = {
    "../out.png": "its path leads out",
    "/etc/out.png": "its path leads out",
    "bell/../../out.png": "its path leads out",
    "C:/out.png": "as on Windows",
    "bell\\out.png": "as on Windows",
    "bell//out.png": "an empty part",
    "bell/a\nb.png": "cannot be written",
    "bell/notes.txt": "not an image",
    "readme.txt": "not a folder",
}


@pytest.mark.parametrize("name", PLACES)
def test_a_bad_name_or_file_has_its_line_and_nothing_is_imported(workers, name):
    files = {f"{label}/{n}.png": make_picture(n) for n, label in enumerate(("bell", "fish"))}
    run = looked_at(workers, packed(files | {name: make_picture(9) if name.endswith("png") else b"words"}))
    assert run.state == State.REVIEW
    [(path, reason)] = refused(run).items()
    assert PLACES[name] in reason
    assert "\n" not in path
    assert not ImageSet.objects.exists()
    jobs.confirm(run)
    workers.work()
    assert list(ImageClass.objects.values_list("name", flat=True)) == ["bell", "fish"]


def test_a_file_whose_name_is_empty_to_python_has_its_line(workers):
    named = packed({"a/1.png": make_picture(1), "X/2.png": make_picture(2)})
    run = looked_at(workers, named.replace(b"X/2.png", b"\0/2.png"))
    assert refused(run) == {"(no name)": "its path has characters that cannot be written"}


def test_a_link_is_refused(workers):
    assert refused(looked_at(workers, link("bell/link.png", "/etc/passwd"))) == {"bell/link.png": "is a link"}


def test_an_archive_inside_is_not_opened(workers):
    run = looked_at(workers, packed({"a/1.png": make_picture(1), "a/more.zip": packed()}))
    assert "not an image" in refused(run)["a/more.zip"]


def test_what_unpacks_to_far_more_than_it_is_has_its_line(workers):
    run = looked_at(workers, packed({"a/1.png": make_picture(1), "a/bomb.bmp": bytes(5_000_000)}))
    assert "IMPORT_MAX_RATIO" in refused(run)["a/bomb.bmp"]


def test_limits_on_files_bytes_and_pixels(workers, settings):
    settings.IMPORT_MAX_FILE_BYTES, settings.IMPORT_MAX_PIXELS = 4000, 900
    run = looked_at(workers, packed({"a/1.png": make_picture(1), "a/2.png": make_picture(2, 60)}))
    assert "more than 900 pixels" in refused(run)["a/1.png"]
    assert "IMPORT_MAX_FILE_BYTES" in refused(run)["a/2.png"]
    settings.IMPORT_MAX_FILES = 1
    with pytest.raises(StudyError, match="more than 1 files"):
        asked(packed(), "other")
    settings.IMPORT_MAX_FILES, settings.IMPORT_MAX_BYTES = 100, 4000
    run = asked(packed(), "third")
    workers.work()
    run.refresh_from_db()
    assert (run.state, "IMPORT_MAX_BYTES" in run.problem) == (State.REFUSED, True)


def test_the_number_of_files_is_counted_before_any_is_listed(settings, monkeypatch):
    settings.IMPORT_MAX_FILES, archive = 5, packed()
    monkeypatch.setattr("zipfile.ZipFile", lambda *_: pytest.fail("listed before it was counted"))
    with pytest.raises(StudyError, match="more than 5 files"):
        asked(archive)


def test_two_files_of_one_name_have_a_line(workers):
    file = io.BytesIO(packed({"a/1.png": make_picture(1)}))
    with zipfile.ZipFile(file, "a") as archive, pytest.warns(UserWarning, match="Duplicate name"):
        archive.writestr("a/1.png", make_picture(2))
    assert refused(looked_at(workers, file.getvalue())) == {"a/1.png": "is in the archive twice"}


def test_classes_that_differ_in_spelling_only_are_refused(workers):
    run = looked_at(workers, packed({"Bell/1.png": make_picture(1), "bell/2.png": make_picture(2)}))
    assert (run.state, run.problem) == (
        State.REFUSED,
        "the classes Bell and bell differ in spelling only: call them the same",
    )


def test_the_same_photograph_counts_once_and_under_two_classes_not_at_all(workers):
    one = make_picture(1)
    files = {"a/1.png": one, "a/2.png": one, "a/3.png": make_picture(3), "b/1.png": make_picture(4)}
    run = looked_at(workers, packed(files))
    assert (run.state, run.image_set.images.count()) == (State.DONE, 3)
    assert dict(run.files.values_list("path", "left_out")) == {"a/2.png": "the same photograph as a/1.png"}
    run = asked(packed(files | {"b/2.png": one}), "other")
    workers.work()
    assert set(refused(run)) == {"a/1.png", "a/2.png", "b/2.png"}


NO_ARCHIVES = [b"", b"PK", b"words" * 100, packed()[:-30], packed()[:200], b"PK\x05\x06" + bytes(18)]


@pytest.mark.parametrize("data", NO_ARCHIVES)
def test_what_is_no_whole_archive_is_refused(workers, data):
    try:
        run = looked_at(workers, data)
    except StudyError as error:
        said = str(error)
    else:
        said = run.problem
    assert re.search(r"not a whole zip|no images in it", said)
    assert not ImageSet.objects.exists()


# --- the report, and the rest -----------------------------------------------------------------------------------------


def spoilt() -> dict[str, bytes]:
    return {f"{label}/{n}.png": make_picture(n) for n, label in enumerate("abcabc")} | {"a/no.txt": b"words"}


def test_confirmed_the_rest_comes_in_and_the_report_stays(workers):
    run = looked_at(workers, packed(spoilt()))
    assert run.state == State.REVIEW
    jobs.confirm(run)
    workers.work()
    run.refresh_from_db()
    assert (run.state, run.image_set.images.count()) == (State.DONE, 6)
    assert list(refused(run)) == ["a/no.txt"]
    with pytest.raises(StudyError, match="nothing to confirm"):
        jobs.confirm(run)


def test_a_class_that_would_have_no_image_left_cannot_be_confirmed_away(workers):
    run = looked_at(workers, packed(spoilt() | {"aardvark/1.png": b"words"}))
    with pytest.raises(StudyError, match="no image of aardvark is left"):
        jobs.confirm(run)
    assert not ImageSet.objects.exists()


def test_discarded_nothing_of_it_stays_and_its_name_is_free(workers):
    run = looked_at(workers, packed(spoilt()))
    jobs.discard(run)
    assert (run.state, run.files.count()) == (State.DISCARDED, 0)
    assert looked_at(workers, packed()).state == State.DONE


def test_a_name_is_given_once(workers):
    make_image_set("taken")
    with pytest.raises(StudyError, match="the name taken is taken"):
        asked(packed(), "taken")
    asked(packed())
    with pytest.raises(StudyError, match="being brought in already"):
        asked(packed())


def test_a_name_taken_meanwhile_is_said(workers):
    run = asked(packed())
    make_image_set("things")
    workers.work()
    run.refresh_from_db()
    assert (run.state, run.problem) == (State.REFUSED, "the name things is taken by another image set")


# --- whatever happens to workers --------------------------------------------------------------------------------------


def test_a_turn_that_ends_goes_on_where_it_stopped(workers, monkeypatch):
    monkeypatch.setattr(jobs, "TURN_SECONDS", -1)
    monkeypatch.setattr(jobs, "BATCH", 2)
    run = asked(packed(spoilt() | {"a/9.png": make_picture(9)}))
    workers.answer()
    run.refresh_from_db()
    assert (run.state, run.done, run.files.count()) == (State.WAITING, 2, 2)
    workers.work(times=2)
    run.refresh_from_db()
    assert (run.state, run.done, run.total) == (State.REVIEW, 8, 8)


def test_a_message_that_was_lost_is_rung_for_again(workers):
    run = asked(packed())
    workers.messages.clear()
    tasks.sweep()
    workers.work()
    run.refresh_from_db()
    assert run.state == State.DONE


def test_a_queue_that_is_down_is_said(workers):
    workers.reachable = False
    run = asked(packed())
    run.refresh_from_db()
    assert "begins when the queue is back" in run.problem


def test_what_ends_its_workers_is_given_up(workers):
    run = asked(packed())
    Import.objects.filter(pk=run.pk).update(attempts=3)
    tasks.sweep()
    run.refresh_from_db()
    assert (run.state, "ended its worker 3 times" in run.problem) == (State.REFUSED, True)


def test_a_full_disk_costs_nothing(workers, monkeypatch):
    run = asked(packed())
    full = OSError(28, "No space left on device")
    monkeypatch.setattr(storage, "store", lambda *_: (_ for _ in ()).throw(full))
    with pytest.raises(OSError, match="No space"):
        workers.answer()
    run.refresh_from_db()
    assert (run.state, run.attempts, "No space" in run.problem) == (State.WAITING, 0, True)
    monkeypatch.undo()
    jobs.bring_in(run.pk)
    run.refresh_from_db()
    assert run.state == State.DONE


# --- folders of the server --------------------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path, settings) -> Path:
    settings.IMPORT_FOLDERS = [tmp_path / "allowed"]
    for n, label in enumerate("abc"):
        path = tmp_path / "allowed" / "set" / label / f"{n}.png"
        path.parent.mkdir(parents=True)
        path.write_bytes(make_picture(n))
    (tmp_path / "secret" / "a").mkdir(parents=True)
    (tmp_path / "secret" / "a" / "1.png").write_bytes(make_picture(7))
    return tmp_path / "allowed" / "set"


def test_an_allowed_folder_becomes_an_image_set(workers, folder):
    run = jobs.request_images("things", owner=None, folder=str(folder))
    workers.work()
    run.refresh_from_db()
    assert (run.state, run.image_set.images.count()) == (State.DONE, 3)


def test_other_folders_are_refused_however_they_are_written(workers, folder):
    (folder.parent / "way-out").symlink_to(folder.parent.parent / "secret")
    for path in ("/etc", f"{folder.parent}/../secret", str(folder.parent / "way-out"), "", "a\0b", "x" * 5000):
        with pytest.raises(StudyError, match=r"in none of the folders|there is nothing there"):
            jobs.request_images("things", owner=None, folder=path)
    assert not Import.objects.exists()


def test_a_folder_swapped_for_a_link_afterwards_is_refused_by_the_worker(workers, folder, tmp_path):
    run = jobs.request_images("things", owner=None, folder=str(folder))
    folder.rename(tmp_path / "moved")
    folder.symlink_to(tmp_path / "secret")
    workers.work()
    run.refresh_from_db()
    assert (run.state, "in none of the folders" in run.problem) == (State.REFUSED, True)
    assert not Image.objects.exists()


def test_links_and_pipes_in_a_folder_have_their_lines(workers, folder):
    (folder / "a" / "link.png").symlink_to("/etc/passwd")
    (folder / "linked").symlink_to("/etc")
    os.mkfifo(folder / "a" / "pipe.png")
    (folder / "d").mkdir()
    run = jobs.request_images("things", owner=None, folder=str(folder))
    workers.work()
    assert refused(run) == {
        "a/link.png": "is a link",
        "a/pipe.png": "is no ordinary file",
        "linked": "is a link",
        "d": "a class without images",
    }
    assert not ImageClass.objects.exists()


def test_a_name_that_is_no_text_has_its_line(workers, folder):
    (folder / "a" / os.fsdecode(b"\xff.png")).write_bytes(make_picture(5))
    run = jobs.request_images("things", owner=None, folder=str(folder))
    workers.work()
    [reason] = refused(run).values()
    assert "cannot be written" in reason
