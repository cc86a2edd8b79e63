"""Many forward passes over one image with parts of it hidden: what all methods by perturbation have in common.

The pictures are composed on the device, channels-last, into one buffer, a batch at a time. A batch never mixes two
images and all batches of an image have one shape, so an image's scores have the same bytes whatever else is explained
beside it. Nothing waits for the device between batches or images, and memory depends on the batch, not on the number of
masks.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

import numpy as np
import torch
from torch import Tensor, nn

from .base import HeatMap, MethodError
from .classifiers import ImageClassifier
from .images import GREY
from .inference import as_written, probes, tuned

Item = TypeVar("Item")


@dataclass(frozen=True)
class MaskedScores:
    """An image whose passes have been started; `scores()` waits for them: float32 [n], one for each of the masks.

    position: of the image in the batch. segments: int64 [h, w], labelled 0..d−1. masks: bool [n, d].
    """

    position: int
    label: int
    seed: int
    segments: np.ndarray
    masks: Tensor
    scores: Callable[[], Tensor]


class MaskedPasses:
    """A classifier made ready for passes over images of this size, dtype and device.

    network: tuned, in `dtype`, and proven to be the classifier's. given(pictures): what it is given, normalised.
    """

    def __init__(self, classifier: nn.Module, images: Tensor, dtype: torch.dtype):
        self._dtype = dtype
        self._normalised = classifier.normalised if isinstance(classifier, ImageClassifier) else _unchanged
        self.network = _for_inference(classifier, images, dtype)

    def given(self, pictures: Tensor) -> Tensor:
        return self._normalised(pictures.detach()).to(self._dtype)


def score_each(
    passes: MaskedPasses,
    images: Tensor,
    images_here: Tensor,
    wanted: list[tuple[int, int]],
    segments_of_each: Iterable[np.ndarray],
    *,
    fill: str,
    masks: Callable[[int, int], Tensor],
) -> Iterator[MaskedScores]:
    """Start the passes of one image after another; iterate by `one_behind`.

    images: [n, 3, h, w]; images_here: the same on the CPU, so that nothing below has to wait for the device. wanted:
    label and seed of each. fill: see `filled`. masks: from the number of superpixels and the seed to bool [n, d].
    """
    for position, ((label, seed), segments) in enumerate(zip(wanted, segments_of_each, strict=True)):
        drawn = masks(int(segments.max()) + 1, seed)
        shown = images[position : position + 1]
        hidden = onto(filled(images_here[position : position + 1], segments, fill), images.device)
        scores = score_masks(passes.network, passes.given(shown), passes.given(hidden), segments, drawn, label)
        yield MaskedScores(position, label, seed, segments, drawn, fetching(scores))


def one_behind(items: Iterable[Item]) -> Iterator[Item]:
    """The items, each once the next one has been started: on a GPU the next image's passes are under way while this
    one's scores are worked on."""
    behind: list[Item] = []
    for item in items:
        yield from behind
        behind = [item]
    yield from behind


def score_masks(
    network: nn.Module, shown: Tensor, hidden: Tensor, segments: np.ndarray, masks: Tensor, label: int
) -> Tensor:
    """The probability of `label` for each mask: float32 [n], on the device of `shown`.

    shown, hidden: [1, 3, h, w], what the network is given where a superpixel is present and where it is absent.
    segments: int [h, w], labelled 0..d−1. masks: bool [n, d].
    """
    _, channels, height, width = shown.shape
    device = shown.device
    batch = batch_size(len(masks), height * width, device)
    flat_shown, flat_hidden = (picture.permute(0, 2, 3, 1).reshape(1, -1) for picture in (shown, hidden))
    owner = onto(torch.tensor(segments).reshape(-1).repeat_interleave(channels), device).expand(batch, -1)
    present = onto(padded(masks, batch), device)
    kept = torch.empty(owner.shape, dtype=torch.bool, device=device)

    def compose(rows: slice, pictures: Tensor) -> None:
        torch.gather(present[rows], 1, owner, out=kept)
        torch.where(kept, flat_shown, flat_hidden, out=pictures.permute(0, 2, 3, 1).view(batch, -1))

    return score_pictures(network, compose, len(masks), batch, shown, label)


@torch.inference_mode()
def score_pictures(
    network: nn.Module, compose: Callable[[slice, Tensor], None], n: int, batch: int, like: Tensor, label: int
) -> Tensor:
    """The probability of `label` for each of n pictures: float32 [n], on the device of `like`.

    compose(rows, pictures) writes pictures number rows.start to rows.stop, always `batch` of them and beyond n at the
    end, into `pictures`, channels-last [batch, c, h, w]. like: [1, c, h, w], what the network is given, for its size.
    """
    _, channels, height, width = like.shape
    buffer = torch.empty(batch, height, width, channels, dtype=like.dtype, device=like.device)
    pictures = buffer.permute(0, 3, 1, 2)
    scores = []
    for start in range(0, n, batch):
        compose(slice(start, start + batch), pictures)
        logits = network(pictures)
        if logits.ndim != 2 or not 0 <= label < logits.shape[1]:
            raise MethodError(f"label {label} is none of the classifier's outputs, {list(logits.shape[1:])}")
        scores.append(logits.float().softmax(1)[:, label])
    return torch.cat(scores)[:n]


