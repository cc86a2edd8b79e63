"""Whether a network is what it says, tried on photographs: the assumptions that methods make, each a check of its own.

    examine(classifier, pictures)   what was found, a Finding for each check, in a fixed order
    refuse(findings)                ClassifierError with the first that a study cannot live with

What only some methods need is found and not refused: gradients, hidden values, and a copy that is faster.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from .classifiers import ClassifierError, ImageClassifier
from .inference import apart, as_written, composed, tuned

#: Logits of the same pictures may differ by so much of what they are spread, by rounding.
TOLERANCE = 1e-3

_ALONE = 3
_AGAIN = 3


@dataclass(frozen=True)
class Finding:
    """check: its name. ok: whether it holds. line: what was found; where it does not hold, with cause and remedy.

    consequence, where it does not hold: the classifier is "refused", it is in "doubt" and a study asks before it opens,
    or it has a "limit", and only what needs it is refused.
    """

    check: str
    ok: bool
    line: str
    consequence: Literal["refused", "doubt", "limit"] = "refused"


def examine(classifier: ImageClassifier, pictures: Tensor, names: Sequence[str] | None = None) -> list[Finding]:
    """Try every check on pictures float32 [n, 3, h, w] in [0, 1], at least two of them and best some ten photographs.

    names: of the pictures, for messages. The classifier is left as it was found, but for what it changes itself.
    Raises ClassifierError, naming the picture, where the network fails on one.
    """
    names = list(names or (f"picture {number + 1}" for number in range(len(pictures))))
    with _exactly(), torch.no_grad():
        state = classifier.state_digest
        together = _all_asked(classifier, pictures, names)
        findings = [
            _again(classifier, pictures, together),
            _alone(classifier, pictures, together, names),
            Finding("state", True, "it leaves its own tensors alone"),
            _are_logits(classifier, together),
            _has_gradients(classifier, pictures, together),
            _has_hidden_values(classifier, pictures),
            _has_a_faster_copy(classifier, pictures),
        ]
        if classifier.state_digest != state:
            findings[2] = Finding(
                "state",
                False,
                "it changes its own tensors when it is asked: keep its batch norm out of training in forward, and "
                "count nothing there",
            )
    return findings


def refuse(findings: Sequence[Finding]) -> None:
    """Raise ClassifierError with the first finding that a study cannot live with."""
    for finding in findings:
        if not finding.ok and finding.consequence == "refused":
            raise ClassifierError(finding.line)


def _all_asked(classifier: ImageClassifier, pictures: Tensor, names: Sequence[str]) -> Tensor:
    try:
        return _asked(classifier, pictures, f"{len(pictures)} pictures at once")
    except ClassifierError:
        # One of them may be the reason; where all are, it is none of theirs.
        failures = []
        for number, name in enumerate(names):
            try:
                _asked(classifier, pictures[number : number + 1], name)
            except ClassifierError as error:
                failures.append(error)
        if failures and len(failures) < len(names):
            raise failures[0] from None
        raise


def _asked(classifier: ImageClassifier, pictures: Tensor, name: str) -> Tensor:
    try:
        logits = classifier(pictures)
    except Exception as error:
        text = " ".join(str(error).split())[:200]
        raise ClassifierError(f"{name}: the network fails on it: {type(error).__name__}: {text}") from None
    if not (isinstance(logits, Tensor) and logits.ndim == 2 and len(logits) == len(pictures)):
        what = list(logits.shape) if isinstance(logits, Tensor) else type(logits).__name__
        raise ClassifierError(f"{name}: the network gives {what} for {len(pictures)} of them, not [n, classes]")
    if not bool(logits.isfinite().all()):
        raise ClassifierError(f"{name}: the network gives values that are not finite")
    return logits


def _again(classifier: ImageClassifier, pictures: Tensor, together: Tensor) -> Finding:
    differences = [apart(together, _asked(classifier, pictures, "the same pictures again")) for _ in range(_AGAIN)]
    if max(differences) <= TOLERANCE:
        return Finding("again", True, "the same pictures get the same logits again")
    return Finding(
        "again",
        False,
        f"the same pictures get other logits the next time, by {_share(max(differences))} of their spread: something "
        "in forward is drawn at random; use nn.Dropout, or F.dropout(x, training=self.training)",
    )


def _alone(classifier: ImageClassifier, pictures: Tensor, together: Tensor, names: Sequence[str]) -> Finding:
    # In other company, too: two of them the other way round.
    company = [([number], names[number]) for number in range(min(_ALONE, len(pictures)))]
    company.append(([len(pictures) - 1, 0], f"{names[-1]} with {names[0]}"))
    remedy = (
        "what it says of a picture depends on the others in its batch: use batch norm with running statistics "
        "(track_running_stats=True), no train() in forward, and no mean, squeeze or index over the batch"
    )
    for numbers, name in company:
        try:
            difference = apart(together[numbers], _asked(classifier, pictures[numbers], name))
        except ClassifierError as error:
            return Finding("alone", False, f"{error}; all of them at once it answers: {remedy}")
        if difference > TOLERANCE:
            return Finding("alone", False, f"{name}: {remedy} (by {_share(difference)} of the logits' spread)")
    return Finding("alone", True, "a picture alone and in a batch gets the same logits")


def _are_logits(classifier: ImageClassifier, together: Tensor) -> Finding:
    least, sums = float(together.min()), together.double().sum(1)
    even = float(sums.max() - sums.min()) <= 1e-3 * abs(float(sums.mean()))
    if least >= 0 and even and together.shape[1] > 1 and float(sums.mean()) > 0:
        return Finding(
            "logits",
            False,
            f"its outputs are probabilities, none below 0 and each picture's with the sum {float(sums.mean()):.4g}: "
            "leave the softmax away, or say --outputs-are probabilities and their logarithms are taken",
        )
    if least >= 0 and float(together.max()) <= 1:
        # A network that ends in a rectifier may do so, too, above all an untrained one.
        return Finding(
            "logits",
            False,
            "all its outputs lie between 0 and 1; if a sigmoid ends it, return what comes before: methods take the "
            "softmax of logits",
            "doubt",
        )
    return Finding("logits", True, "its outputs are logits")


def are_probabilities(classifier: ImageClassifier, pictures: Tensor) -> bool:
    """Whether a classifier that was made with outputs_are="probabilities" is right about that: rows with the sum 1."""
    with _exactly(), torch.no_grad():
        sums = _asked(classifier, pictures, f"{len(pictures)} pictures at once").double().exp().sum(1)
    return bool(((sums - 1).abs() <= 1e-3).all())


def _has_gradients(classifier: ImageClassifier, pictures: Tensor, together: Tensor) -> Finding:
    why = ""
    # By itself rather than inside the graph of whoever calls.
    with torch.enable_grad():
        asked = pictures.detach().clone().requires_grad_()
        try:
            logits = classifier(asked)
            if not logits.requires_grad:
                why = "its logits have none: forward must not run under torch.no_grad, detach x or leave PyTorch"
            elif apart(together, logits.detach()) > TOLERANCE:
                why = "asked for gradients it gives other logits"
            else:
                # Each picture's best logit over the mean of all: a sum over all outputs of a softmax is constant.
                best = logits.amax(1) - logits.mean(1)
                (gradient,) = torch.autograd.grad(best.sum(), asked, allow_unused=True)
                if gradient is None or not bool(gradient.any()):
                    why = "they are all 0 at the pictures: something in forward rounds them or cuts them off"
                elif not bool(gradient.isfinite().all()):
                    why = "they are not finite"
        except Exception as error:
            why = f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
    if why:
        line = f"no gradients reach the pictures ({why}): attacks and methods by gradients cannot be used with it"
        return Finding("gradients", False, line, "limit")
    return Finding("gradients", True, "gradients reach the pictures", "limit")


def _has_hidden_values(classifier: ImageClassifier, pictures: Tensor) -> Finding:
    _, hidden, why = classifier.outputs(pictures[:2])
    if hidden is None:
        line = f"it has no hidden values ({why}): what goes by them, MMD-critic for one, cannot be used with it"
        return Finding("hidden", False, line, "limit")
    return Finding("hidden", True, f"its hidden values are {hidden.shape[1]:,} numbers", "limit")


def _has_a_faster_copy(classifier: ImageClassifier, pictures: Tensor) -> Finding:
    """On photographs that are hidden in part, as explanations ask about them, and on noise."""
    generator = torch.Generator().manual_seed(0)
    noise = torch.rand(pictures[:2].shape, generator=generator).to(pictures)
    asked = classifier.normalised(torch.cat([pictures[:1], composed(pictures.cpu(), generator).to(pictures), noise]))
    plain = classifier.network(asked)
    if apart(plain, as_written(classifier.network, asked.dtype)(asked)) > TOLERANCE:
        line = "a copy of it gives other outputs: it goes by something that is not in its state"
        return Finding("copy", False, line)
    found = tuned(classifier.network, asked.dtype, asked)
    if found.reason:
        line = f"explanations ask the network as it was written, more slowly: {found.reason}"
        return Finding("faster", False, line, "limit")
    return Finding("faster", True, "its faster copy gives the same outputs", "limit")


def _share(value: float) -> str:
    return "all" if value == float("inf") else f"{value:.2%}"


@contextmanager
def _exactly() -> Iterator[None]:
    """Without TF32, whose rounding would be taken for a difference."""
    before = torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    try:
        yield
    finally:
        torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32 = before
