"""A shard of a list of work that is killed at random, again and again, and ends with the same bytes.

    python -m benchmarks.killed_shards [--kills 20] [--images 2600] [--seed 0]

Makes a study of drawn pixels with a small, slow network in a data folder of its own, and lists its work. A process
computes it undisturbed; others are killed (SIGKILL) at a random moment while they are at work. Prints one JSON line:
how many results were on the disk at each kill, and whether both files of the shard have the SHA-256 of the undisturbed.
Ends with status 1 where they have not. Two to five minutes.
"""

import argparse
import hashlib
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parent.parent


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in {"kills": 20, "images": 2600, "seed": 0}.items():
        parser.add_argument(f"--{name}", type=int, default=default)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        environment = {**os.environ, "DATA_DIR": str(folder / "data"), "OMP_NUM_THREADS": "1"}
        made = [sys.executable, "-m", "tests.services.preparing", "make", str(folder), "--fault", "slow"]
        subprocess.run([*made, "--images", str(given.images)], cwd=ROOT, env=environment, check=True)
        with (folder / "work.jsonl").open("w") as work:
            listing = [sys.executable, "manage.py", "list_work", "study"]
            subprocess.run(listing, cwd=ROOT, env=environment, stdout=work, check=True)

        def start(out: str) -> subprocess.Popen[bytes]:
            command = [sys.executable, "-m", "explainers", "compute", str(folder / "work.jsonl")]
            command += ["--out", str(folder / out), "--device", "cpu"]
            return subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL)

        assert start("whole").wait() == 0, "the undisturbed process failed"
        left = _killed(start, folder / "killed", given.kills, random.Random(given.seed))
        assert start("killed").wait() == 0, "the last process failed"
        same = _bytes_of(folder / "whole") == _bytes_of(folder / "killed")
    print(json.dumps({"benchmark": "killed_shards", **vars(given), "results_when_killed": left, "same": same}))
    return 0 if same and len(left) == given.kills else 1


def _killed(start, out: Path, kills: int, dice: random.Random) -> list[int]:
    """How many lines the index had at each kill; fewer than `kills` where the shard was finished before."""
    index, left = out / "shard-1-of-1.jsonl", []
    while len(left) < kills:
        size = index.stat().st_size if index.exists() else 0
        process = start("killed")
        while process.poll() is None and not (index.exists() and index.stat().st_size > size):
            time.sleep(0.01)
        time.sleep(dice.random() * 0.3)
        if process.poll() is not None:
            break
        process.kill()
        process.wait()
        left.append(index.read_bytes().count(b"\n") - 1)
    return left


def _bytes_of(out: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(out.iterdir())}


if __name__ == "__main__":
    sys.exit(main())
