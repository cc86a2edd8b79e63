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
from explainers.base import Attack, Attacked, Explainer, Explanation, Pool, Selector, seed_from  # noqa: E402
from explainers.classifiers import Classifier, from_module  # noqa: E402
from explainers.superpixels import Quickshift, Slic  # noqa: E402
from toybox.imageset import EVALUATION_SEED, scene  # noqa: E402

CLASS, NUMBER = "snail", 21  # the one image that all methods are shown on
POOL = 240  # pictures of its class for the selectors
# Not the defaults, because the toybox's pictures are small and plain: quickshift cuts them into a few superpixels,
# and steps of 0.001 turn hardly any of them.
PARAMETERS = {"segmentation": "slic", "step": 0.005}
WHITE = np.full((128, 24, 3), 255, np.uint8)


def picture(number: int) -> np.ndarray:
    """Picture `number` of the class in the toybox's own set."""
    index = toybox.CLASSES.index(CLASS)
    return scene(CLASS, np.random.default_rng([EVALUATION_SEED, index, number])).picture


def toybox_classifier() -> Classifier:
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


def explained(method: Explainer, classifier: Classifier, original: np.ndarray) -> Explanation:
    batch = images.to_tensor([original])
    label = classifier(batch).argmax(1)
    return method.explain(classifier, batch, label, seeds=[seed_from(CLASS, NUMBER, method.recipe())])[0]


def attacked(method: Attack, classifier: Classifier, original: np.ndarray) -> Attacked:
    batch = images.to_tensor([original])
    return method.attack(classifier, batch, classifier(batch).argmax(1))


def method_called(kind: str, name: str) -> Any:
    method = base.get(kind, name)
    return method.from_parameters({key: value for key, value in PARAMETERS.items() if key in method.parameters()})


def pool_of(classifier: Classifier, pictures: list[np.ndarray]) -> Pool:
    batch = images.to_tensor(pictures)
    label = toybox.CLASSES.index(CLASS)
    logits, hidden = classifier.predict(batch)
    attack = method_called("attack", base.available("attack")[0])
    flips = attack.attack(classifier, batch, torch.full((len(batch),), label)).flip_step
    return Pool(CLASS, len(pictures), hidden.numpy(), logits.softmax(1)[:, label].numpy(), flips.numpy())


def selected(method: Selector, pool: Pool, pictures: list[np.ndarray]) -> np.ndarray:
    """Three prototypes, a wider gap, three criticisms."""
    chosen = method.select(pool, 3, 3, seed=seed_from(CLASS, method.recipe()))
    prototypes, criticisms = ([pictures[i] for i in row] for row in (chosen.prototypes, chosen.criticisms))
    return rendering.side_by_side([*prototypes, WHITE, *criticisms])


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
            rendering.heat_map(original, explanation),
        ]
    )


def drawings() -> dict[str, np.ndarray]:
    """File name to picture."""
    classifier, original = toybox_classifier(), picture(NUMBER)
    pictures = [picture(number) for number in range(POOL)]
    drawn = {"superpixels": superpixels(original)}
    for name in base.available("explainer"):
        explanation = explained(method_called("explainer", name), classifier, original)
        drawn[f"explainer-{name}"] = explanation_row(original, explanation)
        drawn[f"explainer-{name}-path"] = rendering.side_by_side(rendering.explanation_path(original, explanation))
    for name in base.available("attack"):
        shown = attacked(method_called("attack", name), classifier, original).pictures[0]
        drawn[f"attack-{name}"] = rendering.side_by_side([original, shown, amplified(original, shown)])
    pool = pool_of(classifier, pictures)
    for name in base.available("selector"):
        drawn[f"selector-{name}"] = selected(method_called("selector", name), pool, pictures)
    return drawn


def main() -> None:
    folder = DOCS / "images" / "methods"
    folder.mkdir(parents=True, exist_ok=True)
    for name, pixels in drawings().items():
        data = images.encode_png(pixels)
        (folder / f"{name}.png").write_bytes(data)
        print(f"{name}.png: {pixels.shape[1]} × {pixels.shape[0]}, {len(data) / 1000:.0f} kB")


if __name__ == "__main__":
    main()
