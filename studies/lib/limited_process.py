"""Runs a computation where it can be ended: in a process of its own, with a time limit, one at a time per person.

A page that simulates must not hold a thread of the web server for longer than it says, nor the processor that
participants' pages need. Threads cannot be ended, processes can. Nothing here needs Django.
"""

import importlib
import math
import multiprocessing
import os
import resource
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection
from pathlib import Path
from threading import BoundedSemaphore
from typing import Any

#: Loaded once by the process from which the others are forked, so that each of them begins at once.
PRELOADED = ["studies.lib.one_thread", "studies.analysis.plan_on_request"]
#: Computations of one web process at a time: its other threads are for participants.
AT_ONCE = 2
#: How long to wait for a place, in seconds, and how often to look whether a newer request has come.
WAIT_SECONDS, LOOK_SECONDS = 1.0, 0.1
#: Added to the niceness, so that pages come first; and the most memory for data, in bytes.
NICENESS, MEMORY = 10, 2 * 1024**3

_places = BoundedSemaphore(AT_ONCE)


class Unfinished(Exception):
    """The computation gave no result; the message says why, as part of a sentence."""


class OverLimit(Unfinished):
    """It took longer than its limit and was ended."""


class Superseded(Unfinished):
    """The same person asked for another one, which runs instead."""


class Busy(Unfinished):
    """Others have all the places, and none became free."""


def run(function: str, *args: Any, owner: str, folder: Path, seconds: float, places: BoundedSemaphore = _places) -> Any:
    """The value of `function`, named as `package.module:name`, of arguments that can be pickled.

    An exception that it raises is raised here. `owner` is who asks: a newer request of the same owner ends this one, in
    whichever web process of this machine it arrives; `folder` is where they see each other. Raises an Unfinished where
    there is no result after `seconds`, or none to wait for. `places`: how many of its kind run at a time.
    """
    with _newest(folder, owner) as is_newest:
        if not places.acquire(timeout=WAIT_SECONDS):
            raise Busy("the server is busy with other estimates; try again in a moment")
        try:
            return _result(function, args, is_newest, seconds)
        finally:
            places.release()


def _result(function: str, args: tuple[Any, ...], is_newest: Any, seconds: float) -> Any:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(PRELOADED)
    receiving, sending = context.Pipe(duplex=False)
    process = context.Process(target=_work, args=(sending, function, args, seconds), daemon=True)
    process.start()
    sending.close()
    try:
        end = time.monotonic() + seconds
        while not receiving.poll(LOOK_SECONDS):
            if not is_newest():
                raise Superseded("a newer request of yours took its place")
            if time.monotonic() > end:
                raise OverLimit(f"it takes longer than {seconds:g} seconds")
        try:
            value, error = receiving.recv()
        except EOFError:
            raise OverLimit("it needs more memory or time than a page may take") from None
    finally:
        process.kill()
        process.join()
        receiving.close()
    if error is not None:
        raise error
    return value


def _work(sending: Connection, function: str, args: tuple[Any, ...], seconds: float) -> None:
    """In the process of its own."""
    os.nice(NICENESS)
    # Also where the web process is gone and nobody ends this one.
    limit = math.ceil(seconds) + 1
    resource.setrlimit(resource.RLIMIT_CPU, (limit, limit))
    resource.setrlimit(resource.RLIMIT_DATA, (MEMORY, MEMORY))
    module, _colon, name = function.partition(":")
    try:
        sending.send((getattr(importlib.import_module(module), name)(*args), None))
    except MemoryError:
        sending.close()
    except Exception as error:
        sending.send((None, error))


@contextmanager
def _newest(folder: Path, owner: str) -> Iterator[Any]:
    """Within, the owner's newest request is this one; gives a function that says whether it still is."""
    mine, marker = uuid.uuid4().hex, folder / owner
    folder.mkdir(parents=True, exist_ok=True)
    marker.write_text(mine)

    def is_newest() -> bool:
        try:
            return marker.read_text() == mine
        except FileNotFoundError:
            return False

    try:
        yield is_newest
    finally:
        if is_newest():
            with suppress(FileNotFoundError):
                marker.unlink()
