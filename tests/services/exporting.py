"""An export while answers are withdrawn: between the analysis and the writing of the answers, by another connection.

Run as a program, with the database named by the environment.  Prints one JSON line: whether the other connection was
kept waiting, how many rows of the exported answers count, and the status of the export's own program.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
from contextlib import nullcontext
from pathlib import Path

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
django.setup()

from django.core.management import call_command  # noqa: E402
from django.db import connection  # noqa: E402

from studies.export import export  # noqa: E402
from studies.lib import database  # noqa: E402
from studies.models import Study, Trial  # noqa: E402
from studies.results import frames  # noqa: E402
from tests.factories import answered_study  # noqa: E402

WITHDRAWN = 20


def withdraw(study: Study) -> None:
    try:
        some = Trial.objects.filter(study=study).order_by("pk").values("pk")[:WITHDRAWN]
        Trial.objects.filter(pk__in=list(some.values_list("pk", flat=True))).update(counted=False, exclusion="late")
    finally:
        connection.close()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--many-moments", action="store_true", help="Without what protects it.")
    asked = parser.parse_args()
    call_command("migrate", verbosity=0)
    study = answered_study(40, 5, 20, close=False)
    read, waited = frames.answers, []

    def answers(study: Study):
        other = threading.Thread(target=withdraw, args=[study], daemon=True)
        other.start()
        other.join(timeout=10)
        waited.append(other.is_alive())
        return read(study)

    frames.answers = answers
    if asked.many_moments:
        database.one_moment = nullcontext
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "export"
        export.write(study, folder)
        lines = (folder / "answers.csv").read_text().splitlines()[1:]
        done = subprocess.run([sys.executable, str(folder / "recompute.py")], capture_output=True)
    result = {
        "waited": waited[0],
        "rows_that_count": sum(",1,," in line for line in lines),
        "rows_that_count_now": Trial.objects.filter(study=study, counted=True).count(),
        "recompute_status": done.returncode,
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
