"""Four workers prepare a study while, at random times, one after the other is killed with SIGKILL.

Each run ends with the same files, to the hash, as an undisturbed run in the foreground, or the program ends with
status 1 and says what was different.  Without URLs it uses SQLite and a queue of files in temporary folders.

    .venv/bin/python -m benchmarks.chaos --runs 20
    .venv/bin/python -m benchmarks.chaos --runs 20 --database postgresql://…/an_empty_database --broker redis://…/9

The database and the queue it is given are emptied.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from random import Random

from tests.services.workforce import ROOT, Workforce

PROGRAM = ("-m", "tests.services.preparing")


def run(environment: dict[str, str], *command: str) -> str:
    program = [sys.executable, *command]
    done = subprocess.run(program, cwd=ROOT, env={**os.environ, **environment}, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} failed:\n{done.stderr[-3000:]}")
    return done.stdout


def prepared(environment: dict[str, str], folder: Path, given: argparse.Namespace, dice: Random | None) -> dict:
    """The fingerprint of a new study: from the foreground without dice, else from workers that are killed by them."""
    source = folder / "source"
    source.mkdir(parents=True)
    run(environment, *PROGRAM, "make", str(source), "--images", str(given.images))
    if dice is None:
        run(environment, "manage.py", "prepare", "study")
        return {**json.loads(run(environment, *PROGRAM, "fingerprint")), "kills": 0}
    run(environment, "manage.py", "prepare", "study", "--enqueue")
    kills = 0
    with Workforce(environment, given.workers, folder / "workers.log") as workers:
        sweeper = subprocess.Popen(
            [sys.executable, *PROGRAM, "tend", "--seconds", "300"],
            cwd=ROOT,
            env={**os.environ, **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        time.sleep(dice.uniform(2, 6))
        while sweeper.poll() is None and kills < given.kills:
            workers.kill(dice)
            kills += 1
            time.sleep(dice.expovariate(1 / given.pause))
        out, _ = sweeper.communicate()
    if sweeper.returncode:
        raise SystemExit((folder / "workers.log").read_text()[-3000:])
    return {**json.loads(out), "kills": kills}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--images", type=int, default=400)
    parser.add_argument("--workers", type=int, default=4)
    parser.add_argument("--kills", type=int, default=8, help="in one run, at most")
    parser.add_argument("--pause", type=float, default=2, help="mean seconds between kills")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--database", default="")
    parser.add_argument("--broker", default="")
    given = parser.parse_args()
    plain = {"SECRET_KEY": "chaos", "DATABASE_URL": "", "BROKER_URL": "", "WORK_LEASE": "3", "STORAGE_URL": ""}
    services = {"DATABASE_URL": given.database, "BROKER_URL": given.broker}
    folder = Path(tempfile.mkdtemp(prefix="chaos-"))
    started = time.monotonic()
    kills, different = 0, []
    try:
        undisturbed = prepared({**plain, "DATA_DIR": str(folder / "first")}, folder / "first", given, None)
        for number in range(given.runs):
            place = folder / f"run{number}"
            environment = {**plain, **services, "DATA_DIR": str(place)}
            if given.database:
                run(environment, "manage.py", "migrate", "--verbosity", "0")
                run(environment, "manage.py", "flush", "--no-input")
            if given.broker:
                run(environment, "-m", "celery", "--app", "config", "purge", "-f", "-Q", "default,gpu")
            found = prepared(environment, place, given, Random(given.seed + number))
            kills += found["kills"]
            if {**found, "kills": 0} != undisturbed:
                different.append(found)
            shutil.rmtree(place)
            print(f"run {number + 1}: {found['kills']} kills, {found['sha256'][:12]}", file=sys.stderr)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    seconds = round(time.monotonic() - started, 1)
    figures = {**vars(given), "sha256": undisturbed["sha256"], "killed": kills, "different": different}
    figures |= {"database": bool(given.database), "broker": bool(given.broker), "seconds": seconds}
    print(json.dumps({"benchmark": "chaos", **figures}))
    raise SystemExit(1 if different else 0)


if __name__ == "__main__":
    main()
