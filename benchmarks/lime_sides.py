"""The same explanation by this code, by the `lime` package and by captum, as functions to be timed."""

import contextlib
import io
from collections.abc import Callable

import numpy as np
import torch
from captum.attr import Lime as CaptumLime
from lime.lime_image import LimeImageExplainer
from sklearn.linear_model import LinearRegression
from torch import Tensor

from explainers.classifiers import ImageClassifier
from explainers.images import to_tensor
from explainers.lime import Lime
from explainers.superpixels import Segmenter


def ours(
    classifier: ImageClassifier, picture: np.ndarray, samples: int, precision: str, segmenter: Segmenter | None
) -> Callable[[], object]:
    method = Lime(n_samples=samples, precision=precision)
    images, labels = to_tensor([picture]), torch.tensor([3])
    return lambda: method.explain(classifier, images, labels, seeds=[1], segmenter=segmenter)


def package(
    classifier: ImageClassifier, picture: np.ndarray, samples: int, segments: np.ndarray | None
) -> Callable[[], object]:
    """The `lime` package with K-Lasso and least squares, as ours."""

    def probabilities(pictures: np.ndarray) -> np.ndarray:
        with torch.inference_mode():
            return classifier(torch.from_numpy(pictures).permute(0, 3, 1, 2).float() / 255).softmax(1).numpy()

    explainer = LimeImageExplainer(feature_selection="lasso_path", random_state=1)
    segmentation = None if segments is None else lambda _: segments

    def run() -> None:
        with contextlib.redirect_stderr(io.StringIO()):  # its progress bar
            explainer.explain_instance(
                picture,
                probabilities,
                labels=(3,),
                top_labels=None,
                num_features=16,
                num_samples=samples,
                segmentation_fn=segmentation,
                model_regressor=LinearRegression(),
            )

    return run


def captum(
    classifier: ImageClassifier, picture: np.ndarray, samples: int, segments: np.ndarray
) -> Callable[[], object]:
    def score(images: Tensor) -> Tensor:
        return classifier(images).softmax(1)[:, 3]

    explainer = CaptumLime(score)
    images = to_tensor([picture])
    mask = torch.from_numpy(segments.copy())[None, None]

    def run() -> None:
        with torch.inference_mode():
            explainer.attribute(images, feature_mask=mask, n_samples=samples, perturbations_per_eval=10)

    return run
