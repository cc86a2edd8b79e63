"""The export of a study with a million answers, in a database of its own: seconds, and the peak of memory.

    python -m benchmarks.export [--answers 1000000] [--folder FOLDER]

Prints one JSON line.  The rows are made first, by another process, so that the peak is the export's alone; it is the
process's resident set, libraries included.  FOLDER keeps the database and the export; without it both are removed.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

PANEL = 5
PARTICIPANTS = 20_000
LIMITS = {"seconds": 60, "megabytes": 300}


def make(answers: int) -> None:
    """A closed study with so many answers, written as rows."""
    from datetime import UTC, datetime, timedelta

    import numpy as np
    from django.core.management import call_command
    from django.db import connection

    from studies import lifecycle
    from studies.lib.canonical_json import digest
    from studies.models import Condition, Participant, Slot, Stimulus, Study, Trial

    call_command("migrate", verbosity=0)
    connection.cursor().execute("PRAGMA synchronous = OFF")
    n = answers // PANEL
    study = Study.objects.create(
        slug="million",
        title="A million answers",
        protocol="rectified_labeling",
        protocol_version=1,
        design={"classifier": "net", "answers_per_stimulus": PANEL, "threshold": 4, "seed": 0}
        | {"trials_per_participant": 100, "top_k": 1, "classes": [], "sample": None, "unequal_panels": "drop"}
        | {"selection": "top1_errors", "asking": "one_question"},
        consent_text="Yes.",
        preparation={"images": 4 * n, "errors": n, "shown": n},
        state=Study.State.READY,
    )
    condition = Condition.objects.create(study=study, key="errors")

    def stimulus(number: int) -> Stimulus:
        shown = {"picture": {"file": f"artifacts/{number:064x}.png", "width": 224, "height": 224}, "ask": "tabby cat"}
        truth = {"image": f"tiger_cat/ILSVRC2012_val_{number:08}.JPEG", "label": "tabby", "true_label": "tiger_cat"}
        truth |= {"probability": 1 / (number + 1), "true_probability": 1 / (number + 2)}
        content = {"condition": "errors", "shown": shown, "truth": truth}
        return Stimulus(
            study=study, condition=condition, number=number, digest=digest(content), shown=shown, truth=truth
        )

    for start in range(1, n + 1, 20_000):
        Stimulus.objects.bulk_create([stimulus(i) for i in range(start, min(start + 20_000, n + 1))])
    pks = np.array(study.stimuli.order_by("number").values_list("pk", flat=True))
    lifecycle.open_study(study)
    moment = datetime(2026, 1, 1, tzinfo=UTC)
    consent = study.consents.get()
    people = Participant.objects.bulk_create(
        Participant(
            study=study, number=i + 1, token_sha256=str(i), consent=consent, consented_at=moment, completion_code="-"
        )
        for i in range(PARTICIPANTS)
    )
    random = np.random.default_rng(0)
    relevant = random.beta(0.6, 0.6, n)
    position = [0] * PARTICIPANTS
    for start in range(0, n * PANEL, 50_000):
        trials = []
        for row in range(start, min(start + 50_000, n * PANEL)):
            who, what = row % PARTICIPANTS, row // PANEL
            position[who] += 1
            shown = moment + timedelta(milliseconds=37 * row)
            trials.append(
                Trial(
                    study=study,
                    participant=people[who],
                    stimulus_id=int(pks[what]),
                    position=position[who],
                    claimed_at=shown,
                    presented_at=shown,
                    answered_at=shown + timedelta(milliseconds=1500),
                    answer="yes" if random.random() < relevant[what] else "no",
                    response_ms=1400,
                    counted=True,
                )
            )
        Trial.objects.bulk_create(trials)
    Slot.objects.filter(study=study).update(filled=False)
    with connection.cursor() as cursor:
        # The k-th answer to a stimulus holds its k-th slot.
        cursor.execute(
            "UPDATE studies_slot SET filled = 1, holder_id = (SELECT min(t.id) + studies_slot.slot_no - 1 "
            "FROM studies_trial t WHERE t.stimulus_id = studies_slot.stimulus_id)"
        )
    lifecycle.close_study(study)


def export(folder: Path) -> dict[str, float]:
    from studies.export.export import write
    from studies.models import Study

    start = time.perf_counter()
    write(Study.objects.get(slug="million"), folder)
    return {
        "seconds": round(time.perf_counter() - start, 1),
        "megabytes": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--answers", type=int, default=1_000_000)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--part", choices=["make", "export"], help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.part:
        import django

        django.setup()
        if asked.part == "make":
            make(asked.answers)
        else:
            print(json.dumps(export(asked.folder / "export")))
        return
    with tempfile.TemporaryDirectory() as place:
        folder = asked.folder or Path(place)
        environment = os.environ | {"DJANGO_SETTINGS_MODULE": "config.settings", "DATA_DIR": str(folder / "data")}
        command = [sys.executable, "-m", "benchmarks.export", "--answers", str(asked.answers), "--folder", str(folder)]
        if not (folder / "data").exists():
            subprocess.run([*command, "--part", "make"], check=True, env=environment)
        done = subprocess.run([*command, "--part", "export"], check=True, env=environment, stdout=subprocess.PIPE)
        measured = json.loads(done.stdout)
        start = time.perf_counter()
        subprocess.run([sys.executable, str(folder / "export" / "recompute.py")], check=True, stdout=subprocess.DEVNULL)
        measured["recompute_seconds"] = round(time.perf_counter() - start, 1)
    within = asked.answers != 1_000_000 or all(measured[name] <= limit for name, limit in LIMITS.items())
    print(json.dumps({"benchmark": "export", "answers": asked.answers, **measured, "limits": LIMITS, "within": within}))


if __name__ == "__main__":
    main()
