"""Import of classifiers: all of it or nothing, and only what is what it says."""

import tempfile
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from django.conf import settings
from django.db import transaction
from django.db.models.functions import Least

from explainers.computations import ComputationFailure
from explainers.normalisation import normalisation_problem
from studies import audit
from studies.audit import About, What
from studies.catalog.names import check_name
from studies.catalog.network_sources import (
    PROMPT,
    LibrarySource,
    ModuleSource,
    NetworkSource,
    TorchvisionSource,
    prompts_for,
)
from studies.catalog.output_mapping import OutputMapping, map_outputs
from studies.lib.canonical_json import digest
from studies.lib.errors import StudyError
from studies.models import Classifier, ImageSet

if TYPE_CHECKING:
    from explainers.classifiers import ImageClassifier as Network

#: On how many photographs of the set a network is tried.
TRIED_ON = 8


def import_classifier(
    name: str,
    *,
    image_set: str,
    torchvision: str | None = None,
    weights: str = "IMAGENET1K_V1",
    timm: str | None = None,
    transformers: str | None = None,
    open_clip: str | None = None,
    prompt: str = PROMPT,
    module: str | None = None,
    checkpoint: Path | None = None,
    outputs_are: str = "logits",
    preprocessing: Mapping[str, Any] | None = None,
    outputs: str = "",
    outputs_called: str = "--outputs",
    expected_accuracy: float | None = None,
    who: str = "",
    run: int | None = None,
) -> Classifier:
    """Import a classifier: torchvision's, timm's, transformers' or open_clip's by name, or FILE.py:FACTORY with a
    safetensors checkpoint.

    `preprocessing` holds those of resize, crop (pixels), mean and std (of pixels in [0, 1]) that are given; the rest
    is what its library says of its weights, and otherwise: no resizing, no normalisation.  `outputs`: the text of a
    list that says which output is which class, or a named order (`output_mapping`); empty where the names make it
    certain.  `prompt`: of a class, for open_clip.  `expected_accuracy`: the share it should be right on, if known.
    Raises StudyError when it does not fit: the checkpoint its network, the outputs the classes, or the sizes of the
    photographs one another; and where a check on photographs of the set refuses it.  `who` and `run` are for the log:
    what imports it, for which import of the desk.
    """
    from explainers import classifiers

    check_name(name, Classifier)
    images_of = ImageSet.objects.filter(name=image_set).first()
    if images_of is None:
        raise StudyError(f"there is no image set called {image_set}")
    given = {key: value for key, value in (preprocessing or {}).items() if value is not None}
    check_normalisation(given)
    check_accuracy(expected_accuracy)
    if outputs_are != "logits" and not module:
        raise StudyError("--outputs-are goes with --module: networks of libraries give logits")
    with tempfile.TemporaryDirectory(dir=settings.DATA_DIR, prefix=".classifier-") as folder:
        if module:
            source: NetworkSource = ModuleSource(module, checkpoint, Path(folder), outputs_are)
        elif torchvision:
            source = TorchvisionSource(torchvision, weights)
        else:
            named = {"timm": timm, "transformers": transformers, "open_clip": open_clip}
            key, called = next(((key, value) for key, value in named.items() if value), ("", ""))
            if not called:
                raise StudyError("name a network, or a module with its checkpoint")
            titles = images_of.classes.order_by("index").values_list("title", flat=True)
            source = LibrarySource(key, called, prompts_for(prompt, list(titles)) if key == "open_clip" else ())
        try:
            prepared = source.preprocessing() | given
            network = source.build(prepared)
            n_outputs = classifiers.check(network, _input_size(images_of, prepared), images_of.classes.count())
            mapping = _mapping(source, images_of, n_outputs, outputs, outputs_called)
            checks = examine(network, images_of, prepared, outputs_are)
        except classifiers.ClassifierError as error:
            raise StudyError(str(error)) from None
        # Nothing is stored of what was refused.
        stored = source.stored()
    state = network.cpu().state_digest
    recipe = {"source": stored, "preprocessing": prepared, "state": state, "outputs": mapping.recipe()}
    with transaction.atomic():
        row = Classifier.objects.create(
            name=name,
            image_set=images_of,
            source=stored,
            preprocessing=prepared,
            state_digest=state,
            digest=digest(recipe),
            n_outputs=n_outputs,
            class_mapping=mapping.as_json(),
            checks=checks,
            expected_accuracy=source.accuracy() if expected_accuracy is None else expected_accuracy,
        )
        details = {"image_set": images_of.name, "digest": row.digest, "import": run}
        audit.record_of_catalogue(About.CLASSIFIER, name, What.IMPORTED, who=who, **details)
    return row


