"""Where an explanation points: its largest value and its box, against the boxes of the label's objects."""

from collections.abc import Sequence
from typing import Any

from .maps import MapComputation, explained, values_of


class LocalisationKind(MapComputation):
    name = "localisation"

    def recipe(
        self,
        image: str,
        label: int,
        classifier: str,
        explainer: dict[str, Any],
        *,
        seed: int,
        boxes: Sequence[Sequence[float]] = (),
        tolerance: float = 0.0,
        share: float = 0.15,
    ) -> dict[str, Any]:
        """boxes: of the label's objects in the classifier's picture; none where it has none there.  tolerance: pixels
        by which the largest value may miss a box.  share: of the largest value, above which pixels are in the box."""
        boxes = [[float(edge) for edge in box] for box in boxes]
        more = {"boxes": boxes, "tolerance": float(tolerance), "share": float(share)}
        return self.question(image, label, classifier, explainer, seed=seed, **more)

    def measure(
        self, classifier: Any, method: Any, pictures: Any, recipes: Sequence[dict[str, Any]]
    ) -> list[dict[str, Any]]:
        found = []
        for recipe, result in zip(recipes, explained(classifier, method, pictures, recipes), strict=True):
            found.append(_placed(values_of(result), recipe) | {"reason": result.reason, "facts": dict(result.facts)})
        return found


def _placed(values: Any, recipe: dict[str, Any]) -> dict[str, Any]:
    """largest: the map's maximum.  box: of the largest part, None for a map without a positive value, which hits
    nothing.  hit, iou: with the best of the boxes; None where there is none."""
    from explainers import measures

    box, boxes = measures.bounding_box(values, recipe["share"]), recipe["boxes"]
    hit = overlap = None
    if boxes:
        hit = box is not None and any(measures.pointing_hit(values, one, recipe["tolerance"]) for one in boxes)
        overlap = max(measures.iou(box, one) for one in boxes) if box else 0.0
    return {"largest": float(values.max()), "box": list(box) if box else None, "hit": hit, "iou": overlap}


kind = LocalisationKind()
