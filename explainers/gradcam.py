"""Grad-CAM: where in a convolutional layer a label's logit comes from.

Selvaraju, Cogswell, Das, Vedantam, Parikh & Batra, *Grad-CAM: Visual Explanations from Deep Networks via Gradient-based
Localization* (ICCV 2017). With A_k the layer's channels and w_k the mean gradient of the logit over channel k, the map
is Σ_k w_k·A_k, rectified, then enlarged to the image's size by bilinear interpolation (without align_corners), not
rescaled. With negated gradients it shows what speaks against the label, the paper's counterfactual explanations. Guided
Grad-CAM multiplies it with guided backpropagation, its deconvolution form with deconvolution.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from .base import Explainer, HeatMap, MethodError
from .fast_pooling import FastPooling
from .frozen_model import frozen
from .gradient_passes import asked, batch_limit, differentiated, even_slices, heat_maps
from .input_checks import checked_request
from .rectifiers import rectifiers
from .superpixels import Segmenter

#: What only a network of tokens computes with values [n, tokens, features].
_ON_TOKENS = {functional.linear, functional.layer_norm}
#: What may be done to the image before the first layer, without the underscores of in-place forms and operators.
_NORMALISING = {"clone", "contiguous", "to", "float", "sub", "rsub", "add", "radd", "mul", "rmul", "div", "truediv"}


@dataclass(frozen=True)
class GradCAM(Explainer):
    """Where in a convolutional layer the label's logit comes from.

    layer: the name of a module whose output is [n, channels, h, w] with more than one pixel, such as "layer4" or
    "features.28"; none stands for the last such values that are computed. relu: keep positive values only.
    counterfactual: with negated gradients, what speaks against the label. fine: "guided" multiplies the map with guided
    backpropagation, "deconvolution" with deconvolution.
    """

    name: ClassVar[str] = "gradcam"
    version: ClassVar[int] = 1
    title: ClassVar[str] = "Grad-CAM"

    layer: str | None = None
    relu: bool = True
    counterfactual: bool = False
    fine: Literal["none", "guided", "deconvolution"] = "none"

    def explain(
        self,
        classifier: nn.Module,
        images: Tensor,
        labels: Tensor,
        *,
        seeds: Sequence[int],
        segmenter: Segmenter | None = None,
    ) -> list[HeatMap]:
        """See `Explainer.explain`. With `fine`, channels are the product and values the largest of its absolute values;
        without, there are no channels. Nothing is random: seeds are only recorded.

        Raises MethodError for a layer that does not exist, is not executed or has no pixels, and for a network of
        tokens without `layer`.
        """
        wanted = checked_request(images, labels, seeds)
        if not wanted:
            return []
        labels = labels.to(images.device, torch.int64)
        maps, fine, n_classes = [], [], 0
        with frozen(classifier, images.device), FastPooling():
            for rows in even_slices(len(images), batch_limit(images.shape[-2] * images.shape[-1], images.device)):
                coarse, gradient, n_classes = self._maps(classifier, images[rows], labels[rows])
                maps.append(coarse)
                fine.append(gradient)
        coarse = torch.cat(maps)
        channels = None if self.fine == "none" else torch.cat(fine) * coarse[:, None]
        return heat_maps(
            coarse if channels is None else channels.abs().amax(1),
            channels,
            wanted,
            n_classes=n_classes,
            when_zero=f"nothing in the layer speaks {'against' if self.counterfactual else 'for'} the label",
        )

    def _maps(self, classifier: nn.Module, images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor, int]:
        """The map [n, h, w], the fine gradient [n, 3, h, w] (or nothing), and how many classes there are."""
        pixels = images.detach().clone().requires_grad_()
        with ExitStack() as stack:
            # Around what captures, so that it captures what the rectifiers give.
            seen = None
            if self.fine != "none":
                seen = stack.enter_context(rectifiers(self.name, classifier, "plain"))
            captured = stack.enter_context(self._capturing(classifier, len(images)))
            logit, n_classes = asked(classifier, pixels, labels)
            activations = captured()
            gradient = differentiated(logit, activations, keep_graph=bool(seen), what="the layer")
            fine = pixels
            if seen:
                seen.rule = "guided" if self.fine == "guided" else "deconvolution"
                fine = differentiated(logit, pixels)
        weights = gradient.mean((2, 3), keepdim=True) * (-1 if self.counterfactual else 1)
        coarse = (weights * activations.detach()).sum(1, keepdim=True)
        if self.relu:
            coarse = coarse.relu()
        enlarged = functional.interpolate(coarse, images.shape[-2:], mode="bilinear", align_corners=False)
        return enlarged.squeeze(1), fine.detach(), n_classes

    @contextmanager
    def _capturing(self, classifier: nn.Module, n: int) -> Iterator[Callable[[], Tensor]]:
        """Within it, the function that it gives returns the layer's values of the last forward pass."""
        if self.layer is None:
            with _LastSpatial(n) as last:
                yield last.values
            return
        modules = dict(classifier.named_modules())
        # The network of a `ImageClassifier` may be named as it names its own parts.
        module = modules.get(self.layer) or modules.get(f"network.{self.layer}")
        if module is None or not self.layer:
            raise MethodError(f"gradcam: the classifier has no layer {self.layer!r}{_some_of(modules)}")
        outputs: list[Any] = []

        def keep(_: nn.Module, __: Any, output: Any) -> Any:
            outputs[:] = [output]
            # What comes after gets a copy: it may change it in place.
            return output.clone() if isinstance(output, Tensor) else output

        hook = module.register_forward_hook(keep)
        try:
            yield lambda: self._checked(outputs)
        finally:
            hook.remove()

    def _checked(self, outputs: list[Any]) -> Tensor:
        if not outputs:
            raise MethodError(f"gradcam: the layer {self.layer!r} is not executed")
        (output,) = outputs
        if not isinstance(output, Tensor) or output.ndim != 4 or output.shape[2] * output.shape[3] < 2:
            what = list(output.shape) if isinstance(output, Tensor) else type(output).__name__
            raise MethodError(
                f"gradcam: the layer {self.layer!r} gives {what}, not [n, channels, h, w] with more than one pixel"
            )
        if not output.requires_grad:
            raise MethodError(f"gradcam: the layer {self.layer!r} does not depend on the image")
        return output


