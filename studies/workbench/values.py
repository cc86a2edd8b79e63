"""What a bench hands to protocols: plain values, no rows."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from studies.models import Image


@dataclass(frozen=True, slots=True)
class ImageRef:
    """A photograph: its content, the path below the imported folder, and the index of its true class."""

    sha256: str
    path: str
    label: int


class Images:
    """The photographs of a set, or of some of its classes, in order; read from the database anew at each iteration."""

    def __init__(self, image_set_id: int, labels: Sequence[int] | None):
        self._rows = Image.objects.filter(image_set=image_set_id).order_by("label", "path")
        if labels is not None:
            self._rows = self._rows.filter(label__in=labels)

    def __len__(self) -> int:
        return self._rows.count()

    def __iter__(self) -> Iterator[ImageRef]:
        for row in self._rows.values_list("sha256", "path", "label").iterator(chunk_size=2000):
            yield ImageRef(*row)


@dataclass(frozen=True, slots=True)
class Guess:
    label: int
    probability: float


@dataclass(frozen=True, slots=True)
class Prediction:
    """What a classifier says of an image: its best guesses, best first, and what it gives the true class."""

    image: ImageRef
    top: tuple[Guess, ...]
    true_probability: float
    hidden_file: str


@dataclass(frozen=True, slots=True)
class Picture:
    """A lossless file as people see it, width by height pixels; the name tells nothing about it."""

    image: ImageRef
    file: str
    width: int
    height: int

    def as_json(self) -> dict[str, Any]:
        return {"file": self.file, "width": self.width, "height": self.height}
