"""Bringing photographs and classifiers in: all of it or nothing."""

import csv
import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from django.contrib.auth.base_user import AbstractBaseUser
from django.core.exceptions import ValidationError
from django.core.validators import validate_slug
from django.db import transaction
from django.db.models.functions import Least

from explainers import images
from studies import storage
from studies.errors import StudyError
from studies.models import Classifier, Image, ImageClass, ImageSet
from studies.protocols import Catalogue
from studies.workbench.recipes import digest


def catalogue(user: AbstractBaseUser | None = None) -> Catalogue:
    """The classifiers that designs may name, with their class names; all, or those that somebody sees."""
    seen = Classifier.objects.visible_to(user) if user else Classifier.objects.all()
    rows = seen.prefetch_related("image_set__classes")
    return Catalogue({row.name: tuple(c.name for c in row.image_set.classes.all()) for row in rows})


# --- photographs ------------------------------------------------------------------------------------------------------


def import_images(name: str, folder: Path) -> tuple[ImageSet, list[str]]:
    """Import a folder of photographs: one folder a class, or `labels.csv` with the columns file and label.

    The sorted class names are the class indices.  Hidden files are passed over; every other file must be a
    photograph.  Returns the set, and the paths left out because the same bytes were there already under the same
    label.  Raises StudyError, naming the file, and then nothing is imported.
    """
    _check_name(name, ImageSet)
    if not folder.is_dir():
        raise StudyError(f"{folder}: no such folder")
    listed = list(_from_labels(folder) if (folder / "labels.csv").is_file() else _from_folders(folder))
    if not listed:
        raise StudyError(f"{folder}: no images in it: put one folder a class there, or labels.csv")
    names = sorted({label for _, label in listed})
    index = {label: i for i, label in enumerate(names)}
    rows: dict[str, Image] = {}
    left_out: list[str] = []
    for path, label in listed:
        row = _read_image(folder, path, index[label])
        if row.sha256 in rows:
            other = rows[row.sha256]
            if other.label != row.label:
                both = f"{names[other.label]} and {label}"
                raise StudyError(f"{other.path} and {path} are the same photograph under two labels, {both}")
            left_out.append(path)
        else:
            rows[row.sha256] = row
    with transaction.atomic():
        image_set = ImageSet.objects.create(name=name)
        ImageClass.objects.bulk_create(
            ImageClass(image_set=image_set, index=i, name=label, title=label.replace("_", " "))
            for label, i in index.items()
        )
        for row in rows.values():
            row.image_set = image_set
        Image.objects.bulk_create(rows.values(), batch_size=1000)
    return image_set, left_out


def _from_folders(folder: Path) -> Iterator[tuple[str, str]]:
    for place in sorted(folder.iterdir()):
        if place.name.startswith("."):
            continue
        if not place.is_dir():
            raise StudyError(f"{place.name}: not a folder: put one folder a class there, or a labels.csv")
        files = [file for file in sorted(place.rglob("*")) if file.is_file() and not _hidden(file.relative_to(folder))]
        if not files:
            raise StudyError(f"{place.name}: a class without images")
        for file in files:
            yield file.relative_to(folder).as_posix(), place.name


def _from_labels(folder: Path) -> Iterator[tuple[str, str]]:
    seen = set()
    for line, row in read_csv(folder / "labels.csv", ["file", "label"]):
        path, label = row["file"], row["label"]
        if not path or not label:
            raise StudyError(f"labels.csv, line {line}: file and label must both be given")
        if path in seen:
            raise StudyError(f"labels.csv, line {line}: {path} is listed twice")
        if not (folder / path).resolve().is_relative_to(folder.resolve()):
            raise StudyError(f"labels.csv, line {line}: {path} is not below the folder")
        seen.add(path)
        yield path, label


def _hidden(path: Path) -> bool:
    return any(part.startswith(".") for part in path.parts)


def _read_image(folder: Path, path: str, label: int) -> Image:
    try:
        data = (folder / path).read_bytes()
        facts = images.inspect(data)
    except images.ImageError as error:
        raise StudyError(f"{path}: {error}") from None
    except OSError as error:
        raise StudyError(f"{path}: {error.strerror}") from None
    # Stored at once, so that a large set never has to fit in memory; an unused file is harmless and collected later.
    file = storage.store("images", data, f".{facts.format.lower()}")
    return Image(label=label, path=path, sha256=facts.sha256, file=file, width=facts.width, height=facts.height)


