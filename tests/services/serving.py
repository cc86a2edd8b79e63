"""The production server of an installation, as the Procfile starts it; its processes may be killed."""

import os
import shlex
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent


def procfile() -> list[str]:
    """The words of the Procfile's web line: the one place that says how many processes and threads there are."""
    lines = (ROOT / "Procfile").read_text().splitlines()
    line = next(line.removeprefix("web:") for line in lines if line.startswith("web:"))
    return shlex.split(line)


def count(option: str) -> int:
    """How many `--workers` or `--threads` the Procfile has."""
    words = procfile()
    return int(words[words.index(option) + 1])


class Server:
    """Answers on `port` from when the block begins; stopped when it ends.

    application: another WSGI application than the Procfile's, for negative controls.
    """

    def __init__(
        self,
        environment: dict[str, str],
        log: Path,
        *,
        workers: int | None = None,
        threads: int | None = None,
        application: str = "",
    ):
        with socket.create_server(("127.0.0.1", 0)) as listener:
            self.port = listener.getsockname()[1]
        self.workers, self.threads = workers or count("--workers"), threads or count("--threads")
        instead = {"--workers": str(self.workers), "--threads": str(self.threads)}
        words = procfile()
        for name, value in instead.items():
            words[words.index(name) + 1] = value
        words = [word.replace("$PORT", str(self.port)) for word in words]
        if application:
            words[words.index("config.wsgi")] = application
        # The same program of this interpreter, wherever the environment lies.
        self._command = [sys.executable, "-m", "gunicorn", *words[1:]]
        self._environment = {**os.environ, **environment}
        self.log = log

    def __enter__(self) -> "Server":
        self._start()
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        try:
            self._process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            self._kill_all()

    def _start(self) -> None:
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command, cwd=ROOT, env=self._environment, stdout=log, stderr=log, start_new_session=True
            )
        end = time.monotonic() + 60
        while time.monotonic() < end:
            if self._process.poll() is not None:
                raise SystemExit(f"the server did not start:\n{self.log.read_text()[-3000:]}")
            with suppress(OSError), socket.create_connection(("127.0.0.1", self.port), timeout=30) as connection:
                connection.sendall(b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")
                if connection.recv(12) == b"HTTP/1.1 200":
                    return
            time.sleep(0.05)
        raise SystemExit("the server does not answer")

    def children(self) -> list[int]:
        """The processes that answer requests; the one that starts them is not among them."""
        found = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children").read_text()
        return [int(word) for word in found.split()]

    def processor_seconds(self) -> float:
        """What the processes that answer requests have spent so far."""
        stats = (Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split() for pid in self.children())
        return sum(int(words[11]) + int(words[12]) for words in stats) / os.sysconf("SC_CLK_TCK")

    @property
    def pid(self) -> int:
        """The process that starts the others."""
        return self._process.pid

    def kill_all_but(self, spared: int) -> int:
        """SIGKILL for those that answer requests, save one.  How many there were."""
        return self._kill_each(pid for pid in self.children() if pid != spared)

    def kill_children(self) -> int:
        """SIGKILL for all that answer requests, at once; others come in their place.  How many there were."""
        return self._kill_each(self.children())

    @staticmethod
    def _kill_each(pids: Iterable[int]) -> int:
        killed = 0
        for pid in pids:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
                killed += 1
        return killed

    def reload(self) -> None:
        """SIGHUP: new processes take over, the old ones finish what they are at and go."""
        os.kill(self._process.pid, signal.SIGHUP)

    def stop_and_restart(self) -> int:
        """SIGTERM, as a process manager stops it, and another server on the same port.  How the first one ended."""
        self._process.terminate()
        ended = self._process.wait(timeout=40)
        self._start()
        return ended

    def kill_and_restart(self) -> int:
        """SIGKILL for every process of the server, at once, and another server on the same port."""
        killed = len(self.children()) + 1
        self._kill_all()
        self._start()
        return killed

    def _kill_all(self) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
