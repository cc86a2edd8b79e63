"""Workers compute with as many threads as they have processors to themselves."""

import os
import subprocess
import sys

import pytest

from config import processors as counting

WORKER = """
import config.celery as module
from celery.worker import WorkController
worker = WorkController(app=module.app, pool="solo", hostname="t@t", queues=["default"], quiet=True)
import os, torch
print(torch.get_num_threads(), os.environ["OPENBLAS_NUM_THREADS"], os.environ["MKL_NUM_THREADS"])
"""


@pytest.mark.parametrize(
    ("processors", "workers", "threads"),
    [(1, 1, 1), (2, 1, 1), (2, 2, 1), (4, 1, 3), (8, 2, 3), (16, 4, 3), (16, 1, 15), (4, 9, 1)],
)
def test_workers_share_all_processors_but_one(processors, workers, threads):
    assert counting.threads_of_a_worker(processors, workers) == threads


@pytest.mark.parametrize(
    ("text", "expected"), [("150000 100000", 1), ("50000 100000", 1), ("max 100000", 7), ("", 7), ("300000 100000", 3)]
)
def test_a_containers_limit_counts(tmp_path, monkeypatch, text, expected):
    (tmp_path / "cpu.max").write_text(text)
    monkeypatch.setattr(counting, "CGROUP_LIMIT", tmp_path / "cpu.max")
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(7)), raising=False)
    assert counting.processors() == expected


def started(tmp_path, program: str, **variables: str) -> subprocess.CompletedProcess:
    names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "WORKER_THREADS")
    environment = {name: value for name, value in os.environ.items() if name not in names}
    environment |= {"DATA_DIR": str(tmp_path), "DJANGO_SETTINGS_MODULE": "config.settings", **variables}
    return subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True)


@pytest.mark.parametrize(
    ("variables", "threads"),
    [
        ({"WORKER_THREADS": "1"}, 1),
        ({"WORKER_THREADS": "2"}, 2),
        ({"WORKER_THREADS": "2", "OMP_NUM_THREADS": "1"}, 1),
        ({"WORKER_THREADS": "1", "OMP_NUM_THREADS": "2,1"}, 2),
    ],
)
def test_a_worker_computes_with_as_many_threads_as_the_setting_says(tmp_path, variables, threads):
    done = started(tmp_path, WORKER, **variables)
    # torch takes no more threads than there are processors.
    at_most = min(threads, os.cpu_count() or 1)
    assert done.stdout.split()[-3:] == [str(at_most), str(threads), str(threads)], done.stderr
    assert f"computing with {threads} threads" in done.stderr


@pytest.mark.parametrize("name", ["WORKER_THREADS", "WORKERS_HERE"])
@pytest.mark.parametrize("value", ["0", "-1", "many", "1.5"])
def test_a_number_that_is_none_is_one_line(tmp_path, name, value):
    program = "import sys; sys.argv[1:] = ['check']; import manage; manage.main()"
    done = started(tmp_path, program, **{name: value})
    assert done.returncode == 1
    assert f"{name} must be a whole number above 0, not {value!r}" in done.stderr
    assert "Traceback" not in done.stderr
