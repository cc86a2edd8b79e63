"""The bench: a protocol asks it for results, and it remembers every one."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import Any

from studies.errors import StudyError
from studies.models import Artifact, Classifier
from studies.protocols import DesignError

from . import execution, kinds
from .recipes import digest
from .values import Guess, ImageRef, Images, Picture, Prediction

WINDOW = 500

#: Called with what is computed, how much of it is done by this call, and how much was planned by it.
Progress = Callable[[str, int, int], None]


class PreparationFailed(StudyError):
    """Some results cannot be had; `failures` says which image and why, one line each."""

    def __init__(self, failures: list[str]):
        self.failures = failures
        more = f" (and {len(failures) - 5} more)" if len(failures) > 5 else ""
        super().__init__("; ".join(failures[:5]) + more)


class Bench:
    """Results by recipe: what is known is looked up, what is missing is computed and kept.

    Everything before the point where a protocol was interrupted is remembered, so running it again is free.
    """

    def __init__(self, progress: Progress | None = None):
        self._progress = progress or (lambda what, done, planned: None)
        self.notes: dict[str, Any] = {}
        self._classifiers: dict[str, Classifier] = {}

    def note(self, **facts: Any) -> None:
        """Keep facts about the preparation, for its report and for the analysis."""
        self.notes |= facts

    # --- the catalogue ------------------------------------------------------------------------------------------------

    def class_names(self, classifier: str) -> list[str]:
        """The names of the classes as in the imported folder, by label."""
        return list(self._classifier(classifier).image_set.classes.values_list("name", flat=True))

    def class_titles(self, classifier: str) -> list[str]:
        """The names of the classes as participants read them, by label."""
        return list(self._classifier(classifier).image_set.classes.values_list("title", flat=True))

    def images(self, classifier: str, *, classes: Sequence[str] = ()) -> Images:
        """The photographs a classifier is judged on: of its image set, all classes or those named."""
        names = self.class_names(classifier)
        labels = [names.index(name) for name in classes] if classes else None
        return Images(self._classifier(classifier).image_set_id, labels)

    def classifier_digests(self) -> dict[str, str]:
        """The digests of all classifiers this bench was asked about."""
        return {name: row.digest for name, row in self._classifiers.items()}

    # --- results ------------------------------------------------------------------------------------------------------

    def predictions(self, classifier: str, images: Iterable[ImageRef]) -> Iterator[Prediction]:
        """What the classifier says of each image.  `images` is iterated twice."""
        row, kind = self._classifier(classifier), kinds.get("prediction")
        recipes = _Recipes(images, lambda image: kind.recipe(image.sha256, image.label, row.digest))
        for image, artifact in self._results("prediction", recipes):
            top = tuple(Guess(label, probability) for label, probability in artifact.value["top"])
            yield Prediction(image, top, artifact.value["true_probability"], artifact.file)

    def pictures(self, classifier: str, images: Iterable[ImageRef]) -> Iterator[Picture]:
        """Each image as the classifier is asked about it and as people see it.  `images` is iterated twice."""
        row, kind = self._classifier(classifier), kinds.get("picture")
        recipes = _Recipes(images, lambda image: kind.recipe(image.sha256, row.preprocessing))
        for image, artifact in self._results("picture", recipes):
            yield Picture(image, artifact.file, artifact.value["width"], artifact.value["height"])

    # --- how it is done -----------------------------------------------------------------------------------------------

    def _classifier(self, name: str) -> Classifier:
        if name not in self._classifiers:
            row = Classifier.objects.select_related("image_set").filter(name=name).first()
            if row is None:
                raise DesignError([f"classifier: there is no classifier called {name}"])
            self._classifiers[name] = row
        return self._classifiers[name]

    def _results(self, kind: str, recipes: "_Recipes") -> Iterator[tuple[ImageRef, Artifact]]:
        self._ensure(kind, recipes)
        for window in _windows(recipes):
            known = Artifact.objects.in_bulk([digest(recipe) for _, recipe in window], field_name="digest")
            for image, recipe in window:
                yield image, known[digest(recipe)]

    def _ensure(self, kind: str, recipes: "_Recipes") -> None:
        """Compute whatever of these is not there yet; PreparationFailed, naming the images, if some cannot be had."""
        missing, failures = [], []
        for window in _windows(recipes):
            missing += self._plan(kind, window)
        self._progress(kind, 0, len(missing))
        execution.run(missing, progress=lambda n: self._progress(kind, n, 0))
        if not missing:
            return
        for window in _windows(recipes):
            undone = Artifact.objects.exclude(state=Artifact.State.DONE)
            known = undone.in_bulk([digest(recipe) for _, recipe in window], field_name="digest")
            for image, recipe in window:
                if artifact := known.get(digest(recipe)):
                    failures.append(f"{image.path}: {artifact.error or 'another worker is still computing it'}")
        if failures:
            raise PreparationFailed(failures)

    def _plan(self, kind: str, window: "Sequence[tuple[ImageRef, dict[str, Any]]]") -> list[int]:
        """Make rows for what was never asked for; the ids of all that is not done, failed ones tried anew."""
        recipes = {digest(recipe): recipe for _, recipe in window}
        known = set(Artifact.objects.filter(digest__in=recipes).values_list("digest", flat=True))
        rows = [Artifact(digest=d, kind=kind, recipe=recipe) for d, recipe in recipes.items() if d not in known]
        Artifact.objects.bulk_create(rows, ignore_conflicts=True)
        undone = Artifact.objects.filter(digest__in=recipes).exclude(state=Artifact.State.DONE)
        undone.filter(state=Artifact.State.FAILED).update(state=Artifact.State.PENDING, attempts=0, error="")
        return list(undone.order_by("pk").values_list("pk", flat=True))


class _Recipes:
    """Images paired with their recipes, made anew at each iteration so that none of them has to be kept."""

    def __init__(self, images: Iterable[ImageRef], recipe: Callable[[ImageRef], dict[str, Any]]):
        self._images, self._recipe = images, recipe

    def __iter__(self) -> Iterator[tuple[ImageRef, dict[str, Any]]]:
        return ((image, self._recipe(image)) for image in self._images)


def _windows(things: Iterable[Any]) -> Iterator[list[Any]]:
    rest = iter(things)
    while window := list(islice(rest, WINDOW)):
        yield window
