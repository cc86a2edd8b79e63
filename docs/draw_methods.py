"""Draws the pictures of docs/reference/methods.md and methods-side-by-side.md: `python docs/draw_methods.py`.

Pictures and classifier are the toybox's, so nothing is needed beside the repository. The same code gives the same
pixels; about a minute on two cores.
"""

import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch
from skimage.segmentation import find_boundaries

DOCS = Path(__file__).parent
sys.path.insert(0, str(DOCS.parent))

import toybox  # noqa: E402
from explainers import base, images, rendering  # noqa: E402
from explainers.base import (  # noqa: E402
    Attack,
    Attacked,
    ExampleExplainer,
    Explainer,
    Explanation,
    HeatMap,
    Pool,
    Selector,
    seed_from,
)
from explainers.classifiers import ImageClassifier, from_module  # noqa: E402
from explainers.example_pools import example_pool  # noqa: E402
from explainers.heat_map_rendering import Style, drawn, top_pixels  # noqa: E402
from explainers.superpixels import Quickshift, Slic  # noqa: E402
from toybox.imageset import EVALUATION_SEED, scene  # noqa: E402

CLASS, NUMBER = "snail", 21  # the one image that all methods are shown on
POOL = 240  # pictures of its class for the selectors
EXAMPLES = 30  # pictures of each class for explanations by examples
# Not the defaults, because the toybox's pictures are small and plain: quickshift cuts them into a few superpixels,
# and steps of 0.001 turn hardly any of them.
PARAMETERS = {"segmentation": "slic", "step": 0.005}
HEAT = Style(percentile=99)
ALONE = Style(over="nothing", fade=False, opacity=1, percentile=99, legend=True)
WHITE = np.full((128, 24, 3), 255, np.uint8)


def picture(number: int, of: str = CLASS) -> np.ndarray:
    """Picture `number` of a class in the toybox's own set."""
    index = toybox.CLASSES.index(of)
    return scene(of, np.random.default_rng([EVALUATION_SEED, index, number])).picture


def toybox_classifier() -> ImageClassifier:
    folder = Path(toybox.__file__).parent
    return from_module(
        folder / "network.py", "toybox_net", folder / "toybox.safetensors", mean=toybox.MEAN, std=toybox.STD
    )


def outlined(original: np.ndarray, segments: np.ndarray) -> np.ndarray:
    """The picture with the borders of its superpixels in white."""
    return np.where(find_boundaries(segments, mode="inner")[:, :, None], np.uint8(255), original)


