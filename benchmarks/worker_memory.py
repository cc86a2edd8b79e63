"""Memory of a worker over many tasks: does it grow?

    python -m benchmarks.worker_memory [--tasks 300] [--images 24]

A task is what a worker computes at once: attacks of some drawn pictures by the toybox network, and explanations of
some. Every task has recipes that were never computed before. Prints one JSON line: the resident memory of the process
in MB after each tenth of the tasks, and its growth a task over the second half by least squares, in kB.
"""

import argparse
import json
import os
import sys
import tempfile
from pathlib import Path

import numpy as np

PAGE = os.sysconf("SC_PAGE_SIZE")


def resident() -> int:
    """Bytes of this process that are in memory."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * PAGE


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in {"tasks": 300, "images": 24}.items():
        parser.add_argument(f"--{name}", type=int, default=default)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        os.environ.update(DATA_DIR=folder, DJANGO_SETTINGS_MODULE="config.settings")
        after = _run(Path(folder), given.tasks, given.images)
    half = np.arange(len(after))[len(after) // 2 :]
    slope = np.polyfit(half, np.array(after)[half], 1)[0]
    steps = [round(value / 1e6, 1) for value in after[:: max(len(after) // 10, 1)]]
    figures = {"resident_mb": [*steps, round(after[-1] / 1e6, 1)], "growth_kb_a_task": round(slope / 1e3, 1)}
    print(json.dumps({"benchmark": "worker_memory", **vars(given), **figures}))
    return 0


def _run(folder: Path, tasks: int, images: int) -> list[int]:
    """Bytes after each task."""
    import django

    django.setup()
    from django.core.management import call_command

    import toybox
    from studies.catalog.classifiers import import_classifier
    from studies.catalog.importing.image_folders import import_images
    from studies.models import Artifact
    from studies.preparation import Bench

    call_command("migrate", verbosity=0)
    toybox.draw(folder / "drawn", images_per_class=-(-images // len(toybox.CLASSES)))
    import_images("toybox", folder / "drawn")
    package = Path(toybox.__file__).parent
    import_classifier(
        "toybox",
        image_set="toybox",
        module=f"{package / 'network.py'}:toybox_net",
        checkpoint=package / "toybox.safetensors",
        preprocessing={"mean": list(toybox.MEAN), "std": list(toybox.STD)},
    )
    bench = Bench()
    chosen = list(bench.images("toybox"))[:images]
    pictures = list(bench.pictures("toybox", chosen))
    lime = {"method": "lime", "parameters": {"n_samples": 50, "segmentation": "slic"}}
    after = []
    for number in range(tasks):
        step = {"method": "ifgsm", "parameters": {"step": 0.001 + number * 1e-6, "max_steps": 2}}
        list(bench.attacks("toybox", chosen, step))
        questions = [(picture, picture.image.label) for picture in pictures[:4]]
        list(bench.explanations("toybox", questions, lime, seed=number))
        # Rows are not what a worker keeps.
        Artifact.objects.filter(kind__in=["attack", "explanation"]).delete()
        after.append(resident())
    return after


if __name__ == "__main__":
    sys.exit(main())