def perturbation_maps(scored: Iterable[tuple[Tensor, Tensor]], wanted: Sequence[tuple[int, int]]) -> list[HeatMap]:
    """The maps of a batch, brought to the CPU one behind the other.

    scored: for each image the map [h, w] and the scores it was made of. wanted: label and seed of each. Raises
    MethodError for scores that are not finite.
    """
    started = ((fetching(values), fetching(torch.stack(scores.aminmax()))) for values, scores in scored)
    maps = []
    for position, ((values, extremes), (label, seed)) in enumerate(zip(one_behind(started), wanted, strict=True)):
        lowest, highest = extremes().tolist()
        if not (math.isfinite(lowest) and math.isfinite(highest)):
            raise MethodError(f"image {position} of the batch: the scores must be finite")
        reason = "the probability is the same whatever is hidden" if lowest == highest else None
        map_ = values().float().numpy()
        maps.append(HeatMap(np.zeros_like(map_) if reason else map_, label, seed, reason))
    return maps


def padded(rows: Tensor, batch: int) -> Tensor:
    """The rows, filled up with the first one to whole batches, so that all have one shape."""
    return torch.cat([rows, rows[:1].expand(-len(rows) % batch, *rows.shape[1:])])


def batch_size(n: int, pixels: int, device: torch.device) -> int:
    """Equal shares of n: on a CPU small enough for the activations to stay in the cache, on a GPU enough to fill it."""
    of_224 = 8 if device.type == "cpu" else 256
    most = min(max(of_224 * 224 * 224 // pixels, of_224), 1024)
    return math.ceil(n / math.ceil(n / most))


def onto(tensor: Tensor, device: torch.device) -> Tensor:
    """The tensor on the device, without waiting for what the device is doing."""
    if device.type == "cuda":
        return tensor.pin_memory().to(device, non_blocking=True)
    return tensor.to(device)


def fetching(values: Tensor) -> Callable[[], Tensor]:
    """Begin to bring values to the CPU. The function that it gives waits for these, not for what the device is told to
    do later."""
    if values.device.type != "cuda":
        return lambda: values
    here = torch.empty(values.shape, dtype=values.dtype, pin_memory=True).copy_(values, non_blocking=True)
    arrived = torch.cuda.current_stream(values.device).record_event()

    def fetched() -> Tensor:
        arrived.synchronize()
        return here

    return fetched


def filled(image: Tensor, segments: np.ndarray, fill: str) -> Tensor:
    """The image [1, 3, h, w], on the CPU, with every superpixel absent: of its "mean" colour, "grey" or "black"."""
    if fill != "mean":
        return torch.full_like(image, {"grey": GREY / 255, "black": 0.0}[fill])
    owner = segments.reshape(-1)
    counts = np.bincount(owner)
    pixels = image[0].reshape(3, -1).double().numpy()
    means = np.stack([np.bincount(owner, weights=channel) / counts for channel in pixels])
    return torch.from_numpy(means[:, segments]).to(image.dtype)[None]


#: How many copies of a network are kept, the latest: one for each size of picture and precision it is asked in.
_KEPT = 2
_copies: WeakKeyDictionary[ImageClassifier, dict[tuple[Any, ...], nn.Module]] = WeakKeyDictionary()


def _for_inference(classifier: nn.Module, images: Tensor, dtype: torch.dtype) -> nn.Module:
    """What is asked about the composed pictures: the network without its normalisation.

    Of an ImageClassifier, which stays as it is, the copy is made once and kept as long as the classifier is there and
    its tensors are the same; another network may change between two calls in ways that cannot be seen.
    """
    if not isinstance(classifier, ImageClassifier):
        return _made_ready(classifier, images, dtype)
    copies = _copies.setdefault(classifier, {})
    key = (dtype, images.dtype, images.shape[1:], images.device, classifier.as_written, _state_of(classifier))
    copies[key] = copies.pop(key) if key in copies else _made_ready(classifier, images, dtype)
    while len(copies) > _KEPT:
        del copies[next(iter(copies))]
    return copies[key]


def _made_ready(classifier: nn.Module, images: Tensor, dtype: torch.dtype) -> nn.Module:
    # The same for all batches of a size: an image's scores must not depend on the images beside it.
    asked = probes(images.shape[2], images.shape[3], images.device).to(images.dtype)
    if not isinstance(classifier, ImageClassifier):
        return tuned(classifier, dtype, asked).network
    if classifier.as_written:
        return as_written(classifier.network, dtype)
    return tuned(classifier.network, dtype, classifier.normalised(asked)).network


def _state_of(network: nn.Module) -> tuple[tuple[int, int], ...]:
    """Where its tensors lie, and how often each was changed in place."""
    tensors = [*network.parameters(), *network.buffers()]
    # Tensors made in inference mode do not count their changes.
    return tuple((one.data_ptr(), 0 if one.is_inference() else one._version) for one in tensors)


def _unchanged(images: Tensor) -> Tensor:
    return images
