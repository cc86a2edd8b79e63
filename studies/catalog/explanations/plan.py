"""Which results a measurement is made of: the recipes, by explainer, image and label."""

from collections.abc import Iterator
from typing import Any

from explainers import computations
from studies.catalog import remembered
from studies.catalog.objects import SeenObject, seen_objects, seen_size
from studies.models import Classifier, Image
from studies.preparation.class_outputs import class_outputs
from studies.protocols.base.protocol import sample

from .request import OF_OBJECTS, TOLERANCE, MeasurementRequest, recipe_of

#: How many images are timed.
TIMED = 8

Recipe = dict[str, Any]


class Plan:
    """The images of a measurement with their objects and predictions, and the recipe of each result.

    images: drawn at random, of those with an object of their own class where objects are needed.  `read_predictions`
    comes before all that goes by a prediction; images without one are then left out, and counted in `unpredicted`.
    """

    def __init__(self, classifier: Classifier, request: MeasurementRequest):
        self.classifier, self.request = classifier, request
        self.methods = {written: recipe_of(written) for written in request.explainers}
        self._outputs = class_outputs(classifier).of_classes
        self.images, self.objects, self.cropped_away = self._drawn()
        self.predictions: dict[str, list[int]] = {}
        self.unpredicted = 0

    def _drawn(self) -> tuple[list[Image], dict[str, list[SeenObject]], int]:
        rows = list(self.classifier.image_set.images.order_by("label", "path"))
        if not self.wants(*OF_OBJECTS):
            return sample(rows, self.request.sample, self.request.seed), {}, 0
        found = seen_objects(rows, self.classifier.preprocessing)
        usable = [row for row in rows if any(one.label == row.label for one in found.by_image[row.sha256])]
        return sample(usable, self.request.sample, self.request.seed), found.by_image, found.cropped_away

    def wants(self, *groups: str) -> bool:
        return bool(set(groups) & set(self.request.measures))

    # --- predictions --------------------------------------------------------------------------------------------------

    def prediction_recipes(self) -> list[Recipe]:
        kind = computations.get("prediction")
        return [kind.recipe(one.sha256, self.own(one), self.classifier.digest) for one in self.images]

    def read_predictions(self) -> None:
        values = remembered.values(self.prediction_recipes())
        known = [(image, value) for image, value in zip(self.images, values, strict=True) if value is not None]
        self.unpredicted = len(self.images) - len(known)
        self.images = [image for image, _ in known]
        self.predictions = {image.sha256: [label for label, _ in value["top"]] for image, value in known}

    def own(self, image: Image) -> int:
        """The output of the image's class."""
        return self._outputs[image.label]

    def top(self, image: Image) -> list[int]:
        """The best outputs, best first."""
        return self.predictions[image.sha256]

    def boxes(self, image: Image, label: int) -> list[tuple[float, float, float, float]]:
        """Of the objects of this output in the classifier's picture of the image."""
        return [one.box for one in self.objects.get(image.sha256, ()) if self._outputs[one.label] == label]

    def present(self, image: Image) -> list[int]:
        """The outputs of which the picture has objects."""
        return sorted({self._outputs[one.label] for one in self.objects.get(image.sha256, ())})

    # --- recipes ------------------------------------------------------------------------------------------------------

    def size(self, image: Image) -> tuple[int, int]:
        """Width and height of the classifier's picture of an image."""
        return seen_size(image, self.classifier.preprocessing)

    def tolerance(self, image: Image) -> float:
        if self.request.tolerance is not None:
            return self.request.tolerance
        return round(TOLERANCE * max(self.size(image)), 2)

    def located(self, written: str, image: Image, label: int) -> Recipe:
        """Where the explanation of this label points."""
        return self._recipe(
            "localisation", written, image, label, boxes=self.boxes(image, label), tolerance=self.tolerance(image)
        )

    def of_best_guess(self, kind: str, written: str, image: Image) -> Recipe:
        """A result about the explanation of the best guess, by the kind's settings in the request."""
        request = self.request
        more: dict[str, Any] = {
            "faithfulness": {"n_steps": request.n_steps},
            "seed_sensitivity": {"n_seeds": request.n_seeds},
            "randomisation": {"n_stages": request.n_stages},
        }.get(kind, {})
        return self._recipe(kind, written, image, self.top(image)[0], **more)

    def located_labels(self, image: Image) -> list[int]:
        """The labels whose explanations are located."""
        labels = {self.top(image)[0]} if self.wants("completeness", *OF_OBJECTS) else set()
        if self.wants("pointing"):
            labels |= {*self.present(image), *self.top(image)}
        if self.wants("localisation"):
            labels.add(self.own(image))
        return sorted(labels)

    def timed(self) -> list[Image]:
        return self.images[:TIMED]

    def parts(self) -> Iterator[tuple[str, list[Recipe]]]:
        """All that is to be computed, as recipes of one kind and explainer each."""
        kinds = {"faithfulness": "faithfulness", "seed": "seed_sensitivity", "sanity": "randomisation"}
        for written in self.methods:
            if located := [
                self.located(written, one, label) for one in self.images for label in self.located_labels(one)
            ]:
                yield "localisation", located
            for group, kind in kinds.items():
                if self.wants(group):
                    yield kind, [self.of_best_guess(kind, written, one) for one in self.images]
            if self.wants("seconds"):
                yield "duration", [self.of_best_guess("duration", written, one) for one in self.timed()]

    def _recipe(self, kind: str, written: str, image: Image, label: int, **more: Any) -> Recipe:
        recipe: Recipe = computations.get(kind).recipe(
            image.sha256, label, self.classifier.digest, self.methods[written], seed=self.request.seed, **more
        )
        return recipe