def read_csv(path: Path, columns: Sequence[str], optional: Sequence[str] = ()) -> Iterator[tuple[int, dict[str, str]]]:
    """The rows of a CSV file with their line numbers; StudyError for a missing column or another encoding.

    A row has all these columns; the optional ones are empty where the file does not have them.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            if missing := [column for column in columns if column not in (reader.fieldnames or [])]:
                raise StudyError(f"{path.name}: no column {missing[0]} (there must be {', '.join(columns)})")
            for row in reader:
                yield reader.line_num, {column: (row.get(column) or "").strip() for column in (*columns, *optional)}
    except UnicodeDecodeError:
        raise StudyError(f"{path.name}: not UTF-8 text") from None
    except csv.Error as error:
        raise StudyError(f"{path.name}: {error}") from None
    except OSError as error:
        raise StudyError(f"{path}: {error.strerror}") from None


# --- classifiers ------------------------------------------------------------------------------------------------------


def import_classifier(
    name: str,
    *,
    image_set: str,
    torchvision: str | None = None,
    weights: str = "IMAGENET1K_V1",
    module: str | None = None,
    checkpoint: Path | None = None,
    preprocessing: dict[str, Any] | None = None,
) -> Classifier:
    """Import a classifier: one of torchvision's, or FILE.py:FACTORY with a safetensors checkpoint.

    `preprocessing` holds those of resize, crop (pixels), mean and std (of pixels in [0, 1]) that are given; the rest
    is torchvision's for its weights, and otherwise: no resizing, no normalisation.  Raises StudyError when it does
    not fit: the checkpoint its network, the outputs the classes, or the sizes of the photographs one another.
    """
    from explainers import classifiers
    from studies.workbench import sources

    _check_name(name, Classifier)
    images_of = ImageSet.objects.filter(name=image_set).first()
    if images_of is None:
        raise StudyError(f"there is no image set called {image_set}")
    settings: dict[str, Any] = {"resize": None, "crop": None, "mean": [0.0] * 3, "std": [1.0] * 3}
    if torchvision:
        source: dict[str, Any] = {"torchvision": torchvision, "weights": weights}
        try:
            settings |= classifiers.torchvision_preprocessing(torchvision, weights)
        except classifiers.ClassifierError as error:
            raise StudyError(str(error)) from None
    else:
        source = _stored_source(module or "", checkpoint)
    settings |= {key: value for key, value in (preprocessing or {}).items() if value is not None}
    network = sources.build(source, settings)
    try:
        n_outputs = classifiers.check(network, _input_size(images_of, settings), images_of.classes.count())
    except classifiers.ClassifierError as error:
        raise StudyError(str(error)) from None
    state = network.state_digest
    recipe = {"source": source, "preprocessing": settings, "state": state}
    return Classifier.objects.create(
        name=name,
        image_set=images_of,
        source=source,
        preprocessing=settings,
        state_digest=state,
        digest=digest(recipe),
        n_outputs=n_outputs,
    )


def _stored_source(module: str, checkpoint: Path | None) -> dict[str, Any]:
    """Copies of the module and the checkpoint, so that later edits of the originals change no result."""
    file, colon, factory = module.rpartition(":")
    if not colon or not factory.isidentifier():
        raise StudyError(f"--module {module}: must be FILE.py:FACTORY")
    if checkpoint is None:
        raise StudyError("--module needs --checkpoint FILE.safetensors")
    stored = {}
    for what, path, suffix in (("module", Path(file), ".py"), ("checkpoint", Path(checkpoint), ".safetensors")):
        try:
            data = path.read_bytes()
        except OSError as error:
            raise StudyError(f"{path}: {error.strerror}") from None
        stored[what] = storage.store("classifiers", data, suffix)
        stored[f"{what}_sha256"] = hashlib.sha256(data).hexdigest()
    return {**stored, "factory": factory}


def _input_size(image_set: ImageSet, settings: dict[str, Any]) -> tuple[int, int]:
    """Height and width of what the network is given; all photographs must come out at this size."""
    resize, crop = settings["resize"], settings["crop"]
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


def _check_name(name: str, model: type[ImageSet] | type[Classifier]) -> None:
    try:
        validate_slug(name)
    except ValidationError:
        raise StudyError(f"{name!r} is no name: use letters, digits, hyphens and underscores") from None
    if model.objects.filter(name=name).exists():
        raise StudyError(f"the name {name} is taken by another {model._meta.verbose_name}")
