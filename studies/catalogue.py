"""Bringing photographs and classifiers in: all of it or nothing."""

import csv
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from django.conf import settings
from django.contrib.auth.base_user import AbstractBaseUser
from django.core.exceptions import ValidationError
from django.core.validators import validate_slug
from django.db import transaction
from django.db.models.functions import Least

from studies import audit, storage
from studies.audit import About, What
from studies.errors import StudyError
from studies.importing import photographs
from studies.importing.folders import Folder
from studies.models import Classifier, ImageSet
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
    label.  Raises StudyError, naming the first file that is refused, and then nothing is imported.
    """
    check_name(name, ImageSet)
    source = Folder(folder)
    examined = []
    for one in photographs.listed(source):
        examined.append(photographs.examine(source, one))
        if refused := examined[-1].refused:
            raise StudyError(f"{examined[-1].path}: {refused}")
    settled = photographs.settle(examined)
    if settled.refused:
        raise StudyError(settled.refused[0].refused)
    left_out = [one.path for one in settled.left_out]
    return photographs.write(name, settled.accepted, left_out=len(left_out)), left_out


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
    who: str = "",
    run: int | None = None,
) -> Classifier:
    """Import a classifier: one of torchvision's, or FILE.py:FACTORY with a safetensors checkpoint.

    `preprocessing` holds those of resize, crop (pixels), mean and std (of pixels in [0, 1]) that are given; the rest
    is torchvision's for its weights, and otherwise: no resizing, no normalisation.  Raises StudyError when it does
    not fit: the checkpoint its network, the outputs the classes, or the sizes of the photographs one another.  `who`
    and `run` are for the log: what imports it, for which import of the desk.
    """
    from explainers import classifiers
    from studies.workbench import sources

    check_name(name, Classifier)
    images_of = ImageSet.objects.filter(name=image_set).first()
    if images_of is None:
        raise StudyError(f"there is no image set called {image_set}")
    given = {key: value for key, value in (preprocessing or {}).items() if value is not None}
    plain: dict[str, Any] = {"resize": None, "crop": None, "mean": [0.0] * 3, "std": [1.0] * 3}
    with tempfile.TemporaryDirectory(dir=settings.DATA_DIR, prefix=".classifier-") as folder:
        try:
            if torchvision:
                prepared = plain | classifiers.torchvision_preprocessing(torchvision, weights) | given
                source: dict[str, Any] = {"torchvision": torchvision, "weights": weights}
                network = sources.build(source, prepared)
            else:
                prepared = plain | given
                copied = _Copied(module or "", checkpoint, Path(folder))
                network = classifiers.from_module(
                    copied.module, copied.factory, copied.checkpoint, mean=prepared["mean"], std=prepared["std"]
                )
            n_outputs = classifiers.check(network, _input_size(images_of, prepared), images_of.classes.count())
        except classifiers.ClassifierError as error:
            raise StudyError(str(error)) from None
        if not torchvision:
            # Nothing is stored of what was refused.
            source = copied.store()
    state = network.state_digest
    recipe = {"source": source, "preprocessing": prepared, "state": state}
    with transaction.atomic():
        row = Classifier.objects.create(
            name=name,
            image_set=images_of,
            source=source,
            preprocessing=prepared,
            state_digest=state,
            digest=digest(recipe),
            n_outputs=n_outputs,
        )
        details = {"image_set": images_of.name, "digest": row.digest, "import": run}
        audit.record_of_catalogue(About.CLASSIFIER, name, What.IMPORTED, who=who, **details)
    return row


class _Copied:
    """The module and the checkpoint as they are now, in a folder of their own: what is tried is what is stored."""

    def __init__(self, module: str, checkpoint: Path | None, folder: Path):
        file, colon, self.factory = module.rpartition(":")
        if not colon or not self.factory.isidentifier():
            raise StudyError(f"--module {module}: must be FILE.py:FACTORY")
        if checkpoint is None:
            raise StudyError("--module needs --checkpoint FILE.safetensors")
        # Under their own names, which messages tell.
        self.module = _copy(Path(file), folder / "module")
        self.checkpoint = _copy(Path(checkpoint), folder / "checkpoint")

    def store(self) -> dict[str, Any]:
        stored = {"factory": self.factory}
        for what, path, suffix in (("module", self.module, ".py"), ("checkpoint", self.checkpoint, ".safetensors")):
            stored[what], stored[f"{what}_sha256"] = storage.store_file("classifiers", path, suffix)
        return stored


def _copy(path: Path, folder: Path) -> Path:
    folder.mkdir()
    limit = settings.CHECKPOINT_MAX_BYTES
    try:
        if not path.is_file():
            raise StudyError(f"{path}: {'is no ordinary file' if path.exists() else 'No such file'}")
        if path.stat().st_size > limit:
            raise StudyError(f"{path}: has more than {limit:,} bytes (CHECKPOINT_MAX_BYTES)")
        return Path(shutil.copyfile(path, folder / path.name))
    except OSError as error:
        raise StudyError(f"{path}: {error.strerror}") from None


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


def check_name(name: str, model: type[ImageSet] | type[Classifier]) -> None:
    """StudyError for a name that is none, or that is taken."""
    try:
        validate_slug(name)
    except ValidationError:
        raise StudyError(f"{name!r} is no name: use letters, digits, hyphens and underscores") from None
    if model.objects.filter(name=name).exists():
        raise StudyError(f"the name {name} is taken by another {model._meta.verbose_name}")
