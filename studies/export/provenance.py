"""Where each picture came from: the photograph, the computations with their methods and seeds, the classifier."""

from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from studies.lib import storage
from studies.models import Artifact, Image, Study
from studies.preparation.provenance import DEEPEST, PICTURE
from studies.preparation.verification import stored_names
from studies.results.frames import Row

from . import repeating

#: Artifacts that are looked up at a time.
AT_A_TIME = 500


def pictures(study: Study) -> Iterator[Row]:
    """One row for each picture of each stimulus: its file, what made it, and the photographs that it goes back to."""
    made = _Makers(study)
    for number, shown in study.stimuli.order_by("number").values_list("number", "shown").iterator(chunk_size=1000):
        for place, name in enumerate(dict.fromkeys(stored_names(shown)), start=1):
            file = PurePosixPath(name)
            digests, images = made.of(name)
            yield study.slug, number, place, file.name, file.stem, digests, made.paths(images)


def computations(study: Study) -> Iterator[Row]:
    """One row for each computation that preparing asked for: its recipe, and the files it gave."""
    rows = Artifact.objects.filter(studies=study).order_by("digest")
    for digest, kind, recipe, seconds, files in rows.values_list(
        "digest", "kind", "recipe", "seconds", "files"
    ).iterator(chunk_size=1000):
        method = next((recipe[key] for key in recipe if isinstance(recipe[key], dict) and "method" in recipe[key]), {})
        yield (
            study.slug,
            digest,
            kind,
            recipe.get("version"),
            method.get("method", ""),
            method.get("version"),
            recipe.get("classifier", "") if isinstance(recipe.get("classifier"), str) else "",
            recipe.get("image", "") if isinstance(recipe.get("image"), str) else "",
            recipe.get("seed") if isinstance(recipe.get("seed"), int) else None,
            seconds,
            recipe,
            {what: PurePosixPath(name).name for what, name in files.items()},
        )


def write_pictures(study: Study, folder: Path) -> None:
    """The pictures that the study's participants are shown, each once, under the SHA-256 of its bytes."""
    folder.mkdir()
    for shown in study.stimuli.order_by("number").values_list("shown", flat=True).iterator(chunk_size=1000):
        for name in stored_names(shown):
            path = folder / PurePosixPath(name).name
            if not path.exists():
                path.write_bytes(storage.read(name))


class _Makers:
    """Which computations made a stored file, and from which photographs; read in blocks, and kept by file."""

    def __init__(self, study: Study):
        self._by_file: dict[str, list[str]] = {}
        self._needs: dict[str, tuple[list[str], list[str]]] = {}
        self._paths: dict[str, str] = {}
        rows = Artifact.objects.filter(studies=study).values_list("digest", "recipe", "files")
        for digest, recipe, files in rows.iterator(chunk_size=AT_A_TIME):
            for what, name in files.items():
                # Tensors and coefficients of one computation are kept for the pictures that are made of them.
                if what == PICTURE or name.startswith("artifacts/"):
                    self._by_file.setdefault(name, []).append(digest)
            images = [value for value in _texts(recipe.get("image")) if value]
            self._needs[digest] = (images, list(dict.fromkeys(_stored(recipe))))
        known = Image.objects.filter(image_set__in=repeating.image_sets(repeating.classifiers(study)))
        self._paths = dict(known.values_list("sha256", "path").iterator(chunk_size=2000))

    def of(self, name: str) -> tuple[list[str], list[str]]:
        """The digests of what made a file, the latest step first, and the SHA-256 of the photographs it began with."""
        digests: dict[str, None] = {}
        images: dict[str, None] = {}
        names = [name]
        for _step in range(DEEPEST):
            found = [digest for one in names for digest in self._by_file.get(one, ()) if digest not in digests]
            if not found:
                break
            digests |= dict.fromkeys(found)
            names = []
            for digest in found:
                seen, files = self._needs[digest]
                images |= dict.fromkeys(seen)
                names += files
        return list(digests), list(images)

    def paths(self, images: Iterable[str]) -> list[dict[str, str]]:
        return [{"path": self._paths.get(sha256, ""), "sha256": sha256} for sha256 in images]


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        yield from (one for one in value if isinstance(one, str))


def _stored(recipe: Any) -> Iterator[str]:
    """The stored files that a recipe names."""
    if isinstance(recipe, dict):
        for value in recipe.values():
            yield from _stored(value)
    elif isinstance(recipe, list):
        for value in recipe:
            yield from _stored(value)
    elif isinstance(recipe, str) and recipe.startswith("artifacts/"):
        yield recipe
