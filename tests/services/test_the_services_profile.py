"""The processes of docker-compose.yml, without containers: web, worker, worker-gpu and beat.

PostgreSQL and Redis are real; moto stands for the bucket.
"""

import json
import logging
import os
import re
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
import redis
import yaml

from tests import requirements
from tests.services.conftest import ROOT, Installation
from tests.services.test_preparation_by_workers import PROGRAM, behind_a_relay, done

pytestmark = pytest.mark.services

COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
PORT = 8000


@pytest.fixture
def bucket():
    from moto.server import ThreadedMotoServer

    logging.getLogger("werkzeug").setLevel(logging.WARNING)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    yield "http://{}:{}".format(*server.get_host_and_port())
    server.stop()


def command_of(service: str) -> list[str]:
    """The program and its arguments, with the defaults of Compose's variables; the image's own where it gives none."""
    command = COMPOSE["services"][service].get("command")
    if command is None:
        return json.loads(re.search(r"^CMD (\[.*\])", (ROOT / "Dockerfile").read_text(), re.MULTILINE)[1])
    return re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", command).split()


@contextmanager
def running(service: str, environment: dict[str, str], log: Path, *, port: int = PORT) -> Iterator[None]:
    """The service's process, with this environment where Compose gives its own."""
    given = COMPOSE["services"][service]["environment"]
    assert set(environment) - {"DATA_DIR"} <= set(given) | {"DEVICE"}
    program, *arguments = command_of(service)
    arguments = [one.replace(f"0.0.0.0:{PORT}", f"127.0.0.1:{port}") for one in arguments]
    with log.open("ab") as out:
        process = subprocess.Popen(
            [Path(sys.executable).parent / program, *arguments],
            cwd=ROOT,
            env={**os.environ, **environment},
            stdout=out,
            stderr=out,
        )
        try:
            yield
            assert process.poll() is None, f"{service} ended: {log.read_text()[-3000:]}"
        finally:
            process.kill()
            process.wait()


def wait_for(what: str, there: Callable[[], Any], log: Path, seconds: float = 120) -> Any:
    until = time.monotonic() + seconds
    while not (found := there()):
        assert time.monotonic() < until, f"no {what} after {seconds} s: {log.read_text()[-3000:]}"
        time.sleep(0.2)
    return found


class KeepAddress(urllib.request.HTTPRedirectHandler):
    """Answers with the redirect instead of following it."""

    def redirect_request(self, *_: Any) -> None:
        return None


def get(address: str) -> tuple[int, Any, bytes]:
    try:
        with urllib.request.build_opener(KeepAddress).open(address, timeout=10) as answer:
            return answer.status, answer.headers, answer.read()
    except urllib.error.HTTPError as answer:
        return answer.code, answer.headers, b""
    except OSError:
        return 0, {}, b""


