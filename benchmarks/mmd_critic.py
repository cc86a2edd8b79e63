"""MMD-critic: from a kernel, as a ratio to the authors' procedure written naively; from features, streamed.

    python -m benchmarks.mmd_critic [--rounds 9] [--points 50000] [--threads 2]

Prints one JSON line. kernel: n = 1300 points, 100 prototypes and 100 criticisms; medians in seconds of both sides,
alternating, and whether they chose the same indices; then the same with one BLAS thread, which is where the naive side
is at its best: on few or busy cores its many small products wait for each other's threads. streamed: `--points` of 2048
features, 100 prototypes and 100 criticisms, in a process of its own; seconds, that process's peak of memory with the
features in it, and the seconds that the bare products of the kernel's blocks take, measured on a sample of them before
and after.
"""

import json
import resource
import subprocess
import sys
import time
from typing import Any

import numpy as np
import torch
from threadpoolctl import threadpool_limits

from benchmarks.measure import alternating, arguments, tell
from explainers import mmd_critic

CHOSEN = 100
FEATURES = 2048
LIMITS = {"ratio": 30, "streamed_s": 90, "streamed_peak_gb": 2}


def naive_prototypes(kernel: np.ndarray, count: int) -> list[int]:
    """Each step anew over all candidates, from the chosen rows of the kernel."""
    n = len(kernel)
    affinity = 2 * kernel.sum(0) / n
    chosen: list[int] = []
    for _ in range(count):
        candidates = np.setdiff1d(np.arange(n), chosen)
        scores = affinity[candidates]
        within = np.diagonal(kernel)[candidates]
        if chosen:
            within = within + 2 * kernel[chosen, :][:, candidates].sum(0)
        scores = scores - within / (len(chosen) + 1)
        chosen.append(int(candidates[scores.argmax()]))
    return chosen


def naive_criticisms(kernel: np.ndarray, prototypes: list[int], count: int, regularizer: float) -> list[int]:
    """Each step anew over all candidates, with the inverse of the chosen criticisms' kernel."""
    n = len(kernel)
    means = kernel.sum(0) / n
    chosen: list[int] = []
    for _ in range(count):
        candidates = np.setdiff1d(np.arange(n), prototypes + chosen)
        witness = means[candidates] - kernel[prototypes, :][:, candidates].sum(0) / len(prototypes)
        residual = np.diagonal(kernel)[candidates]
        if chosen:
            inverse = np.linalg.inv(kernel[chosen, :][:, chosen])
            cross = kernel[chosen, :][:, candidates]
            residual = residual - (inverse.dot(cross) * cross).sum(0)
        scores = np.abs(witness) + regularizer * np.log(np.abs(residual))
        chosen.append(int(candidates[scores.argmax()]))
    return chosen


def points(n: int, f: int) -> torch.Tensor:
    """Rectified and averaged, like the last hidden values of a ResNet: non-negative, in clusters, float32."""
    generator = torch.Generator().manual_seed(n)
    centres = torch.randn(20, f, generator=generator)
    values = torch.empty(n, f)
    for rows in torch.arange(n).split(1000):
        noise = torch.randn(len(rows), f, generator=generator)
        values[rows] = (centres[rows % 20] + noise).relu_().mul_(0.5)
    return values


def from_kernel(rounds: int) -> dict[str, Any]:
    x = points(1300, FEATURES).double()
    kernel = torch.exp(-mmd_critic.median_bandwidth(x) * torch.cdist(x, x).square())
    kernel = (kernel + kernel.T) / 2
    array = kernel.numpy()
    chosen = {}

    def naive() -> None:
        prototypes = naive_prototypes(array, CHOSEN)
        chosen["naive"] = prototypes, naive_criticisms(array, prototypes, CHOSEN, 1e-5)

    def ours() -> None:
        result = mmd_critic.select_from_kernel(kernel, CHOSEN, CHOSEN)
        chosen["ours"] = result.prototypes.tolist(), result.criticisms.tolist()

    def timed() -> dict[str, float]:
        seconds = alternating({"naive": naive, "ours": ours}, rounds)
        rounded = {f"{name}_s": round(value, 4) for name, value in seconds.items()}
        return {**rounded, "ratio": round(seconds["naive"] / seconds["ours"], 1)}

    as_installed = timed()
    with threadpool_limits(1, user_api="blas"):
        one_thread = timed()
    same = chosen["naive"] == chosen["ours"]
    return {"n": len(kernel), **as_installed, "one_blas_thread": one_thread, "same_indices": same}


def products_s(x: torch.Tensor, sample: int = 60) -> float:
    """Seconds for the bare products of all blocks on and above the diagonal, from a sample of them."""
    size = mmd_critic._BLOCK_ON_CPU
    blocks = -(-len(x) // size)
    first, second = x[:size].double(), x[-size:].double()
    start = time.perf_counter()
    for _ in range(sample):
        first @ second.T
    return (time.perf_counter() - start) / sample * blocks * (blocks + 1) / 2


def streamed(n: int) -> dict[str, float | int]:
    x = points(n, FEATURES)
    before = products_s(x)
    start = time.perf_counter()
    chosen = mmd_critic.select_from_features(x, CHOSEN, CHOSEN)
    seconds = time.perf_counter() - start
    assert len({*chosen.prototypes.tolist(), *chosen.criticisms.tolist()}) == 2 * CHOSEN
    return {
        "n": n,
        "ours_s": round(seconds, 1),
        "products_s": round((before + products_s(x)) / 2, 1),
        "peak_gb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9, 2),
    }


def main() -> None:
    given = arguments(__doc__, rounds=9, points=50_000)
    code = f"import json, torch; torch.set_num_threads({given.threads}); from benchmarks.mmd_critic import streamed;"
    code += f"print(json.dumps(streamed({given.points})))"
    alone = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    tell(
        "mmd_critic",
        given,
        kernel=from_kernel(given.rounds),
        streamed=json.loads(alone.stdout),
        limits=LIMITS,
    )


if __name__ == "__main__":
    main()
