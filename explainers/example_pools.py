"""Pools of examples, asked of a classifier: what it makes of pictures, and its last layer."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from .base import ExamplePool
from .classifiers import ClassifierError, ImageClassifier
from .images import to_tensor

_BATCH = 16
# Of the largest logit: how exactly a layer has to give what the classifier gives.
_EQUAL = 1e-4


def example_pool(
    classifier: ImageClassifier, name: str, pictures: Sequence[np.ndarray], labels: Sequence[int] | None = None
) -> ExamplePool:
    """The pool of `pictures`, uint8 [h, w, 3] of one size, at least one; labels: their true classes, where known.

    Raises ClassifierError for a classifier without a last linear layer, and ImageError for pictures of several sizes.
    """
    device = classifier.mean.device
    parts = [to_tensor(list(pictures[at : at + _BATCH])).to(device) for at in range(0, len(pictures), _BATCH)]
    logits, features = (torch.cat(both) for both in zip(*map(classifier.predict, parts), strict=True))
    weight, bias = last_layer(classifier, logits, features)
    return ExamplePool(
        name=name,
        size=len(pictures),
        features=features.cpu().numpy(),
        labels=None if labels is None else np.asarray(labels, dtype=np.int64),
        predictions=logits.argmax(1).cpu().numpy(),
        head=(weight.cpu().numpy(), bias.cpu().numpy()),
    )


def last_layer(classifier: ImageClassifier, logits: Tensor, features: Tensor) -> tuple[Tensor, Tensor]:
    """Weight [c, f] and bias [c] of the linear layer that makes `logits` [n, c] of `features` [n, f], but for a
    constant for each image, as log-softmax leaves it: what `ImageClassifier.predict` gives.

    Raises ClassifierError where no layer does.
    """
    wanted = logits - logits.mean(1, keepdim=True)
    for layer in reversed([module for module in classifier.network.modules() if isinstance(module, nn.Linear)]):
        if (layer.out_features, layer.in_features) == (logits.shape[1], features.shape[1]):
            found = functional.linear(features.to(layer.weight), layer.weight, layer.bias).detach()
            found = found - found.mean(1, keepdim=True)
            if bool(((found - wanted).abs() <= _EQUAL * wanted.abs().max().clamp(min=1)).all()):
                bias = layer.weight.new_zeros(layer.out_features) if layer.bias is None else layer.bias
                return layer.weight.detach().float(), bias.detach().float()
    raise ClassifierError(f"no linear layer of {type(classifier.network).__name__} makes its outputs of its features")
