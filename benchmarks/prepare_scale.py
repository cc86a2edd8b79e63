"""Planning and replaying a study at several numbers of images, with a classifier that costs nothing.

For each size: the seconds to make and link the rows of what is missing (plan), to mark all of it done (the stub of the
workers, not counted), and to replay the study when everything is known; and the memory the process has reached.
`ratio` is seconds an image at the largest size over seconds an image at the smallest: 1 is linear.

Every size runs in a process and a database of its own.  The number of stimuli is the same at every size: only the
images grow.

    .venv/bin/python -m benchmarks.prepare_scale
    .venv/bin/python -m benchmarks.prepare_scale --database postgresql://…/an_empty_database
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

STIMULI = 200
CLASSES = 10


def set_up(n: int) -> None:
    """Rows of an image set and a classifier; no photograph is ever read."""
    from django.core.management import call_command

    from studies import lifecycle
    from studies.lib.canonical_json import digest
    from studies.models import Classifier, Image, ImageClass, ImageSet

    call_command("migrate", verbosity=0)
    call_command("flush", interactive=False, verbosity=0)
    image_set = ImageSet.objects.create(name="many")
    ImageClass.objects.bulk_create(
        ImageClass(image_set=image_set, index=i, name=f"c{i}", title=f"c{i}") for i in range(CLASSES)
    )
    for start in range(0, n, 5000):
        Image.objects.bulk_create(
            Image(
                image_set=image_set,
                label=i % CLASSES,
                path=f"c{i % CLASSES}/{i:07}.jpg",
                sha256=digest(i),
                file=f"images/{i}",
                width=224,
                height=224,
            )
            for i in range(start, min(start + 5000, n))
        )
    Classifier.objects.create(
        name="stub",
        image_set=image_set,
        source={},
        preprocessing={"resize": None, "crop": None, "mean": [0.0] * 3, "std": [1.0] * 3},
        state_digest="",
        digest=digest("stub"),
        n_outputs=CLASSES,
    )
    lifecycle.create_study(slug="many", protocol="rectified_labeling", design={"classifier": "stub"})


def compute_all(n_wrong: int) -> None:
    """What workers would do, in one stroke: the first so many predictions are wrong."""
    from studies.models import Artifact

    State = Artifact.State
    rows = Artifact.objects.filter(state=State.PENDING).order_by("pk")
    wrong = set(rows.filter(kind="prediction").values_list("pk", flat=True)[:n_wrong])
    batch = []
    for row in rows.only("pk", "kind", "recipe").iterator(chunk_size=1000):
        if row.kind == "prediction":
            label = row.recipe["label"]
            top = (label + 1) % CLASSES if row.pk in wrong else label
            row.value = {"top": [[top, 0.6], [(top + 1) % CLASSES, 0.1]], "true_probability": 0.1}
            row.files = {"hidden": "artifacts/00/" + "0" * 64 + ".npy"}
        else:
            row.value, row.files = {"width": 224, "height": 224}, {"picture": f"artifacts/00/{row.pk:064}.png"}
        row.state = State.DONE
        batch.append(row)
        if len(batch) == 500:
            Artifact.objects.bulk_update(batch, ["state", "value", "files"])
            batch.clear()
    Artifact.objects.bulk_update(batch, ["state", "value", "files"])


def measure(n: int) -> dict:
    import django

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    django.setup()
    from django.db import connection

    from studies import preparation
    from studies.jobs import queue
    from studies.models import Study

    queue.send = lambda task, argument, name: True
    if connection.vendor == "sqlite":
        # What grows must not hide behind SQLite's page cache, which takes 16 MB once there is so much to read.
        with connection.cursor() as cursor:
            cursor.execute("PRAGMA cache_size = -1000")
    set_up(n)
    study = Study.objects.get()
    preparation.enqueue_preparation(study)
    before = memory()
    seconds = {}
    for stage in ("plan", "plan_pictures", "replay"):
        started = time.perf_counter()
        preparation.resume_preparation(study.pk)
        seconds[stage] = time.perf_counter() - started
        reached = memory()
        if stage != "replay":
            compute_all(STIMULI)
    study.refresh_from_db()
    assert study.state == Study.State.READY, study.problem
    assert study.stimuli.count() == STIMULI
    return {"images": n, **{k: round(v, 2) for k, v in seconds.items()}, "mb_before": before, "mb": reached}


def memory() -> float:
    """The most this process has ever had resident, in MB."""
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=[1_000, 10_000, 50_000])
    parser.add_argument("--database", default="")
    parser.add_argument("--one", type=int, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.one:
        print(json.dumps(measure(given.one)))
        return
    runs = []
    for n in given.sizes:
        with tempfile.TemporaryDirectory() as folder:
            environment = {"DATA_DIR": folder, "SECRET_KEY": "benchmark", "BROKER_URL": "", "STORAGE_URL": ""}
            done = subprocess.run(
                [sys.executable, "-m", "benchmarks.prepare_scale", "--one", str(n)],
                cwd=Path(__file__).parent.parent,
                env={**os.environ, **environment, "DATABASE_URL": given.database},
                capture_output=True,
                text=True,
            )
        if done.returncode:
            raise SystemExit(done.stderr[-3000:])
        runs.append(json.loads(done.stdout.splitlines()[-1]))
    first, last = runs[0], runs[-1]
    ratio = {
        stage: round((last[stage] / last["images"]) / (first[stage] / first["images"]), 2)
        for stage in ("plan", "replay")
    }
    print(json.dumps({"benchmark": "prepare_scale", "database": bool(given.database), "runs": runs, "ratio": ratio}))


if __name__ == "__main__":
    main()
