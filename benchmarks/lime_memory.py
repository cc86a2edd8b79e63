"""What LIME needs in memory above a process that holds the model: ResNet-18 at 224 × 224, on Linux.

    python -m benchmarks.lime_memory [--samples 1000] [--threads 2]

Prints one JSON line: the peak in MB, from the kernel's high-water mark, which is set back once the model is there and
read after an explanation in float32 and one in bfloat16. The goal is at most 400.
"""

from pathlib import Path

import torch

from benchmarks.measure import arguments, photograph, resnet18, tell
from explainers.images import to_tensor
from explainers.lime import Lime
from explainers.superpixels import Quickshift


def status_mb(field: str) -> float:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 / 1e6 for line in lines if line.startswith(f"{field}:"))


def main() -> None:
    given = arguments(__doc__, samples=1000)
    classifier, images = resnet18(), to_tensor([photograph()])
    with torch.inference_mode():
        classifier(images)
    Quickshift().segment(photograph()[:32, :32])  # scikit-image's own imports
    Path("/proc/self/clear_refs").write_text("5")
    before = status_mb("VmRSS")
    for precision in ("float32", "bfloat16"):
        Lime(n_samples=given.samples, precision=precision).explain(classifier, images, torch.tensor([3]), seeds=[1])
    tell("lime_memory", given, goal_mb=400, peak_mb=round(status_mb("VmHWM") - before), before_mb=round(before))


if __name__ == "__main__":
    main()
