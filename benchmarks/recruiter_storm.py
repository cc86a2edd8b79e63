"""Ten thousand messages of a recruiter, out of order, repeated, forged and lost, while workers are killed.

    .venv/bin/python -m benchmarks.recruiter_storm --messages 10000 --people 300

A stub of Prolific's API runs in this process, and an installation of its own in a temporary folder (SQLite, or the
empty database of --database).  People of nine kinds hand in while messages arrive; a worker process reads submissions
and pays bonuses, and is killed with SIGKILL after --pause seconds on average.  Some answers of the stub are
lost.  Afterwards everything is counted: one JSON line, and status 1 where anybody was paid too much or too little, or a
submission or a place is stuck.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.recruiter_storm import Storm

ROOT = Path(__file__).parent.parent
WORKER = ("-m", "benchmarks.recruiter_storm", "--worker")
#: Of requests that pay, the share whose answer is lost.
LOST = 0.1


def work() -> None:
    """What a worker does until it is killed: ask about what rang, and pay the bonuses that a file asks for."""
    import django

    django.setup()
    from studies.lib.errors import StudyError
    from studies.models import Posting
    from studies.recruitment import bonuses, postings

    Path(os.environ["STORM_READY"]).touch()
    wanted = {int(number): amount for number, amount in json.loads(os.environ["STORM_BONUSES"]).items()}
    while True:
        posting = Posting.objects.get()
        if posting.rung_at:
            postings.ask_by_id(posting.pk)
        rows = posting.study.participants.filter(number__in=wanted, arrivals__state="approved")
        for number in rows.filter(arrivals__bonus_payment=None).values_list("number", flat=True)[:5]:
            try:
                bonuses.pay(posting, {number: wanted[number]})
            except StudyError as error:
                print(error, file=sys.stderr, flush=True)
        time.sleep(0.02)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--messages", type=int, default=10_000)
    parser.add_argument("--people", type=int, default=300)
    parser.add_argument("--pause", type=float, default=1.0, help="Seconds that a worker works, on average.")
    parser.add_argument("--database", default="", help="An empty PostgreSQL database.")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.worker:
        return work()
    with tempfile.TemporaryDirectory() as folder:
        os.environ |= {"DATA_DIR": folder, "LOG_LEVEL": "ERROR", "DJANGO_SETTINGS_MODULE": "config.settings"}
        os.environ |= {"DATABASE_URL": given.database, "SECRET_KEY": "a key of the storm", "JOIN_LIMIT": "0"}
        os.environ |= {"RECRUIT_KEY": "a key of the storm, of more than 32 letters", "BEGINNERS_PER_ADDRESS": "0"}
        os.environ |= {"BEGINNERS_PER_LINK": "0", "TOKEN_LIMIT": "0"}
        storm(given)
    return None


def storm(given: argparse.Namespace) -> None:
    from tests.prolific_stub import SECRET, TOKEN, WORKSPACE, ProlificStub, serving

    with serving(ProlificStub()) as stub:
        os.environ |= {"PROLIFIC_URL": stub.url, "PROLIFIC_TOKEN": TOKEN, "PROLIFIC_SECRET": SECRET}
        os.environ |= {"PROLIFIC_WORKSPACE": WORKSPACE}
        import django

        django.setup()
        from django.conf import settings
        from django.core.management import call_command
        from django.test import Client

        settings.ALLOWED_HOSTS = ["*"]
        call_command("migrate", verbosity=0)
        from studies.recruitment import postings
        from tests.recruiter_storm import Storm

        began = time.monotonic()
        one = Storm(stub, given.people, given.seed)
        os.environ["STORM_BONUSES"] = json.dumps(one.owed_bonuses())
        prepared, client, dice, kills = time.monotonic(), Client(), Random(given.seed), 0
        ready = Path(os.environ["DATA_DIR"]) / "ready"
        os.environ["STORM_READY"] = str(ready)
        worker, kill_at = _worker(), None
        try:
            for n, message in enumerate(one.messages(given.messages)):
                if dice.random() < LOST / 20:
                    stub.faults.setdefault(r"POST .*/(transition|pay)/", []).append("lose")
                one.send(client, message)
                if kill_at is None and ready.exists():
                    kill_at = time.monotonic() + given.pause * dice.uniform(0, 2)
                if kill_at and time.monotonic() > kill_at:
                    os.kill(worker.pid, signal.SIGKILL)
                    worker.wait()
                    ready.unlink()
                    kills += 1
                    worker, kill_at = _worker(), None
                if n and n % 2000 == 0:
                    # A researcher looks at what was interrupted, while the worker works.
                    recover(one)
        finally:
            worker.kill()
            worker.wait()
        stormed = time.monotonic()
        stub.faults.clear()
        postings.ask(one.posting)
        one.pay_bonuses()
        harm = one.harm()
    print(
        json.dumps(
            {
                "messages": given.messages,
                "people": given.people,
                "kills": kills,
                "answered": dict(sorted(one.sent.items())),
                "lists_read": stub.asked["GET /api/v1/submissions/"],
                "payments": len(stub.paid),
                "prepared_s": round(prepared - began, 1),
                "storm_s": round(stormed - prepared, 1),
                "harm": harm,
            }
        )
    )
    raise SystemExit(1 if harm else 0)


def recover(one: "Storm") -> None:
    """Settle what was interrupted; another may have gone on with it meanwhile."""
    from studies.lib.errors import StudyError

    try:
        one.recover_bonuses()
    except StudyError as error:
        print(error, file=sys.stderr)


def _worker() -> subprocess.Popen:
    return subprocess.Popen([sys.executable, *WORKER], cwd=ROOT, stderr=subprocess.DEVNULL)


if __name__ == "__main__":
    main()
