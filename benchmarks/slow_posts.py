"""Slow POSTs of one stranger against the documented deployment: what visitors notice of them.

    .venv/bin/python -m benchmarks.slow_posts
    .venv/bin/python -m benchmarks.slow_posts --control

Starts nginx with the configuration of docs/how-to/deploy.md (no certificate, a port of its own) and the server of
the Procfile behind it.  A stranger, at an address of their own, holds so many connections to each address that takes a
body, and sends a byte a second of a form with an invented CSRF cookie; visitors at another address open a study's link
meanwhile.  Prints one JSON line: for each address, how many visitors were served, their milliseconds, how many were
not, and what became of the stranger's connections.  Ends with status 1 where a visitor was not served.
--control: the same without limits in nginx and with bodies read for strangers, as it was; there visitors wait in vain.
nginx: Debian's package nginx-light.
"""

import argparse
import asyncio
import json
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path
from socket import create_server

from tests.services.conftest import installed
from tests.services.serving import Server

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "how-to" / "deploy.md"
STRANGER, VISITOR = "127.0.0.2", "127.0.0.3"
#: Every kind of address that takes a body; the link is filled in.
ADDRESSES = {
    "upload": "/admin/studies/imageset/add/",
    "login": "/admin/login/",
    "study": "/s/{link}/",
    "participant": "/t/nobody/",
    "withdrawing": "/s/{link}/withdraw/",
}
TIMEOUT = 8
LENGTH = 500_000


