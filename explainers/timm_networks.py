"""Networks of timm (PyTorch Image Models) by name, with their preprocessing: `resnet50.a1_in1k`.

https://huggingface.co/docs/timm. A name without a tag has timm's default weights.
"""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from typing import Any

import timm
from timm.data import resolve_model_data_config

from .classifiers import ClassifierError, ImageClassifier
from .libraries import from_cache


def preprocessing(name: str) -> dict[str, Any]:
    """What the weights were evaluated with: resize and crop in pixels, mean and std of pixels in [0, 1].

    The shorter side is resized to side / crop_pct and the centre is cut. timm often resizes bicubically; images here
    are resized bilinearly, all alike. ClassifierError for a network of pictures that are not square.
    """
    config = resolve_model_data_config(None, pretrained_cfg=_published(name).to_dict())
    _, height, width = config["input_size"]
    if height != width:
        raise ClassifierError(f"{name} is for pictures of {width} × {height}, and those here are square")
    return {
        "resize": int(height / config["crop_pct"]),
        "crop": height,
        "mean": [float(value) for value in config["mean"]],
        "std": [float(value) for value in config["std"]],
    }


def load(name: str, *, mean: Sequence[float], std: Sequence[float]) -> ImageClassifier:
    """The network with its published weights, from the cache."""
    repository = _published(name).hf_hub_id or ""
    with from_cache(f"timm's {name}", repository):
        network = timm.create_model(name, pretrained=True)
    return ImageClassifier(network, mean=mean, std=std)


def output_names(name: str) -> list[str]:
    """timm has no names for outputs; those of ImageNet's 1,000 classes are known by their order."""
    return []


def _published(name: str) -> Any:
    """The configuration of the weights; ClassifierError for a name that has none."""
    if not timm.is_model(name.partition(".")[0]):
        near = difflib.get_close_matches(name, timm.list_models(), n=3, cutoff=0.5)
        hint = f"; did you mean {' or '.join(near)}?" if near else ""
        raise ClassifierError(f"timm has no network {name!r}{hint}")
    config = timm.get_pretrained_cfg(name) if name in timm.list_pretrained() or "." not in name else None
    if config is None or not config.has_weights:
        tags = [tag for tag in timm.list_pretrained() if tag.partition(".")[0] == name.partition(".")[0]]
        hint = f"; there are {', '.join(tags[:4])}" if tags else ""
        raise ClassifierError(f"timm has no published weights {name!r}{hint}")
    return config
