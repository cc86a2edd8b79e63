"""Photographs out of an archive or an allowed folder, by a worker: nothing half done, every refusal with its line."""

import io
import os
import re
import zipfile
from pathlib import Path

import pytest
from django.core.files.storage import default_storage

from studies import tasks
from studies.catalog.importing import folders, jobs, photographs
from studies.lib import storage
from studies.lib.errors import StudyError
from studies.models import Event, Image, ImageClass, ImageSet, Import
from tests.archives import link, packed, uploaded
from tests.factories import make_image_set, make_picture
from tests.fake_queue import Workers

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


def brought_in(workers: Workers, data: bytes) -> Import:
    run = looked_at(workers, data)
    jobs.confirm(run)
    workers.work()
    run.refresh_from_db()
    return run


def refused(run: Import) -> dict[str, str]:
    return dict(run.files.exclude(refused="").values_list("path", "refused"))


def test_an_archive_of_photographs_becomes_an_image_set(workers):
    run = brought_in(workers, packed())
    assert (run.state, run.total, run.done) == (State.DONE, 6, 6)
    assert run.image_set.name == "things"
    assert list(run.image_set.classes.values_list("index", "name")) == [(0, "bell"), (1, "fish"), (2, "key")]
    assert run.image_set.images.get(path="bell/3.png").label == 0


def test_one_folder_around_everything_is_taken_off(workers):
    run = brought_in(workers, packed({f"mine/{name}/1.png": make_picture(n) for n, name in enumerate("abc")}))
    assert list(run.image_set.images.values_list("path", flat=True)) == ["a/1.png", "b/1.png", "c/1.png"]


def test_a_labels_file_names_the_classes(workers):
    files = {"x/1.png": make_picture(1), "2.png": make_picture(2), "labels.csv": b"file,label\nx/1.png,b\n2.png,a\n"}
    run = brought_in(workers, packed(files))
    assert list(run.image_set.images.values_list("path", "label")) == [("2.png", 0), ("x/1.png", 1)]


def test_hidden_files_are_passed_over(workers):
    files = {"a/1.png": make_picture(1), "b/2.png": make_picture(2), "a/.DS_Store": b"x", "__MACOSX/a/1.png": b"x"}
    run = brought_in(workers, packed(files))
    assert (run.state, run.image_set.images.count()) == (State.DONE, 2)


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
    "bell/notes.txt": "is a text file, not the picture",
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
    named = packed({"a/1.png": make_picture(1), "b/1.png": make_picture(3), "X/2.png": make_picture(2)})
    run = looked_at(workers, named.replace(b"X/2.png", b"\0/2.png"))
    assert refused(run) == {"(no name)": "its path has characters that cannot be written"}


def test_a_link_is_refused(workers):
    assert refused(looked_at(workers, link("bell/link.png", "/etc/passwd"))) == {"bell/link.png": "is a link"}


def test_an_archive_inside_is_not_opened(workers):
    run = looked_at(workers, packed({"a/1.png": make_picture(1), "b/2.png": make_picture(2), "a/more.zip": packed()}))
    assert "is a zip archive, not the picture" in refused(run)["a/more.zip"]


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
    run = brought_in(workers, packed(files))
    assert (run.state, run.image_set.images.count()) == (State.DONE, 3)
    assert dict(run.files.values_list("path", "left_out")) == {"a/2.png": "the same photograph as a/1.png"}
    run = asked(packed(files | {"b/2.png": one}), "other")
    workers.work()
    said = "a/1.png and b/2.png are the same photograph under two labels, a and b"
    assert refused(run) == dict.fromkeys(["a/1.png", "a/2.png", "b/2.png"], said)
    jobs.confirm(run)
    workers.work()
    run.refresh_from_db()
    assert sorted(run.image_set.images.values_list("path", flat=True)) == ["a/3.png", "b/1.png"]


NO_ARCHIVES = [b"", b"PK", b"words" * 100, packed()[:-30], packed()[:200], b"PK\x05\x06" + bytes(18)]


@pytest.mark.parametrize("data", NO_ARCHIVES)
def test_what_is_no_whole_archive_is_refused(workers, data):
    try:
        run = looked_at(workers, data)
    except StudyError as error:
        said = str(error)
    else:
        said = run.problem
    assert re.search(r"not a whole zip archive \(\w+|not a zip archive: \w+|is empty: \w+|no images in it", said)
    assert "None" not in said
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
    assert brought_in(workers, packed()).state == State.DONE


def test_a_name_is_given_once(workers):
    make_image_set("taken")
    with pytest.raises(StudyError, match="the name taken is taken"):
        asked(packed(), "taken")
    asked(packed())
    with pytest.raises(StudyError, match="under way already"):
        asked(packed())


def test_a_name_taken_meanwhile_is_said(workers):
    run = asked(packed())
    workers.work()
    make_image_set("things")
    jobs.confirm(run)
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
    assert run.state == State.REVIEW


def test_a_refusal_that_comes_after_it_was_discarded_changes_nothing(workers, monkeypatch):
    run = asked(packed())
    listed = photographs.listed

    def discarded_meanwhile(source, *more):
        jobs.discard(Import.objects.get(pk=run.pk))
        listed(source, *more)
        raise StudyError("it is not what it was")

    monkeypatch.setattr(photographs, "listed", discarded_meanwhile)
    workers.work()
    run.refresh_from_db()
    assert (run.state, run.problem, run.files.count()) == (State.DISCARDED, "", 0)
    assert not Event.objects.filter(what="refused").exists()


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
    assert (run.state, "its worker crashed 3 times" in run.problem) == (State.REFUSED, True)


