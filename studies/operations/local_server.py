"""Everything on one machine: the web server, a worker and its clock, started together and ended together."""

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings

from studies.lib.errors import StudyError

#: In the data folder: where the server was last started, and what it writes.
ADDRESS, LOG = "address", "server.log"
HOST, LAST_PORT = "127.0.0.1", 65_535
#: How long the first page may take, and how long the processes may take to end.
START_SECONDS, STOP_SECONDS = 120, 15


def check_port(port: int) -> None:
    """StudyError where there is no such port, or another program listens at it already."""
    if port > LAST_PORT:
        raise StudyError(f"PORT must be at most {LAST_PORT}, not {port}")
    with socket.socket() as listener:
        # As the web server does: a port that was in use a moment ago is free.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((HOST, port))
        except OSError as error:
            remedy = f"choose another one, for example PORT={port + 1}"
            raise StudyError(f"port {port} cannot be used ({error.strerror.lower()}); {remedy}") from None


@dataclass(frozen=True)
class LocalServer:
    """Processes that answer at `address` and write to `log`."""

    address: str
    log: Path
    processes: subprocess.Popen

    def wait(self) -> None:
        """Until Ctrl-C, or until this process is told to end: then KeyboardInterrupt.

        StudyError, with the last line of the log, where the processes end by themselves.
        """
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        self.processes.wait()
        raise StudyError(f"the server ended: {_last_line(self.log)} ({self.log} has the rest)")


@contextmanager
def running(port: int) -> Iterator[LocalServer]:
    """The processes of the Procfile, up and answering. They end with the block.

    Their output goes to a file of the data folder.  StudyError, with the last line of it, where they end by themselves.
    """
    check_port(port)
    own = f"http://{HOST}:{port}"
    address = settings.OWN_SITE_URL or own
    log = Path(settings.DATA_DIR) / LOG
    # The processes read it there, as commands in other terminals do.
    (Path(settings.DATA_DIR) / ADDRESS).write_text(address + "\n")
    honcho = Path(sys.executable).with_name("honcho")
    with log.open("ab") as output:
        processes = subprocess.Popen(  # noqa: S603 - our own program, by its path
            [sys.executable, str(honcho), "start", "--port", str(port), "--no-colour"],
            cwd=settings.BASE_DIR,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    try:
        _wait(processes, own, log)
        yield LocalServer(address, log, processes)
    finally:
        _end(processes)


def _wait(processes: subprocess.Popen, address: str, log: Path) -> None:
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end:
        if processes.poll() is not None:
            raise StudyError(f"the server ended at once: {_last_line(log)} ({log} has the rest)")
        try:
            urllib.request.urlopen(f"{address}/healthz", timeout=5).close()  # noqa: S310 - our own address
            return
        except (urllib.error.URLError, OSError):
            time.sleep(0.2)
    raise StudyError(f"the server did not answer within {START_SECONDS} seconds ({log} says why)")


def _last_line(log: Path) -> str:
    lines = [line for line in log.read_text(errors="replace").splitlines() if line.strip()]
    return lines[-1] if lines else "it wrote nothing"


def _end(processes: subprocess.Popen) -> None:
    processes.send_signal(signal.SIGTERM)
    try:
        processes.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        os.killpg(processes.pid, signal.SIGKILL)
        processes.wait()