@pytest.mark.parametrize("installation", ["postgresql"], indirect=True)
def test_they_prepare_a_study_that_was_asked_for_while_the_queue_was_down_and_show_its_pictures(
    installation: Installation, bucket, tmp_path, unused_port
):
    log, port, logs = tmp_path / "processes.log", unused_port, {}
    query = urlencode({"endpoint_url": bucket, "region_name": "us-east-1"})
    services = {
        "BROKER_URL": requirements.redis_url(),
        "CACHE_URL": requirements.redis_url(),
        "STORAGE_URL": f"s3://key:secret@quorum?{query}",
        "PICTURES_URL": f"{bucket}/quorum",
        "SITE_URL": f"http://127.0.0.1:{port}",
        "ALLOWED_HOSTS": "127.0.0.1",
        "LOG_FORMAT": "json",
    }
    redis.Redis.from_url(services["BROKER_URL"]).flushdb()
    installation = replace(installation, environment={**installation.environment, **services})
    assert installation.manage("make_bucket") == "made the bucket\n"
    installation.manage("collectstatic", "--no-input", "--verbosity", "0")
    let_everybody_read_pictures(bucket)
    done(installation.run(*PROGRAM, "make", str(tmp_path / "source"), "--images", "40"))

    relay, installation = behind_a_relay(installation, "BROKER_URL")
    relay.cut()
    done(installation.run(*PROGRAM, "ask", "study"))
    assert "the queue of the workers cannot be reached" in installation.rows("SELECT problem FROM studies_study")[0][0]
    relay.mend()
    with ExitStack() as stack:
        for service, own in (("worker", {}), ("worker-gpu", {"DEVICE": "cpu"}), ("beat", {}), ("web", {})):
            environment = {**installation.environment, **own}
            logs[service] = log if service == "web" else tmp_path / f"{service}.log"
            stack.enter_context(running(service, environment, logs[service], port=port))
        ready = "SELECT link FROM studies_study WHERE state = 'ready'"
        wait_for("study that is ready", lambda: installation.rows(ready), log)
        found = json.loads(done(installation.run(*PROGRAM, "fingerprint")))
        assert found["spoilt"] == []
        assert list(found["artifacts"]) == ["done"]

        installation.manage("open_study", "study", "--anyway")
        site = f"http://127.0.0.1:{port}"
        ((link,),) = installation.rows("SELECT link FROM studies_study")
        status, _, page = wait_for("page", lambda: (found := get(f"{site}/s/{link}/"))[0] and found, log)
        assert status == 200
        assert b"I agree" in page
        # A style is named by its content, and kept for good.
        style = re.search(rb'href="(/static/participant/participant\.[0-9a-f]{12}\.css)"', page)[1].decode()
        status, headers, _ = get(f"{site}{style}")
        assert (status, "immutable" in headers["Cache-Control"]) == (200, True)
        ((shown,),) = installation.rows("SELECT shown FROM studies_stimulus WHERE number = 1")
        name = shown["picture"]["file"]
        status, headers, _ = get(f"{site}/pictures/{name}")
        assert (status, headers["Location"]) == (302, f"{bucket}/quorum/{name}")
        assert "immutable" in headers["Cache-Control"]
        status, headers, picture = get(headers["Location"])
        assert status == 200
        assert picture.startswith(b"\x89PNG")
        assert "immutable" in headers["Cache-Control"]
        ((files,),) = installation.rows("SELECT files FROM studies_artifact WHERE kind = 'prediction' LIMIT 1")
        assert get(f"{bucket}/quorum/{files['hidden']}")[0] == 403
    lines_of_workers_are_json_and_hold_ids_alone(logs)


def lines_of_workers_are_json_and_hold_ids_alone(logs: dict[str, Path]) -> None:
    """From the first on that is: before it, Celery may warn of who starts it."""
    said = {}
    for service in ("worker", "worker-gpu", "beat"):
        lines = logs[service].read_text().splitlines()
        begin = next(n for n, line in enumerate(lines) if line.startswith("{"))
        said[service] = [json.loads(line) for line in lines[begin:]]
        assert all({"time", "level", "logger", "message", "process"} <= one.keys() for one in said[service])
        # Neither what photographs are called nor what the study is.
        assert not re.search("grand_piano|fish|bell|study ", "\n".join(lines[begin:]))
    done = [one for one in said["worker"] + said["worker-gpu"] if one["logger"] == "celery.app.trace"]
    assert {one["task"] for one in done} >= {"studies.tasks.compute", "studies.tasks.prepare", "studies.tasks.sweep"}
    assert all(len(one["task_id"]) == 36 for one in done)
    assert any("sweep" in one["message"] for one in said["beat"])


def let_everybody_read_pictures(endpoint: str) -> None:
    """What docs/how-to/run-with-services.md says of a bucket that browsers are sent to."""
    import boto3

    policy = re.search(r"```json\n(.*?)```", (ROOT / "docs/how-to/run-with-services.md").read_text(), re.DOTALL)[1]
    keys = {"aws_access_key_id": "key", "aws_secret_access_key": "secret", "region_name": "us-east-1"}
    boto3.client("s3", endpoint_url=endpoint, **keys).put_bucket_policy(Bucket="quorum", Policy=policy)


@pytest.fixture
def unused_port() -> int:
    import socket

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]
