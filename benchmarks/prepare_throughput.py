"""How much of the bare method's throughput is left when a study is prepared through the workbench.

Predictions, attacks (IFGSM) and explanations (LIME) of ResNet-18 at 224 × 224 from JPEG files: the bare side decodes
and calls the method on batches, one after the other, and keeps nothing; the workbench decodes ahead, writes each result
to the disk and marks its row.  `share` is the workbench's images a second over the bare side's; `in_method` is how much
of the workbench's own time its calls of the method take, which a busy machine does not disturb.

    .venv/bin/python -m benchmarks.prepare_throughput
"""

import argparse
import io
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from studies.catalog.importing import image_folders


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--predictions", type=int, default=192, help="how many images")
    parser.add_argument("--attacks", type=int, default=8, help="how many images")
    parser.add_argument("--explanations", type=int, default=4, help="how many images")
    parser.add_argument("--samples", type=int, default=60, help="LIME's masks for each image")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        os.environ |= {"DATA_DIR": folder, "DJANGO_SETTINGS_MODULE": "config.settings", "LOG_LEVEL": "WARNING"}
        for name in ("DATABASE_URL", "BROKER_URL", "STORAGE_URL"):
            os.environ.pop(name, None)
        import django

        django.setup()
        from benchmarks.measure import tell

        tell("prepare_throughput", given, **measure(Path(folder), given))


def measure(folder: Path, given: argparse.Namespace) -> dict:
    import torch
    from django.core.management import call_command
    from PIL import Image
    from safetensors.torch import save_file
    from torchvision import models

    from benchmarks.measure import MEAN, STD, photograph
    from explainers import base, computations, images
    from explainers.computations import inputs
    from studies.catalog import classifiers
    from studies.lib import storage
    from studies.models import Artifact
    from studies.models import Image as Photograph
    from studies.preparation import Bench

    torch.set_num_threads(given.threads)
    call_command("migrate", verbosity=0)
    place = folder / "photographs" / "thing"
    place.mkdir(parents=True)
    for n in range(max(given.predictions, given.attacks, given.explanations)):
        file = io.BytesIO()
        Image.fromarray(photograph()).resize((500, 375)).rotate(n / 4).save(file, format="JPEG", quality=90)
        (place / f"{n:05}.jpg").write_bytes(file.getvalue())
    image_folders.import_images("things", folder / "photographs")
    torch.manual_seed(0)
    save_file(models.resnet18().state_dict(), folder / "resnet18.safetensors")
    module = folder / "network.py"
    module.write_text("from torchvision.models import resnet18\n")
    preprocessing = {"resize": 256, "crop": 224, "mean": list(MEAN), "std": list(STD)}
    row = classifiers.import_classifier(
        "net",
        image_set="things",
        module=f"{module}:resnet18",
        checkpoint=folder / "resnet18.safetensors",
        preprocessing=preprocessing,
    )
    network = inputs.classifier(row.digest)
    device, bench = network.mean.device, Bench()
    everything = list(bench.images("net"))
    files = dict(Photograph.objects.values_list("sha256", "file"))
    attack = {"method": "ifgsm", "parameters": {}}
    lime = {"method": "lime", "parameters": {"n_samples": given.samples}}
    ifgsm, explainer = base.get("attack", "ifgsm")(), base.get("explainer", "lime")(n_samples=given.samples)
    pictures = list(bench.pictures("net", everything[: given.explanations]))
    questions = [(picture, picture.image.label) for picture in pictures]

    def photographs(kind: str, number: int) -> Iterator[list[np.ndarray]]:
        size = computations.get(kind).batch
        for start in range(0, number, size):
            some = everything[start : min(start + size, number)]
            yield [images.load(storage.read(files[one.sha256]), resize=256, crop=224) for one in some]

    def bare_predictions() -> None:
        for batch in photographs("prediction", given.predictions):
            network.predict(images.to_tensor(batch).to(device))

    def bare_attacks() -> None:
        for batch in photographs("attack", given.attacks):
            labels = torch.zeros(len(batch), dtype=torch.int64, device=device)
            ifgsm.attack(network, images.to_tensor(batch).to(device), labels)

    def bare_explanations() -> None:
        size = computations.get("explanation").batch
        for start in range(0, len(questions), size):
            some = questions[start : start + size]
            batch = images.to_tensor([images.load(storage.read(picture.file)) for picture, _ in some]).to(device)
            labels = torch.tensor([label for _, label in some], device=device)
            explainer.explain(network, batch, labels, seeds=range(len(some)))

    def anew(kind: str, results: Callable[[], Iterable[object]]) -> Callable[[], None]:
        """Through the workbench, with nothing of that kind known or stored."""

        def run() -> None:
            rows = Artifact.objects.filter(kind=kind)
            for stored in rows.values_list("files", flat=True):
                for name in stored.values():
                    (folder / "media" / name).unlink(missing_ok=True)
            rows.delete()
            for _ in results():
                pass

        return run

    sides = {
        "predictions": (
            bare_predictions,
            anew("prediction", lambda: bench.predictions("net", everything[: given.predictions])),
        ),
        "attacks": (
            bare_attacks,
            anew("attack", lambda: bench.attacks("net", everything[: given.attacks], attack)),
        ),
        "explanations": (bare_explanations, anew("explanation", lambda: bench.explanations("net", questions, lime))),
    }
    inside = {
        "predictions": timed(network, "predict"),
        "attacks": timed(type(ifgsm), "attack"),
        "explanations": timed(type(explainer), "explain"),
    }
    return {
        "throughput": {what: compared(*side, getattr(given, what), given, inside[what]) for what, side in sides.items()}
    }


def compared(
    bare: Callable[[], None], workbench: Callable[[], None], n: int, given: argparse.Namespace, inside: list[float]
) -> dict:
    """Both sides at n images; `inside` grows by the seconds of each call of the method."""
    from benchmarks.measure import alternating

    spent: list[float] = []

    def watched() -> None:
        before, started = sum(inside), time.perf_counter()
        workbench()
        spent.append((sum(inside) - before) / (time.perf_counter() - started))

    seconds = alternating({"bare": bare, "workbench": watched}, given.rounds)
    return {
        "images_a_second": {name: round(n / value, 2) for name, value in seconds.items()},
        "share": round(seconds["bare"] / seconds["workbench"], 3),
        "in_method": round(statistics.median(spent[1:]), 3),
    }


def timed(owner: Any, name: str) -> list[float]:
    """The seconds of every further call of that method."""
    method, seconds = getattr(owner, name), []

    def call(*args: Any, **options: Any) -> Any:
        started = time.perf_counter()
        try:
            return method(*args, **options)
        finally:
            seconds.append(time.perf_counter() - started)

    setattr(owner, name, call)
    return seconds


if __name__ == "__main__":
    main()
