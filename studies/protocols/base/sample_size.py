"""What a design will come to before anything is prepared: values in, values out."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Errors:
    """How many images are wrong: `number`, or at most so many, and at least `least`; `says` tells it in words."""

    number: int
    least: int
    says: str

    @property
    def at_most(self) -> bool:
        return self.least < self.number


@dataclass(frozen=True)
class Union:
    """The best guesses that are wrong, of several classifiers of one image set, by class name.

    images: photographs that at least one of them gets wrong.  separate: its errors, of all of them added up.
    together: the same, each photograph with one guess counted once.
    """

    images: Mapping[str, int]
    separate: Mapping[str, int]
    together: Mapping[str, int]

    def of(self, classes: Collection[str]) -> tuple[int, int, int]:
        """Images, separate and together, of these classes; of all where none is named."""
        images, separate, together = (_sum(one, classes) for one in (self.images, self.separate, self.together))
        return images, separate, together


@dataclass(frozen=True)
class ImageCounts:
    """What is known of a classifier's images without asking the network.

    images: how many there are, by class name.  wrong: how many of them the classifier's check found wrong, and
    beyond_five: how many are not even among the five best guesses; None where it was not checked.
    union: of several classifiers what they get wrong together; None where one of them was not checked.
    """

    images: Mapping[str, int]
    wrong: Mapping[str, int] | None = None
    beyond_five: int | None = None
    union: Union | None = None

    def images_of(self, classes: Collection[str]) -> int:
        """Of these classes; of all where none is named."""
        return _sum(self.images, classes)

    def errors_of(self, classes: Collection[str], *, five: bool = False) -> Errors:
        """Of these classes, or all; `five`: those that none of the five best guesses is right about."""
        images = self.images_of(classes)
        if self.wrong is None:
            says = f"at most all {images:,} images: how many are wrong, the classifier’s check page would tell"
            return Errors(images, 0, says)
        wrong = _sum(self.wrong, classes)
        if not five:
            return Errors(wrong, wrong, f"{wrong:,} of {images:,} images are wrong, by the classifier’s check")
        if classes or self.beyond_five is None:
            return Errors(wrong, 0, f"at most the {wrong:,} of {images:,} images that the best guess misses")
        n = self.beyond_five
        return Errors(n, n, f"all five guesses miss {n:,} of {images:,} images, by the classifier’s check")


@dataclass(frozen=True)
class SampleSize:
    """Stimuli of all conditions together.

    apart: into so many groups people are divided at least, because nobody may meet two stimuli of one family.
    at_most: there may be fewer.  because: where the number comes from, in words.  separate: how many there would be in
    studies of one classifier each, where these are shared by several; None where that cannot be told.
    """

    stimuli: int
    because: str
    conditions: int = 1
    apart: int = 1
    at_most: bool = False
    separate: int | None = None


def _sum(by_class: Mapping[str, int], classes: Collection[str]) -> int:
    return sum(by_class.get(name, 0) for name in classes or by_class)
