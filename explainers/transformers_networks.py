"""Image classifiers of Hugging Face transformers, by repository or folder: `microsoft/resnet-50`.

The folder, or the repository's copy in the cache, holds config.json, preprocessor_config.json and model.safetensors.
https://huggingface.co/docs/transformers. Nothing of a repository's own code is run.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from transformers import AutoConfig, AutoImageProcessor, AutoModelForImageClassification

from .classifiers import ClassifierError, ImageClassifier
from .libraries import from_cache


class Logits(nn.Module):
    """An image classifier's logits [n, c] alone; with `flipped`, of pictures whose channels are blue, green and red."""

    def __init__(self, model: nn.Module, flipped: bool):
        super().__init__()
        self.model, self.flipped = model, flipped

    def forward(self, x: Tensor) -> Tensor:
        return self.model(pixel_values=x.flip(1) if self.flipped else x).logits


def preprocessing(name: str) -> dict[str, Any]:
    """What its image processor does, as far as it is done here: resize and crop in pixels, mean and std.

    A processor that squeezes pictures into a square has no counterpart: here the shorter side is resized and the centre
    is cut. Resizing is bilinear. ClassifierError for sizes that are not square.
    """
    config = _processor(name)
    side = _side(name, config.get("size"))
    crop = _side(name, config.get("crop_size")) if config.get("do_center_crop") else None
    resize = side if config.get("do_resize", True) else None
    if resize and config.get("crop_pct") and resize < 384:
        # ConvNeXt's way: the side is that of the cut, and more is resized.
        resize, crop = int(resize / config["crop_pct"]), resize
    scale = 255 * float(config.get("rescale_factor", 1 / 255)) if config.get("do_rescale", True) else 255.0
    offset = 1.0 if config.get("rescale_offset") and config.get("do_rescale", True) else 0.0
    normalises = config.get("do_normalize", True)
    mean = config.get("image_mean") if normalises else [0.0] * 3
    std = config.get("image_std") if normalises else [1.0] * 3
    return {
        "resize": resize,
        "crop": crop or side,
        "mean": [(float(value) + offset) / scale for value in _three(mean)],
        "std": [float(value) / scale for value in _three(std)],
    }


def load(name: str, *, mean: Sequence[float], std: Sequence[float]) -> ImageClassifier:
    """The network with its weights in float32, from the folder or the cache; safetensors only.

    ClassifierError for a checkpoint that lacks weights, such as the head of a network that was trained for something
    else: the library would draw them at random.
    """
    flipped = bool(_processor(name).get("do_flip_channel_order"))
    with from_cache(name, _repository(name)), _quietly():
        model, found = AutoModelForImageClassification.from_pretrained(
            name, local_files_only=True, use_safetensors=True, dtype=torch.float32, output_loading_info=True
        )
    lacking = sorted([*found["missing_keys"], *(key for key, *_ in found.get("mismatched_keys", ()))])
    if lacking:
        more = f" and {len(lacking) - 3} more" if len(lacking) > 3 else ""
        raise ClassifierError(f"{name} lacks {', '.join(lacking[:3])}{more}: it was not trained as an image classifier")
    return ImageClassifier(Logits(model, flipped), mean=mean, std=std)


def output_names(name: str) -> list[str]:
    """The names in its configuration; none where they are the library's placeholders."""
    with from_cache(name, _repository(name)):
        labels = AutoConfig.from_pretrained(name, local_files_only=True).id2label
    names = [str(labels[number]) for number in sorted(labels)]
    return [] if all(label == f"LABEL_{number}" for number, label in enumerate(names)) else names


def _processor(name: str) -> dict[str, Any]:
    folder = None if _repository(name) else Path(name)
    if folder is not None and not folder.is_dir():
        raise ClassifierError(f"there is no folder {name}")
    with from_cache(name, _repository(name), folder), _quietly():
        return dict(AutoImageProcessor.from_pretrained(name, local_files_only=True).to_dict())


def _repository(name: str) -> str:
    """The name, unless it is that of a folder."""
    return "" if Path(name).is_dir() or name.startswith((".", "/", "~")) else name


def _side(name: str, size: Any) -> int | None:
    """The side in pixels of a size as processors write it."""
    if size is None:
        return None
    if isinstance(size, Mapping):
        if size.get("shortest_edge"):
            return int(size["shortest_edge"])
        height, width = size.get("height"), size.get("width")
        if height and height == width:
            return int(height)
        raise ClassifierError(f"{name} is for pictures of {width} × {height}, and those here are square")
    return int(size)


def _three(values: Any) -> list[float]:
    values = list(values) if isinstance(values, list | tuple) else [values or 0.0]
    return values if len(values) == 3 else [values[0]] * 3


class _quietly:  # noqa: N801
    """Without the library's bars and advice."""

    def __enter__(self) -> None:
        from transformers.utils import logging

        self._level = logging.get_verbosity()
        logging.set_verbosity_error()
        logging.disable_progress_bar()

    def __exit__(self, *_: object) -> None:
        from transformers.utils import logging

        logging.set_verbosity(self._level)
        logging.enable_progress_bar()
