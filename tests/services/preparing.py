"""A study to prepare, made through the real imports, and the fingerprint of what preparing it left behind.

Run as a program, with the installation named by the environment.  Its classifier is a small convolutional network that
is slow, or that a marked photograph makes misbehave, the way `--fault` says, in the very process that computes it.
"""

import argparse
import hashlib
import json
import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import django

if TYPE_CHECKING:
    from studies.models import Study

CLASSES = ("bell", "fish", "grand_piano")
MARKED = "fish/marked.png"


def make(folder: Path, *, images: int, fault: str = "none", also: Sequence[str] = ()) -> None:
    """Import photographs, one of them marked, and the classifier; create a study that shows what it gets wrong.

    also: further faults, each with a classifier and a study of its name.
    """
    from studies import lifecycle
    from studies.catalog.importing.image_folders import import_images
    from tests.factories import make_picture
    from tests.small_networks import import_small, marked_picture

    for n in range(images):
        path = folder / "photographs" / CLASSES[n % 3] / f"{n:05}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(make_picture(n))
    (folder / "photographs" / MARKED).write_bytes(marked_picture())
    import_images("things", folder / "photographs")
    for name, slug, wrong in (("small", "study", fault), *((one, one, one) for one in also)):
        import_small(name, "things", folder, fault=wrong)
        lifecycle.create_study(slug=slug, protocol="rectified_labeling", design={"classifier": name})


def forget(study: "Study") -> None:
    """All that was ever computed, so that the study is a draft as at first."""
    from django.core.files.storage import default_storage

    from studies.lib import storage
    from studies.models import Artifact

    study.stimuli.all().delete()
    Artifact.objects.all().delete()
    for name in list(storage.names("artifacts")):
        default_storage.delete(name)
    type(study).objects.update(state=study.State.DRAFT, preparation={}, prepared_at=None, problem="")
    study.refresh_from_db()


def forget_one(study: "Study") -> None:
    """What was computed for this study, whatever others there are."""
    from django.core.files.storage import default_storage

    rows = study.artifacts.all()
    files = {name for files in rows.values_list("files", flat=True) for name in files.values()}
    study.stimuli.all().delete()
    rows.delete()
    for name in files:
        default_storage.delete(name)
    type(study).objects.filter(pk=study.pk).update(
        state=study.State.DRAFT, preparation={}, prepared_at=None, problem=""
    )
    study.refresh_from_db()


def again(slug: str) -> None:
    """Have workers prepare the study, look what they left, forget it, and so on until the input ends: a line each."""
    import sys
    from select import select

    from studies import preparation
    from studies.models import Study

    while True:
        study = Study.objects.get(slug=slug)
        forget_one(study)
        start = time.monotonic()
        preparation.enqueue_preparation(study)
        while Study.objects.get(pk=study.pk).state == Study.State.PREPARING:
            time.sleep(1)
        print(json.dumps({**fingerprint(slug), "seconds": round(time.monotonic() - start, 1)}), flush=True)
        if select([sys.stdin], [], [], 0)[0]:
            return


def fingerprint(slug: str = "study") -> dict:
    """What is there: the study's state, its stimuli and every artifact, and whether each file is what its name says."""
    from studies.lib import storage
    from studies.models import Artifact, Study

    study = Study.objects.get(slug=slug)
    artifacts = {
        row.digest: [row.state, row.value, row.files]
        for row in Artifact.objects.filter(studies=study).order_by("digest")
    }
    spoilt = []
    for _, _, files in artifacts.values():
        for name in files.values():
            if hashlib.sha256(storage.read(name)).hexdigest() != Path(name).stem:
                spoilt.append(name)
    stimuli = list(study.stimuli.order_by("number").values_list("digest", flat=True))
    text = json.dumps([artifacts, stimuli], sort_keys=True)
    states = [state for state, _, _ in artifacts.values()]
    return {
        "state": study.state,
        "problem": study.problem,
        "stimuli": len(stimuli),
        "artifacts": {state: states.count(state) for state in sorted(set(states))},
        "spoilt": spoilt,
        "sha256": hashlib.sha256(text.encode()).hexdigest(),
    }


def ask(slug: str, times: int) -> None:
    """Forget what was computed and have workers prepare the study, each chunk rung for so many times."""
    from studies import preparation
    from studies.models import Study

    study = Study.objects.get(slug=slug)
    forget(study)
    preparation.enqueue_preparation(study)
    for _ in range(times - 1):
        preparation.resume_preparation(study.pk)


def tend(slug: str, seconds: float) -> None:
    """Sweep every second, as beat would every half minute, until the study is prepared or cannot be."""
    from django.db import DatabaseError, connection

    from studies import preparation
    from studies.models import Study

    until = time.monotonic() + seconds
    while time.monotonic() < until:
        try:
            if Study.objects.get(slug=slug).state != Study.State.PREPARING:
                return
            preparation.sweep()
        except DatabaseError:
            connection.close()
        time.sleep(1)
    raise SystemExit(f"not prepared after {seconds} seconds")


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    django.setup()
    from django.core.management import call_command

    parser = argparse.ArgumentParser(description=__doc__)
    what = parser.add_subparsers(dest="what", required=True)
    making = what.add_parser("make")
    making.add_argument("folder", type=Path)
    making.add_argument("--images", type=int, default=200)
    making.add_argument("--fault", default="none", help="see tests.small_networks.FAULTS")
    making.add_argument("--also", nargs="*", default=[], help="faults of further studies")
    asking = what.add_parser("ask")
    asking.add_argument("slug")
    asking.add_argument("--times", type=int, default=1)
    what.add_parser("fingerprint")
    what.add_parser("again").add_argument("slug")
    tending = what.add_parser("tend")
    tending.add_argument("slug", nargs="?", default="study")
    tending.add_argument("--seconds", type=float, default=180)
    options = parser.parse_args()
    if options.what == "make":
        call_command("migrate", verbosity=0)
        make(options.folder, images=options.images, fault=options.fault, also=options.also)
    elif options.what == "ask":
        ask(options.slug, options.times)
    elif options.what == "again":
        again(options.slug)
    elif options.what == "tend":
        tend(options.slug, options.seconds)
        print(json.dumps(fingerprint(options.slug)))
    else:
        print(json.dumps(fingerprint()))


if __name__ == "__main__":
    main()
