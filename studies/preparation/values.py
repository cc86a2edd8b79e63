"""What a bench hands to protocols: plain values, no rows."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from studies.models import Image


@dataclass(frozen=True, slots=True)
class ImageRef:
    """A photograph: its content, the path below the imported folder, and its label: the output of its true class."""

    sha256: str
    path: str
    label: int


class Images:
    """The photographs of a set, or of some of its classes, in order; read from the database at each iteration.

    outputs: the output that stands for each class, by its index.
    """

    def __init__(self, image_set_id: int, indices: Sequence[int] | None, outputs: Sequence[int]):
        self._outputs = outputs
        self._rows = Image.objects.filter(image_set=image_set_id).order_by("label", "path")
        if indices is not None:
            self._rows = self._rows.filter(label__in=indices)

    def __len__(self) -> int:
        return self._rows.count()

    def __iter__(self) -> Iterator[ImageRef]:
        for sha256, path, index in self._rows.values_list("sha256", "path", "label").iterator(chunk_size=2000):
            yield ImageRef(sha256, path, self._outputs[index])


@dataclass(frozen=True, slots=True)
class Guess:
    label: int
    probability: float


@dataclass(frozen=True, slots=True)
class Prediction:
    """What a classifier says of an image: its best guesses, best first, and what it gives the true class.

    hidden_file: its last hidden values; empty where the classifier has none.
    """

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


@dataclass(frozen=True, slots=True)
class Gloss:
    """What participants are told of a class besides its title (`word`): a few words, or none, and an example."""

    word: str
    text: str
    example: Picture | None


@dataclass(frozen=True, slots=True)
class AdversarialImage:
    """An image after an attack.

    label: what the classifier makes of the picture as it is displayed: what people are asked about where it fools.
    exact_label: what it makes of the exact tensor.  flip_step: when its decision first left the true label; 0 wrong
    from the start, -1 never.
    """

    image: ImageRef
    label: int
    exact_label: int
    flip_step: int
    fools_as_displayed: bool
    fools_exactly: bool
    picture: Picture
    exact_file: str


@dataclass(frozen=True, slots=True)
class ExplainedImage:
    """Why a classifier gives a picture a label: its superpixels' weights, and a picture of those that say most for it.

    reason: why there is no explanation, None where there is one.  Of a heat map: r2 None, n_positive the number of
    pixels that speak for the label, no coefficients, and instead of segments_file values_file, the map, of which the
    picture shows `share`.
    """

    image: ImageRef
    label: int
    picture: Picture
    r2: float | None
    n_positive: int
    reason: str | None
    coefficients: tuple[float, ...]
    segments_file: str
    values_file: str = ""
    share: float | None = None


@dataclass(frozen=True, slots=True)
class AnnotatedImage:
    """A photograph and the labels of the classes of its annotated objects, in ascending order, each once; and of those
    that the classifier sees something of, after resizing and cropping.
    """

    image: ImageRef
    labels: tuple[int, ...]
    seen: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Visualisation:
    """A picture of why a classifier gives an image a label; `reason`: why it shows nothing, None where it does."""

    image: ImageRef
    label: int
    picture: Picture
    reason: str | None


@dataclass(frozen=True, slots=True)
class CandidatePool:
    """The images of one class that a selector chooses from, in a fixed order; `name` is the class in messages."""

    name: str
    images: tuple[ImageRef, ...]


@dataclass(frozen=True, slots=True)
class ImageSelection:
    """The images chosen from a pool, in order of selection; `prototype_pool` and `criticism_pool` say from how many."""

    pool: CandidatePool
    prototypes: tuple[ImageRef, ...]
    criticisms: tuple[ImageRef, ...]
    prototype_pool: int
    criticism_pool: int
    facts: dict[str, float]

    @property
    def images(self) -> tuple[ImageRef, ...]:
        """All that was chosen."""
        return self.prototypes + self.criticisms
