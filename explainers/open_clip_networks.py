"""Zero-shot classifiers of open_clip: an image is compared with a prompt for each class.

Radford et al., *Learning transferable visual models from natural language supervision* (2021); the library is
https://github.com/mlfoundations/open_clip. Named by MODEL:WEIGHTS, such as `ViT-B-32:laion2b_s34b_b79k`, or by
`hf-hub:REPOSITORY` or `local-dir:FOLDER` with open_clip_config.json and open_clip_model.safetensors.
"""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import open_clip
import torch
from torch import Tensor, nn

from .classifiers import ClassifierError, ImageClassifier
from .libraries import from_cache


class ZeroShot(nn.Module):
    """The image part of a CLIP network, and a linear layer whose rows are the classes' prompts.

    Logits [n, c] are the cosines of image and prompts times the network's own scale; the hidden values are the image's
    unit vector.
    """

    def __init__(self, visual: nn.Module, prompts: Tensor):
        super().__init__()
        self.visual = visual
        self.prompts = nn.Linear(prompts.shape[1], len(prompts), bias=False)
        self.prompts.weight.data = prompts.clone()

    def forward(self, x: Tensor) -> Tensor:
        vectors = self.visual(x)
        return self.prompts(nn.functional.normalize(vectors, dim=-1))


def preprocessing(name: str) -> dict[str, Any]:
    """What the weights were trained with: resize and crop in pixels, mean and std of pixels in [0, 1].

    The library mostly resizes bicubically; images here are resized bilinearly, all alike.
    """
    config = open_clip.get_model_preprocess_cfg(_model(name))
    size = config["size"]
    height, width = (size, size) if isinstance(size, int) else size
    if height != width:
        raise ClassifierError(f"{name} is for pictures of {width} × {height}, and those here are square")
    return {
        "resize": int(height),
        "crop": int(height),
        "mean": [float(value) for value in config["mean"]],
        "std": [float(value) for value in config["std"]],
    }


def load(name: str, *, mean: Sequence[float], std: Sequence[float], prompts: Sequence[str]) -> ImageClassifier:
    """The classifier of these prompts, one for each class in the order of its outputs."""
    model = _model(name)
    architecture = name.partition(":")[0] if _schema(name) is None else name
    with from_cache(f"the tokenizer of open_clip's {name}"), torch.no_grad():
        tokens = open_clip.get_tokenizer(architecture)(list(prompts))
        vectors = nn.functional.normalize(model.encode_text(tokens), dim=-1)
        scaled = vectors * model.logit_scale.exp()
    return ImageClassifier(ZeroShot(model.visual, scaled), mean=mean, std=std)


def output_names(name: str) -> list[str]:
    """The outputs are the prompts of whoever asks."""
    return []


def _model(name: str) -> Any:
    """The network in float32 with its weights; ClassifierError where a name is wrong or files are not here."""
    schema, (architecture, _, weights) = _schema(name), name.partition(":")
    repository = ""
    if schema is None:
        models = open_clip.list_models()
        if architecture not in models:
            near = difflib.get_close_matches(architecture, models, n=3, cutoff=0.5)
            hint = f"; did you mean {' or '.join(near)}?" if near else ""
            raise ClassifierError(f"open_clip has no network {architecture!r}{hint}")
        tags = open_clip.list_pretrained_tags_by_model(architecture)
        if weights not in tags:
            there = f"; there are {', '.join(tags[:4])}" if tags else ""
            raise ClassifierError(f"{architecture} has no weights {weights!r}{there}; name it MODEL:WEIGHTS")
        repository = str(open_clip.get_pretrained_cfg(architecture, weights).get("hf_hub") or "").strip("/")
    elif schema == "hf-hub:":
        repository = name.removeprefix(schema)
    folder = Path(name.removeprefix("local-dir:")) if schema == "local-dir:" else None
    with from_cache(f"open_clip's {name}", repository, folder):
        # Without require_pretrained the library goes on with random weights where it finds none.
        return open_clip.create_model(
            name if schema else architecture,
            pretrained=weights if schema is None else None,
            precision="fp32",
            require_pretrained=True,
            pretrained_text=False,
            weights_only=True,
        ).eval()


def _schema(name: str) -> str | None:
    return next((schema for schema in ("hf-hub:", "local-dir:") if name.startswith(schema)), None)
