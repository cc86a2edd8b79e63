"""What a measurement comes to: each image's values, their means with intervals, curves, and paired differences."""

from collections.abc import Iterator, Mapping
from itertools import combinations
from statistics import mean
from typing import Any

import numpy as np

from studies.catalog import remembered
from studies.models import Artifact, Image

from .plan import Plan, Recipe
from .request import GROUPS, MEASURES, OUTCOMES

#: The baseline: a map that points at the centre of the picture, and whose box is the picture.
CENTRE = "centre"
#: ILSVRC's overlap from which a box counts.
OVERLAP = 0.5
#: So many reasons of failures are told.
REASONS = 5

#: By measure, by image (its SHA-256), the value.
Values = dict[str, dict[str, float]]


def results(plan: Plan) -> dict[str, Any]:
    """The result as JSON: methods with their measures and curves, paired differences, and each image's values."""
    from studies.analysis.image_means import image_mean, paired_difference

    wanted = [key for group in GROUPS if group in plan.request.measures for key in GROUPS[group]]
    values: dict[str, Values] = {}
    methods: dict[str, Any] = {}
    if plan.wants("pointing", "localisation"):
        values[CENTRE] = _of_centre(plan)
    for written, recipe in plan.methods.items():
        found = _Found(plan, written)
        values[written] = found.values()
        methods[written] = {
            "recipe": recipe,
            "curves": found.curves(),
            "failed": found.failed,
            "reasons": found.reasons,
        }
    for name, own in values.items():
        measures = {
            key: image_mean(list(own[key].values()), outcomes=key in OUTCOMES) for key in wanted if own.get(key)
        }
        methods.setdefault(name, {"recipe": None, "curves": {}, "failed": 0, "reasons": []})["measures"] = measures
    differences = [
        {"measure": key, "first": first, "second": second} | paired_difference(values[first][key], values[second][key])
        for key in wanted
        for first, second in combinations(values, 2)
        if values[first].get(key) and values[second].get(key)
    ]
    paths = {image.sha256: image.path for image in plan.images}
    return {
        "classifier": plan.classifier.name,
        "classifier_digest": plan.classifier.digest,
        "image_set": plan.classifier.image_set.name,
        "settings": plan.request.as_json(),
        "images": len(plan.images),
        "unpredicted": plan.unpredicted,
        "cropped_away": plan.cropped_away,
        "measures": {key: {"title": MEASURES[key].title, "higher_is_better": MEASURES[key].higher} for key in wanted},
        "methods": methods,
        "differences": differences,
        "values": {
            name: {key: {paths[image]: one for image, one in own[key].items()} for key in wanted if own.get(key)}
            for name, own in values.items()
        },
    }


class _Found:
    """What was computed for one explainer, looked up by recipe."""

    def __init__(self, plan: Plan, written: str):
        self._plan, self._written = plan, written
        self.failed, self.reasons = 0, list[str]()

    def values(self) -> Values:
        plan = self._plan
        found: Values = {}
        if plan.wants("pointing", "localisation", "completeness"):
            found |= _of_places(plan, self._places())
        if plan.wants("faithfulness"):
            curves = list(self._each("faithfulness"))
            for key in ("deletion", "insertion"):
                found[key] = {image: mean(one[key]) for image, one in curves}
        if plan.wants("seed"):
            found["seed_sensitivity"] = {image: one["distance"] for image, one in self._each("seed_sensitivity")}
        if plan.wants("sanity"):
            each = list(self._each("randomisation"))
            for key, name in (("sanity_rank_correlation", "rank_correlation"), ("sanity_ssim", "ssim")):
                found[key] = {image: mean(stage[name] for stage in one["stages"]) for image, one in each}
        if plan.wants("seconds"):
            found["seconds"] = {image: one["seconds"] for image, one in self._each("duration", self._plan.timed())}
        return found

    def curves(self) -> dict[str, list[dict[str, Any]]]:
        """By name, the points of each curve: the share exchanged or randomised, and the mean with its interval."""
        from studies.analysis.image_means import image_mean

        found: dict[str, list[dict[str, Any]]] = {}
        if self._plan.wants("faithfulness"):
            each = [one for _, one in self._each("faithfulness", tell=False)]
            for key in ("deletion", "insertion"):
                # Pictures with fewer pixels than steps have shorter curves.
                lines = [one[key] for one in each if len(one[key]) == len(each[0][key])]
                found[key] = [
                    {"share": i / (len(lines[0]) - 1)} | image_mean([line[i] for line in lines])
                    for i in range(len(lines[0]) if lines else 0)
                ]
        if self._plan.wants("sanity"):
            each = [one["stages"] for _, one in self._each("randomisation", tell=False)]
            for key in ("rank_correlation", "signed_rank_correlation", "ssim"):
                found[key] = [
                    {"share": each[0][i]["share"], "layer": each[0][i]["layer"]}
                    | image_mean([stage[i][key] for stage in each])
                    for i in range(len(each[0]) if each else 0)
                ]
        return found

    def _places(self) -> dict[tuple[str, int], dict[str, Any]]:
        """By image and label, where the explanation points."""
        plan = self._plan
        asked = [(image, label) for image in plan.images for label in plan.located_labels(image)]
        recipes = [plan.located(self._written, image, label) for image, label in asked]
        answers = self._looked_up(recipes)
        return {
            (image.sha256, label): value
            for (image, label), value in zip(asked, answers, strict=True)
            if value is not None
        }

    def _each(
        self, kind: str, images: list[Image] | None = None, *, tell: bool = True
    ) -> Iterator[tuple[str, dict[str, Any]]]:
        images = self._plan.images if images is None else images
        recipes = [self._plan.of_best_guess(kind, self._written, image) for image in images]
        for image, value in zip(images, self._looked_up(recipes, tell=tell), strict=True):
            if value is not None:
                yield image.sha256, value

    def _looked_up(self, recipes: list[Recipe], *, tell: bool = True) -> list[dict[str, Any] | None]:
        found = remembered.values(recipes)
        if tell and None in found:
            self.failed += found.count(None)
            self._tell([recipe for recipe, value in zip(recipes, found, strict=True) if value is None])
        return found

    def _tell(self, recipes: list[Recipe]) -> None:
        """Why there is no result of these, each reason once."""
        from studies.lib.canonical_json import digest

        keys = [digest(recipe) for recipe in recipes[:100]]
        for problem in Artifact.objects.filter(digest__in=keys).values_list("problem", flat=True):
            if problem and problem not in self.reasons and len(self.reasons) < REASONS:
                self.reasons.append(problem)