def examine(
    network: "Network", image_set: ImageSet, preprocessing: Mapping[str, Any], outputs_are: str = "logits"
) -> list[dict[str, Any]]:
    """What was tried on photographs of the set, as a row keeps it.

    Raises explainers' ClassifierError with the first check that refuses the network.
    """
    from explainers import classifier_checks, images
    from explainers.classifiers import ClassifierError
    from explainers.computations import inputs

    paths, pixels = [], []
    for path, file in _some(image_set, TRIED_ON):
        decoded = inputs.pixels(file, preprocessing)
        if not isinstance(decoded, ComputationFailure):
            paths.append(path)
            pixels.append(decoded)
    if len(pixels) == 1:
        # Some checks compare pictures with one another.
        paths, pixels = [*paths, f"{paths[0]}, mirrored"], [*pixels, np.ascontiguousarray(pixels[0][:, ::-1])]
    if not pixels:
        raise StudyError(f"no photograph of {image_set.name} can be read")
    network.to(inputs.device())
    pictures = images.to_tensor(pixels).to(network.mean.device)
    if outputs_are == "probabilities" and not classifier_checks.are_probabilities(network, pictures):
        raise ClassifierError("--outputs-are probabilities: its outputs are none, below 0 or with another sum than 1")
    findings = classifier_checks.examine(network, pictures, paths)
    classifier_checks.refuse(findings)
    return [asdict(finding) for finding in findings]


def check_normalisation(preprocessing: Mapping[str, Any]) -> None:
    """StudyError for a mean without a standard deviation, or the other way round, and for values no pixel has."""
    given = [name for name in ("mean", "std") if preprocessing.get(name) is not None]
    if len(given) == 1:
        other = "std" if given == ["mean"] else "mean"
        raise StudyError(f"--{given[0]} without --{other}: give both, or neither")
    for name in given:
        if problem := normalisation_problem(name, preprocessing[name]):
            raise StudyError(f"--{problem}")


def check_accuracy(share: float | None) -> None:
    if share is not None and not 0 < share <= 1:
        raise StudyError(f"the expected accuracy must be a share above 0 and at most 1, not {share:g}")


def _mapping(
    source: NetworkSource, image_set: ImageSet, n_outputs: int, outputs: str, outputs_called: str
) -> OutputMapping:
    if isinstance(source, LibrarySource) and source.prompts:
        if outputs:
            raise StudyError("--outputs does not go with --open-clip: its outputs are the classes")
        return OutputMapping(tuple(range(n_outputs)), (), "by their prompts")
    return map_outputs(image_set, n_outputs, names=source.output_names(), given=outputs, called=outputs_called)


def _some(image_set: ImageSet, n: int) -> list[tuple[str, str]]:
    """Path and file of so many photographs, evenly over the classes."""
    rows = image_set.images.order_by("label", "path")
    ids = list(rows.values_list("pk", flat=True))
    chosen = {ids[i] for i in np.linspace(0, len(ids) - 1, min(n, len(ids))).round().astype(int)} if ids else set()
    return list(rows.filter(pk__in=chosen).values_list("path", "file"))


def _input_size(image_set: ImageSet, preprocessing: dict[str, Any]) -> tuple[int, int]:
    """Height and width of what the network is given; all photographs must come out at this size."""
    resize, crop = preprocessing["resize"], preprocessing["crop"]
    if crop:
        smallest = image_set.images.annotate(side=Least("width", "height")).order_by("side").first()
        side = resize or (smallest.side if smallest else crop)
        if side < crop:
            where = f"--resize {resize}" if resize else f"{smallest.path} ({smallest.width} × {smallest.height})"
            raise StudyError(f"{where} is smaller than --crop {crop}")
        return crop, crop
    sizes = list(image_set.images.values_list("height", "width").distinct().order_by()[:2])
    if len(sizes) > 1 or (resize and sizes[0][0] != sizes[0][1]):
        raise StudyError("the photographs differ in size: give --crop (and --resize)")
    return (resize, resize) if resize else sizes[0]


def check_again(classifier: Classifier) -> list[dict[str, Any]]:
    """Try the checks of the import again, and keep what they find now; StudyError where one refuses the classifier."""
    from explainers.classifiers import ClassifierError
    from explainers.computations import inputs

    try:
        network = inputs.build(classifier.source, classifier.preprocessing)
    except ClassifierError as error:
        raise StudyError(str(error)) from None
    if network.state_digest != classifier.state_digest:
        raise StudyError(f"the weights of classifier {classifier.name} are no longer those that were imported")
    outputs_are = classifier.source.get("outputs_are", "logits")
    try:
        checks = examine(network, classifier.image_set, classifier.preprocessing, outputs_are)
    except ClassifierError as error:
        raise StudyError(f"classifier {classifier.name}: {error}") from None
    Classifier.objects.filter(pk=classifier.pk).update(checks=checks)
    classifier.checks = checks
    inputs.classifier.cache_clear()
    return checks