def test_a_full_disk_costs_nothing(workers, monkeypatch):
    run = asked(packed())
    full = OSError(28, "No space left on device")
    monkeypatch.setattr(storage, "store", lambda *_: (_ for _ in ()).throw(full))
    with pytest.raises(OSError, match="No space"):
        workers.answer()
    run.refresh_from_db()
    assert (run.state, run.attempts, "No space" in run.problem) == (State.WAITING, 0, True)
    monkeypatch.undo()
    jobs.run_import(run.pk)
    run.refresh_from_db()
    assert run.state == State.REVIEW


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


def test_what_is_offered_looks_like_an_image_set_is_not_too_deep_and_not_hidden(tmp_path, settings, monkeypatch):
    settings.IMPORT_FOLDERS = [tmp_path / "one", tmp_path / "two", tmp_path / "none"]
    sets = ["one/a/set", "one/b/c/set", "two/set"]
    for place in (*sets, "one/.hidden/set", "one/too/deep/for/set"):
        (tmp_path / place / "bell").mkdir(parents=True)
        (tmp_path / place / ".DS_Store").write_bytes(b"x")
    (tmp_path / "one" / "labelled").mkdir()
    (tmp_path / "one" / "labelled" / "labels.csv").write_text("file,label\n")
    (tmp_path / "one" / "mixed" / "bell").mkdir(parents=True)
    (tmp_path / "one" / "mixed" / "notes.txt").write_text("words")
    (tmp_path / "one" / "link").symlink_to(tmp_path / "two")
    offered = folders.image_folders()
    assert {str(tmp_path / place) for place in (*sets, "one/labelled")} <= set(offered)
    assert not [path for path in offered if re.search("hidden|mixed|link|for/set|none", path)]
    assert len(offered) == len(set(offered))
    # No more than so many, in their order.
    monkeypatch.setattr(folders, "OFFERED", 2)
    assert folders.image_folders() == offered[:2]


def test_module_files_are_offered_by_their_ending(tmp_path, settings):
    settings.MODULE_FOLDERS = [tmp_path]
    (tmp_path / "nets").mkdir()
    for name in ("net.py", "nets/other.py", "net.safetensors", ".hidden.py", "folder.py/x"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("")
    (tmp_path / "link.py").symlink_to(tmp_path / "net.py")
    assert folders.module_files(".py") == [str(tmp_path / name) for name in ("net.py", "nets/other.py")]
    assert folders.module_files(".safetensors") == [str(tmp_path / "net.safetensors")]


def test_an_allowed_folder_becomes_an_image_set(workers, folder):
    run = jobs.request_images("things", owner=None, folder=str(folder))
    workers.work()
    jobs.confirm(run)
    workers.work()
    run.refresh_from_db()
    assert (run.state, run.image_set.images.count()) == (State.DONE, 3)


def test_other_folders_are_refused_however_they_are_written(workers, folder):
    (folder.parent / "way-out").symlink_to(folder.parent.parent / "secret")
    for path in ("/etc", f"{folder.parent}/../secret", str(folder.parent / "way-out"), "", "a\0b", "x" * 5000):
        with pytest.raises(
            StudyError, match=r"in none of the folders|there is nothing there|no folder or file is named"
        ):
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


def came(folder: Path) -> None:
    (folder / "a" / "9.png").write_bytes(make_picture(9))


def went(folder: Path) -> None:
    (folder / "c" / "2.png").unlink()


def renamed(folder: Path) -> None:
    (folder / "c" / "2.png").rename(folder / "c" / "3.png")


def moved_to_another_class(folder: Path) -> None:
    (folder / "labels.csv").write_text("file,label\na/0.png,b\nb/1.png,a\nc/2.png,c\n")


@pytest.mark.parametrize("change", [came, went, renamed, moved_to_another_class])
def test_a_folder_that_changes_between_two_turns_is_refused_whole(workers, folder, monkeypatch, change):
    if change is moved_to_another_class:
        (folder / "labels.csv").write_text("file,label\na/0.png,a\nb/1.png,b\nc/2.png,c\n")
    monkeypatch.setattr(jobs, "TURN_SECONDS", -1)
    monkeypatch.setattr(jobs, "BATCH", 1)
    run = jobs.request_images("things", owner=None, folder=str(folder))
    workers.answer()
    run.refresh_from_db()
    assert (run.state, run.done) == (State.WAITING, 1)
    change(folder)
    workers.work()
    run.refresh_from_db()
    assert (run.state, run.files.count()) == (State.REFUSED, 0)
    assert run.problem == "files came or went while it was being looked at: begin again when it is complete"
    assert not ImageSet.objects.exists()


def test_a_folder_that_stays_as_it_is_is_imported_over_several_turns(workers, folder, monkeypatch):
    monkeypatch.setattr(jobs, "TURN_SECONDS", -1)
    monkeypatch.setattr(jobs, "BATCH", 1)
    run = jobs.request_images("things", owner=None, folder=str(folder))
    turns = 0
    while workers.messages:
        workers.answer()
        turns += 1
    run.refresh_from_db()
    assert (run.state, run.done, turns) == (State.REVIEW, 3, 4)
    jobs.confirm(run)
    workers.work()
    run.refresh_from_db()
    assert (run.state, run.image_set.images.count()) == (State.DONE, 3)


def test_links_and_pipes_in_a_folder_have_their_lines(workers, folder):
    (folder / "a" / "link.png").symlink_to("/etc/passwd")
    (folder / "linked").symlink_to("/etc")
    os.mkfifo(folder / "a" / "pipe.png")
    (folder / "d").mkdir()
    run = jobs.request_images("things", owner=None, folder=str(folder))
    workers.work()
    assert refused(run) == {
        "a/link.png": "is a link",
        "a/pipe.png": "is not a regular file",
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
