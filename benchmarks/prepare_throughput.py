"""How much of the bare method's throughput is left when a study is prepared through the workbench.

Predictions of ResNet-18 at 224 × 224 from JPEG files: the bare side decodes, and asks the network in the same batches,
one after the other, and keeps nothing; the workbench decodes ahead, writes every result to the disk and marks its row.
`share` is the workbench's images a second over the bare side's.

    .venv/bin/python -m benchmarks.prepare_throughput --images 192
"""

import argparse
import io
import json
import os
import tempfile
import time
from pathlib import Path


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=192)
    parser.add_argument("--threads", type=int, default=2)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        os.environ |= {"DATA_DIR": folder, "DJANGO_SETTINGS_MODULE": "config.settings", "LOG_LEVEL": "WARNING"}
        for name in ("DATABASE_URL", "BROKER_URL", "STORAGE_URL"):
            os.environ.pop(name, None)
        import django

        django.setup()
        print(json.dumps({"benchmark": "prepare_throughput", **vars(given), **measure(Path(folder), given)}))


def measure(folder: Path, given: argparse.Namespace) -> dict:
    import torch
    from django.core.management import call_command
    from PIL import Image
    from safetensors.torch import save_file
    from torchvision import models

    from benchmarks.measure import MEAN, STD, photograph
    from studies import catalogue, storage
    from studies.models import Artifact
    from studies.models import Image as Photograph
    from studies.workbench import Bench, kinds, sources

    torch.set_num_threads(given.threads)
    call_command("migrate", verbosity=0)
    place = folder / "photographs" / "thing"
    place.mkdir(parents=True)
    for n in range(given.images):
        file = io.BytesIO()
        Image.fromarray(photograph()).resize((500, 375)).rotate(n / 4).save(file, format="JPEG", quality=90)
        (place / f"{n:05}.jpg").write_bytes(file.getvalue())
    catalogue.import_images("things", folder / "photographs")
    torch.manual_seed(0)
    save_file(models.resnet18().state_dict(), folder / "resnet18.safetensors")
    module = folder / "network.py"
    module.write_text("from torchvision.models import resnet18\n")
    preprocessing = {"resize": 256, "crop": 224, "mean": list(MEAN), "std": list(STD)}
    row = catalogue.import_classifier(
        "net",
        image_set="things",
        module=f"{module}:resnet18",
        checkpoint=folder / "resnet18.safetensors",
        preprocessing=preprocessing,
    )
    network = sources.classifier(row.digest)
    size = kinds.get("prediction").batch
    from explainers import images

    def bare() -> None:
        files = list(Photograph.objects.values_list("file", flat=True))
        for start in range(0, len(files), size):
            batch = [images.load(storage.read(f), resize=256, crop=224) for f in files[start : start + size]]
            network.predict(images.to_tensor(batch).to(network.mean.device))

    def workbench() -> None:
        bench = Bench()
        for _ in bench.predictions("net", bench.images("net")):
            pass

    seconds: dict[str, list[float]] = {"bare": [], "workbench": []}
    for number in range(4):
        for name, run in (("bare", bare), ("workbench", workbench)):
            Artifact.objects.all().delete()
            for file in list(storage.names("artifacts")):
                (folder / "media" / file).unlink()
            started = time.perf_counter()
            run()
            if number:
                seconds[name].append(time.perf_counter() - started)
    rates = {name: given.images / sorted(values)[len(values) // 2] for name, values in seconds.items()}
    share = round(rates["workbench"] / rates["bare"], 3)
    return {"images_a_second": {name: round(rate, 2) for name, rate in rates.items()}, "share": share}


if __name__ == "__main__":
    main()
