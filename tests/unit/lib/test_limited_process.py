"""What a page has computed runs in a process that is ended: by its limit, by a newer request, never by luck."""

import os
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from studies.lib import limited_process
from studies.lib.limited_process import Busy, OverLimit, Superseded, run

#: Nothing here waits for it.
FOR_EVER = 600


def slow(name: str) -> str:
    return f"tests.slow_functions:{name}"


def started(file: Path) -> int:
    """The process that has written its number there."""
    for _ in range(600):
        if file.exists() and (text := file.read_text()):
            return int(text)
        time.sleep(0.1)
    raise TimeoutError(file)


def is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_a_value_comes_from_another_process_that_gives_way_to_pages(tmp_path):
    folder = tmp_path / "estimates"
    pid = run(slow("process"), str(tmp_path / "pid"), owner="ada", folder=folder, seconds=FOR_EVER)
    assert pid != os.getpid()
    assert not is_running(pid)
    assert run(slow("niceness"), owner="ada", folder=folder, seconds=FOR_EVER) == min(19, os.nice(0) + 10)
    assert list(folder.iterdir()) == []


def test_what_takes_too_long_is_ended(tmp_path):
    with pytest.raises(OverLimit, match="longer than 1 seconds"):
        run(slow("process"), str(tmp_path / "pid"), FOR_EVER, owner="ada", folder=tmp_path / "estimates", seconds=1)
    assert not (tmp_path / "pid").exists() or not is_running(started(tmp_path / "pid"))


def test_what_wants_too_much_memory_is_ended(tmp_path):
    with pytest.raises(OverLimit, match="more memory"):
        run(slow("hoard"), owner="ada", folder=tmp_path / "estimates", seconds=FOR_EVER)


def test_its_complaints_are_raised_here(tmp_path):
    with pytest.raises(ValueError, match="such a thing"):
        run(slow("complain"), "such a thing", owner="ada", folder=tmp_path / "estimates", seconds=FOR_EVER)


def test_a_newer_request_of_the_same_person_ends_the_older_one_and_nobody_elses(tmp_path):
    folder = tmp_path / "estimates"
    with ThreadPoolExecutor(2) as threads:
        old = threads.submit(
            run, slow("process"), str(tmp_path / "old"), FOR_EVER, owner="ada", folder=folder, seconds=FOR_EVER
        )
        pid = started(tmp_path / "old")
        run(slow("process"), str(tmp_path / "other"), owner="bob", folder=folder, seconds=FOR_EVER)
        assert not old.done()
        run(slow("process"), str(tmp_path / "new"), owner="ada", folder=folder, seconds=FOR_EVER)
        with pytest.raises(Superseded):
            old.result(timeout=FOR_EVER)
    assert not is_running(pid)


def test_a_request_at_another_web_process_ends_the_older_one_too(tmp_path):
    folder = tmp_path / "estimates"
    with ThreadPoolExecutor(1) as threads:
        old = threads.submit(
            run, slow("process"), str(tmp_path / "old"), FOR_EVER, owner="ada", folder=folder, seconds=FOR_EVER
        )
        started(tmp_path / "old")
        # What the other process leaves in the folder that both see.
        (folder / "ada").write_text("another request")
        with pytest.raises(Superseded):
            old.result(timeout=FOR_EVER)
    assert (folder / "ada").read_text() == "another request"


def test_threads_are_left_for_participants(tmp_path, monkeypatch):
    monkeypatch.setattr(limited_process, "WAIT_SECONDS", 0.1)
    folder, people = tmp_path / "estimates", [f"person-{n}" for n in range(limited_process.AT_ONCE)]
    with ThreadPoolExecutor(len(people)) as threads:
        running = [
            threads.submit(
                run, slow("process"), str(tmp_path / one), FOR_EVER, owner=one, folder=folder, seconds=FOR_EVER
            )
            for one in people
        ]
        for one in people:
            started(tmp_path / one)
        with pytest.raises(Busy):
            run(slow("process"), str(tmp_path / "late"), owner="late", folder=folder, seconds=FOR_EVER)
        assert not (tmp_path / "late").exists()
        for one in people:
            (folder / one).write_text("enough")
        assert all(isinstance(one.exception(timeout=FOR_EVER), Superseded) for one in running)
