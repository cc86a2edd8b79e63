"""A PostgreSQL server of one's own, which may be crashed and comes back."""

import os
import shlex
import shutil
import socket
import subprocess
import tempfile
from contextlib import suppress
from pathlib import Path

from tests import requirements


def programs() -> Path:
    """Where initdb and pg_ctl are; Debian keeps them off the path."""
    places = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda place: int(place.parent.name))
    if found := shutil.which("initdb"):
        return Path(found).parent
    if not places:
        requirements.missing("no initdb", "Install postgresql.")
    return places[-1]


class Cluster:
    """Runs while the block does, on `port`.  settings: lines of its configuration, over the durable defaults."""

    def __init__(self, *settings: str):
        self._settings = settings

    def __enter__(self) -> "Cluster":
        self._bin = programs()
        self._folder = Path(tempfile.mkdtemp(prefix="cluster-"))
        if os.geteuid() == 0:
            # PostgreSQL refuses to run as root.
            shutil.chown(self._folder, "postgres", "postgres")
        with socket.create_server(("127.0.0.1", 0)) as listener:
            self.port = listener.getsockname()[1]
        data = self._folder / "data"
        self._run("initdb", "--auth", "trust", "--username", "postgres", "--encoding", "UTF8", "-D", str(data))
        lines = [
            f"port = {self.port}",
            "listen_addresses = '127.0.0.1'",
            f"unix_socket_directories = '{self._folder}'",
            *self._settings,
        ]
        with (data / "postgresql.conf").open("a") as file:
            file.write("\n".join(lines) + "\n")
        self._control("start")
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(SystemExit):  # a test may have stopped it
            self._control("stop", "-m", "immediate")
        shutil.rmtree(self._folder, ignore_errors=True)

    def url(self, name: str = "postgres") -> str:
        return f"postgresql://postgres@127.0.0.1:{self.port}/{name}"

    def crash(self) -> None:
        """Every process of the server ends at once, without tidying up; then it starts again, from its log."""
        self._control("restart", "-m", "immediate")

    def stop(self) -> None:
        """As for an update: whoever is connected is sent away."""
        self._control("stop", "-m", "fast")

    def start(self) -> None:
        self._control("start")

    def _control(self, *what: str) -> None:
        log = str(self._folder / "log")
        self._run("pg_ctl", *what, "-w", "-D", str(self._folder / "data"), "-l", log)

    def _run(self, program: str, *words: str) -> None:
        command = shlex.join([str(self._bin / program), *words])
        run = ["su", "postgres", "-c", command] if os.geteuid() == 0 else ["sh", "-c", command]
        done = subprocess.run(run, cwd="/", stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, timeout=120)
        if done.returncode:
            raise SystemExit(f"{program}: {done.stderr[-2000:]}")
