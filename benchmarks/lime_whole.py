"""A whole LIME explanation: quickshift, ResNet-18 at 224 × 224, the fit.

    python -m benchmarks.lime_whole [--rounds 3] [--samples 1000] [--threads 2]

Prints one JSON line: seconds an image of this code in float32 and in bfloat16, and of the `lime` package as it is
usually called, with a function from arrays to probabilities in batches of ten; alternating, medians. The weights are
random: the cost does not depend on them. The goals are 1.5 and 2.5 times the package's speed, the latter where the
processor computes in bfloat16: `amx` says whether it has the units that do so faster than in float32.
"""

from collections.abc import Callable

from benchmarks.lime_sides import ours, package
from benchmarks.measure import alternating, arguments, has_amx, photograph, resnet18, tell


def main() -> None:
    given = arguments(__doc__, rounds=3, samples=1000)
    classifier, picture = resnet18(), photograph()

    def sides(samples: int) -> dict[str, Callable[[], object]]:
        return {
            "float32": ours(classifier, picture, samples, "float32", None),
            "bfloat16": ours(classifier, picture, samples, "bfloat16", None),
            "lime": package(classifier, picture, samples, None),
        }

    seconds = alternating(sides(given.samples), given.rounds, warm_up=sides(40).values())
    ratios = {f"{name}_ratio": round(seconds["lime"] / seconds[name], 2) for name in ("float32", "bfloat16")}
    goals = {"float32_ratio": 1.5, "bfloat16_ratio": 2.5}
    tell(
        "lime_whole",
        given,
        goals=goals,
        amx=has_amx(),
        **{f"{name}_s": round(v, 2) for name, v in seconds.items()},
        **ratios,
    )


if __name__ == "__main__":
    main()