def amplified(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """The difference on grey, its largest value brought to full contrast."""
    difference = after.astype(np.float64) - before
    return np.rint(127.5 + 127.5 * difference / max(np.abs(difference).max(), 1)).astype(np.uint8)


def explained(method: Explainer, classifier: ImageClassifier, original: np.ndarray) -> Explanation | HeatMap:
    batch = images.to_tensor([original])
    label = classifier(batch).argmax(1)
    return method.explain(classifier, batch, label, seeds=[seed_from(CLASS, NUMBER, method.recipe())])[0]


def attacked(method: Attack, classifier: ImageClassifier, original: np.ndarray) -> Attacked:
    batch = images.to_tensor([original])
    return method.attack(classifier, batch, classifier(batch).argmax(1))


def method_called(kind: str, name: str) -> Any:
    method = base.get(kind, name)
    return method.from_parameters({key: value for key, value in PARAMETERS.items() if key in method.parameters()})


def pool_of(classifier: ImageClassifier, pictures: list[np.ndarray]) -> Pool:
    batch = images.to_tensor(pictures)
    label = toybox.CLASSES.index(CLASS)
    logits, hidden = classifier.predict(batch)
    (attack,) = (method for name in base.available("attack") if (method := method_called("attack", name)).flips)
    flips = attack.attack(classifier, batch, torch.full((len(batch),), label)).flip_step
    return Pool(CLASS, len(pictures), hidden.numpy(), logits.softmax(1)[:, label].numpy(), flips.numpy())


def selected(method: Selector, pool: Pool, pictures: list[np.ndarray]) -> np.ndarray:
    """Three prototypes, a wider gap, three criticisms."""
    chosen = method.select(pool, 3, 3, seed=seed_from(CLASS, method.recipe()))
    prototypes, criticisms = ([pictures[i] for i in row] for row in (chosen.prototypes, chosen.criticisms))
    return rendering.side_by_side([*prototypes, WHITE, *criticisms])


def attack_row(classifier: ImageClassifier, method: Attack, original: np.ndarray) -> np.ndarray:
    """The image, the attacked picture, their difference; of an attack on the explanation the maps of both as well."""
    after = attacked(method, classifier, original).pictures[0]
    row = [original, after, amplified(original, after)]
    if not method.flips:
        gradients = method_called("explainer", "gradients")
        row += [drawn(one, explained(gradients, classifier, one), ALONE) for one in (original, after)]
    return rendering.side_by_side(row)


def example_sheets(classifier: ImageClassifier, original: np.ndarray) -> dict[str, np.ndarray]:
    """By method the image and its five examples, among pictures of all classes without the image itself."""
    chosen = [(number, of) for of in toybox.CLASSES for number in range(EXAMPLES) if (number, of) != (NUMBER, CLASS)]
    pictures = [picture(number, of) for number, of in chosen]
    pool = example_pool(classifier, "toybox", pictures, [toybox.CLASSES.index(of) for _, of in chosen])
    query = example_pool(classifier, CLASS, [original])
    sheets = {}
    for name in base.available("example_explainer"):
        method: ExampleExplainer = method_called("example_explainer", name)
        (examples,) = method.explain(pool, query, 5, seed=seed_from(CLASS, NUMBER, method.recipe()))
        sheets[f"example_explainer-{name}"] = rendering.examples_sheet(
            original, [pictures[i] for i in examples.indices]
        )
    return sheets


def superpixels(original: np.ndarray) -> np.ndarray:
    cut = [Quickshift(), Slic(), Slic(n_segments=20)]
    return rendering.side_by_side([original, *(outlined(original, one.segment(original)) for one in cut)])


def explanation_row(original: np.ndarray, explanation: Explanation) -> np.ndarray:
    return rendering.side_by_side(
        [
            original,
            outlined(original, explanation.segments),
            rendering.top_superpixels(original, explanation),
            rendering.top_superpixels(original, explanation, fill="mean"),
            drawn(original, explanation, HEAT),
        ]
    )


def map_row(original: np.ndarray, heat_map: HeatMap) -> np.ndarray:
    """The image; the map over grey and alone, with its scale; its channels, where it has them; the top pixels."""
    row = [original, drawn(original, heat_map, HEAT), drawn(original, heat_map, ALONE)]
    if heat_map.channels is not None:
        row.append(drawn(original, heat_map, Style(channels=True, percentile=99)))
    return rendering.side_by_side([*row, top_pixels(original, heat_map)])


def forms_of_gradcam(classifier: ImageClassifier, original: np.ndarray) -> np.ndarray:
    """Rectified, signed, counterfactual, guided, with deconvolution."""
    forms = [{}, {"relu": False}, {"counterfactual": True}, {"fine": "guided"}, {"fine": "deconvolution"}]
    row = [original]
    for parameters in forms:
        heat_map = explained(base.get("explainer", "gradcam")(**parameters), classifier, original)
        style = HEAT if heat_map.channels is None else Style(channels=True, percentile=99)
        row.append(drawn(original, heat_map, style))
    return rendering.side_by_side(row)


def styles(original: np.ndarray, heat_map: HeatMap) -> np.ndarray:
    """One map in several styles."""
    several = [
        Style(),
        Style(over="image"),
        Style(over="nothing", fade=False, opacity=1),
        Style(over="image", percentile=99, threshold=0.25),
        Style(over="grey", percentile=99, legend=True),
    ]
    return rendering.side_by_side([drawn(original, heat_map, style) for style in several])


def drawings() -> dict[str, np.ndarray]:
    """File name to picture."""
    classifier, original = toybox_classifier(), picture(NUMBER)
    pictures = [picture(number) for number in range(POOL)]
    shown = {"superpixels": superpixels(original)}
    for name in base.available("explainer"):
        explanation = explained(method_called("explainer", name), classifier, original)
        if isinstance(explanation, HeatMap):
            shown[f"explainer-{name}"] = map_row(original, explanation)
            continue
        shown[f"explainer-{name}"] = explanation_row(original, explanation)
        shown[f"explainer-{name}-path"] = rendering.side_by_side(rendering.explanation_path(original, explanation))
    shown["gradcam-forms"] = forms_of_gradcam(classifier, original)
    integrated = explained(method_called("explainer", "integrated_gradients"), classifier, original)
    shown["styles"] = styles(original, integrated)
    for name in base.available("attack"):
        shown[f"attack-{name}"] = attack_row(classifier, method_called("attack", name), original)
    pool = pool_of(classifier, pictures)
    for name in base.available("selector"):
        shown[f"selector-{name}"] = selected(method_called("selector", name), pool, pictures)
    return shown | example_sheets(classifier, original)


def main() -> None:
    folder = DOCS / "images" / "methods"
    folder.mkdir(parents=True, exist_ok=True)
    for name, pixels in drawings().items():
        data = images.encode_png(pixels)
        (folder / f"{name}.png").write_bytes(data)
        print(f"{name}.png: {pixels.shape[1]} × {pixels.shape[0]}, {len(data) / 1000:.0f} kB")


if __name__ == "__main__":
    main()