def _of_places(plan: Plan, places: Mapping[tuple[str, int], Mapping[str, Any]]) -> Values:
    """The measures by objects, and the completeness gap, of each image of which all is known."""
    found: Values = {}
    if plan.wants("completeness"):
        gaps = {image.sha256: _gap(places.get((image.sha256, plan.top(image)[0]))) for image in plan.images}
        found["completeness_gap"] = {image: gap for image, gap in gaps.items() if gap is not None}
    if plan.wants("localisation"):
        for key, best in (("top1_localisation_error", 1), ("top5_localisation_error", 5)):
            found[key] = {}
            for image in plan.images:
                if place := places.get((image.sha256, plan.own(image))):
                    right = plan.own(image) in plan.top(image)[:best] and place["iou"] >= OVERLAP
                    found[key][image.sha256] = float(not right)
    if plan.wants("pointing"):
        found |= _pointing(plan, places)
    return found


def _pointing(plan: Plan, places: Mapping[tuple[str, int], Mapping[str, Any]]) -> Values:
    from studies.analysis.image_means import rejection_scores

    game, asked = {}, []
    for image in plan.images:
        present = [places.get((image.sha256, label)) for label in plan.present(image)]
        if all(present):
            game[image.sha256] = mean(float(place["hit"]) for place in present)  # type: ignore[index]
        guesses = [places.get((image.sha256, label)) for label in plan.top(image)]
        if all(guesses):
            asked.append((image.sha256, guesses))
    largest = np.array([[place["largest"] for place in guesses] for _, guesses in asked], dtype=np.float64)
    hits = np.array(
        [[np.nan if place["hit"] is None else float(place["hit"]) for place in guesses] for _, guesses in asked]
    )
    scores = rejection_scores(largest, hits) if asked else []
    rejection = {image: float(score) for (image, _), score in zip(asked, scores, strict=True)}
    return {"pointing_game": game, "pointing_game_with_rejection": rejection}


def _gap(place: Mapping[str, Any] | None) -> float | None:
    """What the values' sum misses, of a method that says so."""
    gaps = [float(value) for name, value in (place or {}).get("facts", {}).items() if name.endswith("_gap")]
    return gaps[0] if gaps else None


def _of_centre(plan: Plan) -> Values:
    """The same for a map with one value, at the centre, and a box of the whole picture."""
    from explainers import measures

    places = {}
    for image in plan.images:
        width, height = plan.size(image)
        values = np.zeros((height, width))
        values[height // 2, width // 2] = 1.0
        for label in plan.located_labels(image):
            boxes = plan.boxes(image, label)
            hit = any(measures.pointing_hit(values, box, plan.tolerance(image)) for box in boxes) if boxes else None
            overlap = max(measures.iou((0, 0, width, height), box) for box in boxes) if boxes else None
            places[image.sha256, label] = {"largest": 1.0, "hit": hit, "iou": overlap}
    found = _of_places(plan, places)
    return {key: own for key, own in found.items() if own}