def documented() -> str:
    """The site's configuration for nginx, as the page has it."""
    return re.search(r"^```nginx\n(.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL)[1]


def configuration(folder: Path, port: int, behind: int, *, limits: bool) -> str:
    """The same for this machine: another port, no certificate, no redirect to one."""
    zones, _first, site = re.split(r"^server \{", documented(), flags=re.MULTILINE)
    site = re.sub(r"listen 443 ssl;", f"listen 127.0.0.1:{port};", site)
    site = re.sub(r"^\s*ssl_.*\n", "", site, flags=re.MULTILINE).replace("127.0.0.1:8000", f"127.0.0.1:{behind}")
    site = site.replace("server_name studies.example.org;", "server_name _;").replace("/var/log/nginx", str(folder))
    zones = zones.split("# Requests without https")[0]
    if not limits:
        zones, site = "", re.sub(r"^\s*(limit_conn|client_\w+_timeout|send_timeout).*\n", "", site, flags=re.MULTILINE)
    temporary = "".join(
        f"{kind}_temp_path {folder}/{kind};\n" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    return (
        f"daemon off;\npid {folder}/pid;\nerror_log {folder}/error.log;\nevents {{ worker_connections 2048; }}\n"
        f"http {{\n{temporary}{zones}\nserver {{{site}\n}}\n"
    )


class Stranger:
    """So many connections at once to one address, each with a form that comes a byte a second."""

    def __init__(self, port: int, path: str, cookie: str, connections: int):
        self.port, self.path, self.cookie, self.connections = port, path, cookie, connections
        self.ends: Counter[str] = Counter()
        self.open = 0

    async def run(self) -> None:
        await asyncio.gather(*(self._hold() for _ in range(self.connections)))

    async def _hold(self) -> None:
        head = (
            f"POST {self.path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-www-form-urlencoded\r\n"
            f"Cookie: {self.cookie}={'a' * 32}\r\nContent-Length: {LENGTH}\r\n\r\ncsrfmiddlewaretoken="
        )
        while True:
            try:
                reader, writer = await asyncio.open_connection("127.0.0.1", self.port, local_addr=(STRANGER, 0))
            except OSError:
                self.ends["refused"] += 1
                await asyncio.sleep(0.5)
                continue
            self.open += 1
            try:
                writer.write(head.encode())
                answer = asyncio.create_task(reader.readline())
                while not answer.done():
                    writer.write(b"a")
                    await writer.drain()
                    await asyncio.wait([answer], timeout=1)
                self.ends[([*answer.result().decode().split(), "", "closed"])[1] or "closed"] += 1
            except OSError:
                self.ends["closed"] += 1
            finally:
                self.open -= 1
                writer.close()
            await asyncio.sleep(0.5)


async def visit(port: int, path: str) -> float | None:
    """Milliseconds until a visitor had the page; None where they had none."""
    start = time.perf_counter()
    try:
        async with asyncio.timeout(TIMEOUT):
            reader, writer = await asyncio.open_connection("127.0.0.1", port, local_addr=(VISITOR, 0))
            writer.write(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
            page = await reader.read()
            writer.close()
    except (OSError, TimeoutError):
        return None
    return 1000 * (time.perf_counter() - start) if page.startswith(b"HTTP/1.1 200") else None


async def visitors(port: int, path: str, seconds: float) -> dict:
    """Five a second, whatever becomes of those before."""
    coming = []
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        coming.append(asyncio.create_task(visit(port, path)))
        await asyncio.sleep(0.2)
    all_of_them = await asyncio.gather(*coming)
    took = sorted(one for one in all_of_them if one is not None)
    figures = {"median_ms": round(statistics.median(took)), "longest_ms": round(took[-1])} if took else {}
    return {"came": len(all_of_them), "not_served": len(all_of_them) - len(took), **figures}


async def cookie_name(port: int) -> str:
    """What the admin calls the cookie of its forms, which anyone can read off the login."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET /admin/login/ HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
    page = (await reader.read()).decode()
    writer.close()
    return re.search(r"^set-cookie: (\w*csrf\w*)=", page, re.MULTILINE | re.IGNORECASE)[1]


async def attack(port: int, path: str, link: str, given: argparse.Namespace) -> dict:
    stranger = Stranger(port, path, await cookie_name(port), given.connections)
    running = asyncio.create_task(stranger.run())
    await asyncio.sleep(3)
    found = await visitors(port, link, given.seconds)
    found["stranger"] = {"open": stranger.open, "ends": dict(stranger.ends)}
    running.cancel()
    with suppress(asyncio.CancelledError):
        await running
    return found


async def measure(port: int, link: str, given: argparse.Namespace) -> dict[str, dict]:
    join = f"/s/{link}/"
    found = {"nobody attacks": await visitors(port, join, given.seconds)}
    for name, path in ADDRESSES.items():
        found[name] = await attack(port, path.format(link=link), join, given)
        # What the program still reads of an attack that has ended is not the next one's.
        await asyncio.sleep(2)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--connections", type=int, default=220)
    parser.add_argument("--seconds", type=float, default=10, help="Of visitors, for each address.")
    parser.add_argument("--control", action="store_true")
    given = parser.parse_args()
    nginx = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
    if not nginx:
        raise SystemExit("nginx is missing: apt-get install nginx-light")
    with tempfile.TemporaryDirectory(prefix="quorum-slow-posts-") as place, installed("sqlite", Path(place)) as here:
        folder = Path(place)
        opened = here.run("-m", "tests.services.opening", "--stimuli", "20", "--panel", "50", timeout=600)
        if opened.returncode:
            raise SystemExit(opened.stderr)
        application = "tests.services.reading_bodies" if given.control else ""
        with Server(here.environment, folder / "server.log", application=application) as server:
            with create_server(("127.0.0.1", 0)) as listener:
                port = listener.getsockname()[1]
            (folder / "nginx.conf").write_text(configuration(folder, port, server.port, limits=not given.control))
            proxy = subprocess.Popen([nginx, "-p", place, "-c", str(folder / "nginx.conf")])
            try:
                time.sleep(1)
                if proxy.poll() is not None:
                    raise SystemExit((folder / "error.log").read_text()[-2000:])
                found = asyncio.run(measure(port, opened.stdout.strip(), given))
            finally:
                proxy.terminate()
                proxy.wait(timeout=20)
    print(json.dumps({"connections": given.connections, "control": given.control, "visitors": found}))
    if not given.control and any(one["not_served"] for one in found.values()):
        sys.exit(1)


if __name__ == "__main__":
    main()
