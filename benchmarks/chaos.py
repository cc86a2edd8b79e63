"""Four workers prepare a study while, at random times, one after the other is killed with SIGKILL.

Each run ends with the same files, to the hash, as an undisturbed run in the foreground, or the program ends with
status 1 and says what was different.  With --deadly one image kills its worker each time as well: then each run has to
end with that image named, and with all others done.  Without URLs it uses SQLite and a queue of files in a temporary
folder.

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

from tests.services.celery_workers import ROOT, Workforce

PROGRAM = ("-m", "tests.services.preparing")
DEADLY = "fish/marked.png: its computation ended its worker"


def run(environment: dict[str, str], *command: str) -> str:
    program = [sys.executable, *command]
    done = subprocess.run(program, cwd=ROOT, env={**os.environ, **environment}, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} failed:\n{done.stderr[-3000:]}")
    return done.stdout


def undisturbed(environment: dict[str, str]) -> dict:
    """The fingerprint that the foreground leaves behind."""
    run(environment, "manage.py", "prepare", "study")
    return json.loads(run(environment, *PROGRAM, "fingerprint"))


def disturbed(environment: dict[str, str], folder: Path, given: argparse.Namespace, dice: Random) -> tuple[dict, int]:
    """The fingerprint that workers leave behind who are killed by the dice, and how often they were."""
    slug = "killing" if given.deadly else "study"
    run(environment, *PROGRAM, "ask", slug)
    kills = 0
    log = folder / "workers.log"
    with Workforce(environment, given.workers, log) as workers:
        sweeper = subprocess.Popen(
            [sys.executable, *PROGRAM, "tend", slug, "--seconds", "300"],
            cwd=ROOT,
            env={**os.environ, **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        kill_at = time.monotonic() + dice.uniform(2, 8)
        while sweeper.poll() is None:
            workers.replace_the_dead()
            if time.monotonic() > kill_at and kills < given.kills:
                workers.kill(dice)
                kills += 1
                kill_at = time.monotonic() + dice.expovariate(1 / given.pause)
            time.sleep(0.05)
        out, _ = sweeper.communicate()
    if sweeper.returncode:
        raise SystemExit(log.read_text()[-3000:])
    return json.loads(out), kills


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--images", type=int, default=800)
    parser.add_argument("--workers", type=int, default=4)
    parser.add_argument("--kills", type=int, default=8, help="in one run, at most")
    parser.add_argument("--pause", type=float, default=2, help="mean seconds between kills")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--deadly", action="store_true", help="one image kills its workers")
    parser.add_argument("--database", default="")
    parser.add_argument("--broker", default="")
    given = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="chaos-"))
    environment = {"SECRET_KEY": "chaos", "WORK_LEASE": "5", "STORAGE_URL": "", "DATA_DIR": str(folder)}
    environment |= {"DATABASE_URL": given.database, "BROKER_URL": given.broker}
    started, kills, different = time.monotonic(), 0, []
    try:
        if given.database:
            run(environment, "manage.py", "migrate", "--verbosity", "0")
            run(environment, "manage.py", "flush", "--no-input")
        if given.broker:
            run(environment, "-m", "celery", "--app", "config", "purge", "-f", "-Q", "default,gpu")
        options = ["--images", str(given.images), "--fault", "slow", "--also", "killing"]
        run(environment, *PROGRAM, "make", str(folder / "source"), *options)
        expected = undisturbed(environment)
        for number in range(given.runs):
            found, killed = disturbed(environment, folder, given, Random(given.seed + number))
            kills += killed
            if given.deadly:
                as_expected = found["artifacts"] == {"done": given.images, "failed": 1} and DEADLY in found["problem"]
            else:
                as_expected = found == expected
            if not as_expected:
                different.append(found)
            print(f"run {number + 1}: {killed} kills, {found['state']} {found['sha256'][:12]}", file=sys.stderr)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    seconds = round(time.monotonic() - started, 1)
    figures = {**vars(given), "sha256": expected["sha256"], "killed": kills, "different": different}
    figures |= {"database": bool(given.database), "broker": bool(given.broker), "seconds": seconds}
    print(json.dumps({"benchmark": "chaos", **figures}))
    raise SystemExit(1 if different else 0)


if __name__ == "__main__":
    main()
