"""Whether a network is what it says, tried on photographs: the assumptions that methods make, each a check of its own.

    examine(classifier, pictures)   what was found, a Finding for each check, in a fixed order
    refuse(findings)                ClassifierError with the first that a study cannot live with

What only some methods need is found and not refused: gradients, hidden values, and a copy that is faster.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from .classifiers import ClassifierError, ImageClassifier
from .inference import apart, as_written, composed, tuned
from .kept_values import changed, kept_values

#: Logits of the same pictures may differ by so much of what they are spread, by rounding.
TOLERANCE = 1e-3

_ALONE = 3
_AGAIN = 3
#: So many pictures are asked about, unless that takes longer: what is kept from picture to picture shows late.
_MANY, _MANY_SECONDS = 128, 10.0


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
            _leaves_its_input(classifier, pictures),
            _lasts(classifier, pictures, together),
        ]
        if not findings[-1].ok:
            # What comes after would find this again, under another name.
            return findings
        findings += [
            _keeps_nothing(classifier, pictures),
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
    said = f"the same pictures get other logits the next time, by {_share(max(differences))} of their spread: "
    if _is_drawn(classifier, pictures):
        why = "something in forward is drawn at random; use nn.Dropout, or F.dropout(x, training=self.training)"
    else:
        why = f"it goes by what it was asked before, or by chance outside PyTorch; {_KEEP_NOTHING}"
    return Finding("again", False, said + why)


_KEEP_NOTHING = "keep, count and draw nothing in forward"


def _is_drawn(classifier: ImageClassifier, pictures: Tensor) -> bool:
    """Whether it is PyTorch's random numbers that make the outputs differ: with the same ones they are the same."""
    asked = []
    devices = [pictures.device] if pictures.is_cuda else []
    for _ in range(2):
        with torch.random.fork_rng(devices):
            torch.manual_seed(0)
            asked.append(_asked(classifier, pictures, "the same pictures again"))
    return apart(*asked) <= TOLERANCE


def _alone(classifier: ImageClassifier, pictures: Tensor, together: Tensor, names: Sequence[str]) -> Finding:
    remedy = (
        "what it says of a picture depends on the others in its batch: use batch norm with running statistics "
        "(track_running_stats=True), no train() in forward, and no mean, squeeze or index over the batch, nor "
        "x / x.amax()"
    )
    for asked, expected, name in _companies(classifier, pictures, together, names):
        try:
            difference = apart(expected, _asked(classifier, asked, name)[: len(expected)])
        except ClassifierError as error:
            return Finding("alone", False, f"{error}; all of them at once it answers: {remedy}")
        if difference > TOLERANCE:
            return Finding("alone", False, f"{name}: {remedy} (by {_share(difference)} of the logits' spread)")
    return Finding("alone", True, "a picture alone and in a batch gets the same logits")


def _companies(
    classifier: ImageClassifier, pictures: Tensor, together: Tensor, names: Sequence[str]
) -> Iterator[tuple[Tensor, Tensor, str]]:
    """Pictures in other company, the logits of the first of them, and what the company is called."""
    for number in range(min(_ALONE, len(pictures))):
        yield pictures[number : number + 1], together[number : number + 1], names[number]
    # Two of them the other way round.
    numbers = [len(pictures) - 1, 0]
    yield pictures[numbers], together[numbers], f"{names[-1]} with {names[0]}"
    # Photographs have much in common, such as white somewhere: what a network takes from all of a batch shows beside
    # a picture that is nearly black, as attacks and explanations ask about them, too.
    dark = pictures[-1:] * 0.1
    yield torch.cat([pictures[:1], dark]), together[:1], f"{names[0]} with {names[-1]} darkened"
    by_itself = _asked(classifier, dark, f"{names[-1]}, darkened")
    yield torch.cat([dark, pictures[:1]]), by_itself, f"{names[-1]} darkened, with {names[0]}"


def _leaves_its_input(classifier: ImageClassifier, pictures: Tensor) -> Finding:
    given = classifier.normalised(pictures[:2])
    before = given.clone()
    classifier.network(given)
    if torch.equal(given, before):
        return Finding("input", True, "it leaves the pictures it is given alone")
    return Finding(
        "input",
        False,
        "it changes the pictures it is given in place, and explanations that use them again would show others: let its "
        "forward begin with x = x.clone(), or write x = x * 2 for x *= 2 and nn.ReLU() for nn.ReLU(inplace=True)",
    )


def _lasts(classifier: ImageClassifier, pictures: Tensor, together: Tensor) -> Finding:
    """Asked about many more pictures, twice as many at once, it still says the same."""
    twice, expected = torch.cat([pictures, pictures]), torch.cat([together, together])
    count, until = 0, time.monotonic() + _MANY_SECONDS
    consequence = f"what a study records would depend on what was asked before; {_KEEP_NOTHING}"
    while count < _MANY and time.monotonic() < until:
        try:
            difference = apart(expected, _asked(classifier, twice, f"{len(twice)} pictures at once"))
        except ClassifierError as error:
            return Finding("lasting", False, f"asked about {count:,} more pictures it fails: {error}: {consequence}")
        count += len(twice)
        if difference > TOLERANCE:
            line = f"asked about {count:,} more pictures it gives the same ones other logits: {consequence}"
            return Finding("lasting", False, line)
    return Finding("lasting", True, f"asked about {count:,} more pictures it still gives the same logits")


def _keeps_nothing(classifier: ImageClassifier, pictures: Tensor) -> Finding:
    """What is kept for speed is the same after the same pictures; what is counted or gathered is not."""
    kept = []
    for _ in range(2):
        _asked(classifier, pictures[:2], "two of the pictures again")
        kept.append(kept_values(classifier.network))
    if not (names := changed(*kept)):
        return Finding("memory", True, "it keeps nothing from picture to picture", "doubt")
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    line = (
        f"it changes {', '.join(names[:3])}{more} each time it is asked, and gave the same logits so far: later ones "
        f"may depend on what was asked before; {_KEEP_NOTHING}"
    )
    return Finding("memory", False, line, "doubt")


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