class _LastSpatial(TorchFunctionMode):
    """Within it, the last values [n, channels, h, w] with more than one pixel are kept, whatever computes them."""

    def __init__(self, n: int):
        super().__init__()
        self._n = n
        self._last: Tensor | None = None
        self._tokens_since = False
        self._begun = False

    def __torch_function__(
        self, function: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        output = function(*args, **(kwargs or {}))
        if isinstance(output, Tensor) and output.requires_grad and output.ndim in (3, 4) and len(output) == self._n:
            self._begun |= getattr(function, "__name__", "").strip("_") not in _NORMALISING
            if output.ndim == 4 and output.shape[2] * output.shape[3] > 1 and self._begun:
                self._last, self._tokens_since = output, False
            elif output.ndim == 3 and function in _ON_TOKENS:
                self._tokens_since = True
        return output

    def values(self) -> Tensor:
        if self._tokens_since:
            raise MethodError(
                "gradcam: the classifier computes with tokens, not pixels: name a layer with values [n, channels, h, w]"
            )
        if self._last is None:
            raise MethodError("gradcam: no layer of the classifier gives [n, channels, h, w] with more than one pixel")
        return self._last


def _some_of(modules: dict[str, nn.Module]) -> str:
    names = [
        name.removeprefix("network.") for name, module in modules.items() if name and next(module.children(), None)
    ]
    return f"; among its layers are {', '.join(names[-4:])}" if names else ""
