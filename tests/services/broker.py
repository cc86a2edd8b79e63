"""A Redis of one's own, which may be killed and comes back empty."""

import shutil
import socket
import subprocess
import tempfile
import time
from contextlib import suppress
from pathlib import Path

import redis

from tests import requirements


class Broker:
    """Runs while the block does, on `port`; keeps nothing on the disk, so that killing it loses every message."""

    def __init__(self) -> None:
        if not shutil.which("redis-server"):
            requirements.missing("no redis-server", "Install redis-server.")
        with socket.create_server(("127.0.0.1", 0)) as listener:
            self.port = listener.getsockname()[1]

    def __enter__(self) -> "Broker":
        self._folder = Path(tempfile.mkdtemp(prefix="broker-"))
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()
        shutil.rmtree(self._folder, ignore_errors=True)

    def url(self, database: int = 0) -> str:
        return f"redis://127.0.0.1:{self.port}/{database}"

    def start(self) -> None:
        words = ["--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
        self._process = subprocess.Popen(
            ["redis-server", *words, "--dir", str(self._folder)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        end = time.monotonic() + 20
        while time.monotonic() < end:
            with suppress(redis.RedisError), redis.Redis.from_url(self.url()) as there:
                there.ping()
                return
            time.sleep(0.05)
        raise SystemExit("redis-server does not answer")

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()
