"""`make serve` and `make demo`: one command starts everything, says where it is once it answers, and ends it."""

import os
import random
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from config.environment import last_address
from studies.lib.errors import StudyError
from studies.operations import local_server

ROOT = Path(__file__).parents[3]


def free_port() -> int:
    """Below the ports that the system gives to whoever asks for any: the servers of other tests take those."""
    for port in random.sample(range(20_000, 32_000), 100):
        try:
            local_server.check_port(port)
        except StudyError:
            continue
        return port
    raise LookupError("no port is free")


def manage(*arguments: str, folder: Path, **variables: str) -> subprocess.Popen:
    kept = {name: value for name, value in os.environ.items() if name not in ("SITE_URL", "PORT")}
    return subprocess.Popen(
        [sys.executable, "manage.py", *arguments],
        cwd=ROOT,
        env={**kept, "DATA_DIR": str(folder), **variables},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def below(pid: int) -> Iterator[int]:
    """The processes that this one started, and those that they started, the nearest first."""
    for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
        yield int(child)
        yield from below(int(child))


def test_a_port_that_another_program_has_is_refused_with_another_one():
    with closing(socket.socket()) as other:
        other.bind((local_server.HOST, 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(StudyError) as refused:
            local_server.check_port(port)
    remedy = f"(address already in use); choose another one, for example PORT={port + 1}"
    assert str(refused.value) == f"port {port} cannot be used {remedy}"
    local_server.check_port(port)


def test_what_is_no_port_is_refused(tmp_path):
    with pytest.raises(StudyError, match="PORT must be at most 65535, not 70000"):
        local_server.check_port(70_000)
    served = manage("serve", folder=tmp_path, PORT="abc")
    assert served.communicate(timeout=120)[1] == "A setting is wrong: PORT must be a whole number above 0, not 'abc'.\n"
    assert served.returncode == 1


def test_the_demo_looks_at_the_port_before_it_draws(tmp_path):
    with closing(socket.socket()) as other:
        other.bind((local_server.HOST, 0))
        other.listen()
        demo = manage("demo", "--serve", folder=tmp_path, PORT=str(other.getsockname()[1]))
        said, complaint = demo.communicate(timeout=120)
    assert (demo.returncode, said, complaint.count("\n")) == (1, "", 1)
    assert "choose another one" in complaint
    assert not (tmp_path / "toybox").exists()


def test_a_server_starts_is_found_by_other_commands_and_ends_whole(tmp_path):
    assert manage("migrate", folder=tmp_path).wait(180) == 0
    assert last_address(tmp_path) == ""
    address = f"http://127.0.0.1:{(port := free_port())}"
    server = manage("serve", folder=tmp_path, PORT=str(port))
    said = [server.stdout.readline() for _ in range(7)]
    assert f"  Research    {address}/admin/\n" in said
    try:
        with urllib.request.urlopen(f"{address}/healthz") as answer:
            assert answer.status == 200
    except OSError as error:
        raise AssertionError((tmp_path / local_server.LOG).read_text()) from error
    # As another terminal reads it.
    assert last_address(tmp_path) == address
    server.send_signal(signal.SIGINT)
    rest, complaint = server.communicate(timeout=60)
    assert (server.returncode, rest.strip(), complaint) == (0, "Ended.", "")
    local_server.check_port(port)


def test_a_server_that_ends_at_once_says_why(tmp_path):
    server = manage("serve", folder=tmp_path, PORT=str(free_port()), WEB_CONCURRENCY="many")
    _, complaint = server.communicate(timeout=180)
    assert server.returncode == 1
    assert complaint.startswith("CommandError: the server ended at once: ")
    assert complaint.count("\n") == 1


def test_a_server_whose_processes_end_later_says_so_and_ends_too(tmp_path):
    assert manage("migrate", folder=tmp_path).wait(180) == 0
    server = manage("serve", folder=tmp_path, PORT=str(free_port()))
    assert [server.stdout.readline() for _ in range(7)][-1] == "\n"
    os.kill(
        next(pid for pid in below(server.pid) if b"gunicorn: master" in Path(f"/proc/{pid}/cmdline").read_bytes()),
        signal.SIGTERM,
    )
    rest, complaint = server.communicate(timeout=60)
    assert (server.returncode, rest, complaint.count("\n")) == (1, "", 1)
    assert complaint.startswith("CommandError: the server ended: ")
