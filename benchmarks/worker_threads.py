"""Workers with one thread each, the default number, and all processors, beside a web server that people use.

    python -m benchmarks.worker_threads [--workers 4] [--seconds 10] [--clients 8]

For one to `--workers` workers and each number of threads: forward and backward passes of ResNet-18 a second (random
weights, eight images of 224 × 224), of all workers together, while a web server of a data folder of its own answers
`--clients` clients that ask it for `/readyz` one after the other; and the median and 95th percentile of their waiting.
Prints a JSON line each. To be run on a machine that does nothing else.
"""

import argparse
import json
import multiprocessing
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from pathlib import Path

from config.processors import processors, threads_of_a_worker

ROOT = Path(__file__).parent.parent
BATCH, WARM_UP = 8, 2


def work(threads: int, begin, end: float, counts) -> None:
    """One worker: passes until the time is over; puts how many a second."""
    import torch
    from torchvision.models import resnet18

    torch.set_num_threads(threads)
    network = resnet18().eval().requires_grad_(False)
    images = torch.rand(BATCH, 3, 224, 224)

    def one_pass() -> None:
        pixels = images.clone().requires_grad_(True)
        torch.autograd.grad(network(pixels).sum(), pixels)

    for _ in range(WARM_UP):
        one_pass()
    begin.wait()
    started, passes = time.monotonic(), 0
    while time.monotonic() < started + end:
        one_pass()
        passes += 1
    counts.put(BATCH * passes / (time.monotonic() - started))


def ask(address: str, until: threading.Event, waited: list[float]) -> None:
    while not until.is_set():
        start = time.perf_counter()
        urllib.request.urlopen(address, timeout=60).read()
        waited.append(time.perf_counter() - start)


def measured(workers: int, threads: int, seconds: float, clients: int, address: str) -> dict:
    context = multiprocessing.get_context("spawn")
    begin, counts = context.Barrier(workers + 1), context.Queue()
    started = [context.Process(target=work, args=(threads, begin, seconds, counts)) for _ in range(workers)]
    for process in started:
        process.start()
    begin.wait()
    over, waited = threading.Event(), []
    asking = [threading.Thread(target=ask, args=(address, over, waited)) for _ in range(clients)]
    for thread in asking:
        thread.start()
    passes = [counts.get() for _ in range(workers)]
    over.set()
    for one in [*asking, *started]:
        one.join()
    milliseconds = [1000 * one for one in waited]
    return {
        "workers": workers,
        "threads": threads,
        "images_per_s": round(sum(passes), 2),
        "web_p50_ms": round(statistics.median(milliseconds), 1),
        "web_p95_ms": round(statistics.quantiles(milliseconds, n=20)[-1], 1),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in {"workers": 4, "seconds": 10, "clients": 8}.items():
        parser.add_argument(f"--{name}", type=int, default=default)
    given = parser.parse_args()
    cores = processors()
    with tempfile.TemporaryDirectory() as folder, socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
        free.close()
        environment = {**os.environ, "DATA_DIR": folder}
        subprocess.run([sys.executable, "manage.py", "migrate", "-v0"], cwd=ROOT, env=environment, check=True)
        command = [sys.executable, "-m", "gunicorn", "config.wsgi", "--bind", f"127.0.0.1:{port}"]
        command += ["--workers", "2", "--threads", "4", "--log-level", "warning", "--no-control-socket"]
        web = subprocess.Popen(command, cwd=ROOT, env=environment)
        try:
            address = f"http://127.0.0.1:{port}/readyz"
            _wait_for(address)
            for workers in range(1, given.workers + 1):
                default = threads_of_a_worker(cores, workers)
                for threads in sorted({1, default, cores}):
                    row = measured(workers, threads, given.seconds, given.clients, address)
                    print(json.dumps({"benchmark": "worker_threads", "cores": cores, "default": default, **row}))
        finally:
            web.terminate()
            web.wait()


def _wait_for(address: str) -> None:
    until = time.monotonic() + 120
    while time.monotonic() < until:
        try:
            urllib.request.urlopen(address, timeout=5).read()
            return
        except OSError:
            time.sleep(0.2)
    raise SystemExit(f"{address} does not answer")


if __name__ == "__main__":
    main()
