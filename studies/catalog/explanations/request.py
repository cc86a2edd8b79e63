"""What is asked when explanations are measured: explainers, measures, how many images.  Without torch."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from explainers import base
from studies.lib.errors import StudyError
from studies.lib.method_parameters import parse_parameters
from studies.models import Classifier, ImageObject

LARGEST_SAMPLE = 100_000
#: How far the pointing game's largest value may miss a box: 15 pixels of PASCAL VOC's 500 (Zhang et al. 2018).
TOLERANCE = 15 / 500


@dataclass(frozen=True)
class Measure:
    """title: as tables have it.  higher: whether larger values are better.  note: what it is, in a line."""

    title: str
    higher: bool
    note: str


#: By what `--measures` calls them, the measures that are computed together.
GROUPS: dict[str, dict[str, Measure]] = {
    "pointing": {
        "pointing_game": Measure("Pointing game", True, "share of an image's classes at whose objects the map points"),
        "pointing_game_with_rejection": Measure(
            "Pointing game with rejection", True, "the same of the five best guesses; absent classes must be rejected"
        ),
    },
    "localisation": {
        "top1_localisation_error": Measure(
            "Top-1 localisation error", False, "the best guess is wrong, or its box misses (IoU below 0.5)"
        ),
        "top5_localisation_error": Measure(
            "Top-5 localisation error", False, "the class is none of the five best guesses, or its box misses"
        ),
    },
    "faithfulness": {
        "deletion": Measure("Deletion", False, "mean probability as the best pixels turn grey"),
        "insertion": Measure("Insertion", True, "mean probability as the best pixels come into a blurred picture"),
    },
    "seed": {
        "seed_sensitivity": Measure("Sensitivity to the seed", False, "mean relative distance of two seeds' maps")
    },
    "sanity": {
        "sanity_rank_correlation": Measure(
            "Sanity check, rank correlation", False, "mean over stages of randomised layers; high fails the check"
        ),
        "sanity_ssim": Measure("Sanity check, SSIM", False, "mean over stages of randomised layers; high fails it"),
    },
    "completeness": {
        "completeness_gap": Measure("Completeness gap", False, "what the values' sum misses, of methods that have it")
    },
    "seconds": {"seconds": Measure("Seconds an image", False, "alone, warmed up, on the machine that measured it")},
}
MEASURES: dict[str, Measure] = {key: one for group in GROUPS.values() for key, one in group.items()}
#: Those that need annotated objects.
OF_OBJECTS = ("pointing", "localisation")
#: Measures whose values are shares of right or wrong decisions.
OUTCOMES = tuple(key for group in OF_OBJECTS for key in GROUPS[group])


@dataclass(frozen=True)
class MeasurementRequest:
    """explainers: as they are written, `NAME` or `NAME:PARAMETER=VALUE:…`.  measures: names of GROUPS.  sample: how
    many images.  tolerance: of the pointing game in pixels, None for TOLERANCE of the picture's longer side.  n_steps:
    of deletion and insertion.  n_stages: of the sanity check.  n_seeds: for the sensitivity to the seed."""

    explainers: tuple[str, ...]
    sample: int
    measures: tuple[str, ...] = tuple(GROUPS)
    seed: int = 0
    tolerance: float | None = None
    n_steps: int = 32
    n_stages: int = 8
    n_seeds: int = 3

    def as_json(self) -> dict[str, Any]:
        return {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in ((name, getattr(self, name)) for name in self.__dataclass_fields__)
        }

    @classmethod
    def from_json(cls, given: Mapping[str, Any]) -> "MeasurementRequest":
        return cls(**{name: tuple(value) if isinstance(value, list) else value for name, value in given.items()})


def check_request(classifier: Classifier, request: MeasurementRequest) -> None:
    """StudyError, in one line, for a request that cannot be measured on this classifier."""
    check_names(request.explainers)
    if not request.measures:
        raise StudyError(f"no measures are named: {', '.join(GROUPS)}")
    for name in request.measures:
        if name not in GROUPS:
            raise StudyError(f"no measure is called {name!r}; there are {', '.join(GROUPS)}")
    for name, least, most in (
        ("sample", 1, LARGEST_SAMPLE),
        ("n_steps", 1, 10_000),
        ("n_stages", 1, 1000),
        ("n_seeds", 2, 100),
        ("seed", 0, 2**31 - 1),
    ):
        if not least <= getattr(request, name) <= most:
            called = name.removeprefix("n_")
            raise StudyError(f"--{called} must be from {least:,} to {most:,}, not {getattr(request, name):,}")
    if request.tolerance is not None and not 0 <= request.tolerance < 1e6:
        raise StudyError(f"--tolerance must be a number of pixels from 0 up, not {request.tolerance:g}")
    image_set = classifier.image_set
    if not image_set.images.exists():
        raise StudyError(f"the image set {image_set.name} has no images")
    wanted = [name for name in request.measures if name in OF_OBJECTS]
    if wanted and not ImageObject.objects.filter(image__image_set=image_set).exists():
        others = ",".join(name for name in request.measures if name not in OF_OBJECTS)
        remedy = f", or leave these out: --measures {others}" if others else ""
        raise StudyError(
            f"the image set {image_set.name} has no annotated objects, which {' and '.join(wanted)} need: import it "
            f"with --objects{remedy}"
        )


def check_names(explainers: Sequence[str]) -> None:
    """StudyError for explainers that are not there, or named twice; their parameters are not looked at."""
    if not explainers:
        raise StudyError(f"no explainers are named; there are {', '.join(base.available('explainer'))}")
    known = base.available("explainer")
    for written in explainers:
        if (name := written.partition(":")[0]) not in known:
            raise StudyError(f"no explainer is called {name!r}; there are {', '.join(known)}")
    if twice := [one for one in explainers if explainers.count(one) > 1]:
        raise StudyError(f"{twice[0]} is named twice")


def recipe_of(written: str) -> dict[str, Any]:
    """The full recipe of an explainer as it is written; imports its file.  StudyError in one line for any other."""
    name, _, rest = written.partition(":")
    try:
        parameters = parse_parameters(rest, ":")
    except ValueError as error:
        raise StudyError(f"{written}: {error}") from None
    try:
        recipe: dict[str, Any] = base.get("explainer", name).from_parameters(parameters).recipe()
    except base.MethodError as error:
        raise StudyError(f"{written}: {error}" if rest else str(error)) from None
    return recipe
