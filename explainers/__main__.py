"""The methods on the command line: `python -m explainers lime photo.png out.png --classifier resnet18`.

Prints one line of JSON about the result and writes one lossless picture. Every failure is one line on standard error
and exit status 1; then no picture is written.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args, get_type_hints

import numpy as np

from . import base, images, rendering

if TYPE_CHECKING:
    import torch

    from .classifiers import Classifier

_USAGE = """\
INPUT is a photograph, or for a selector a folder of photographs of one class. OUTPUT is a PNG.

classifiers:
  NAME or NAME:WEIGHTS                    of torchvision, for instance resnet18:IMAGENET1K_V1
  FILE.py:FACTORY:CHECKPOINT.safetensors  your own; the file is run, so trust it

`python -m explainers METHOD --help` lists the parameters of a method."""


class _CommandError(Exception):
    """What is said to whoever called, in one line."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one method; returns the exit status."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    kind_of = {name: kind for kind in base.kinds() for name in base.available(kind)}
    method_name = arguments[0] if arguments else ""
    if method_name not in kind_of:
        return _without_method(arguments, kind_of)
    kind = kind_of[method_name]
    method_class = base.get(kind, method_name)
    options = _parser(kind, method_class).parse_args(arguments[1:])
    try:
        method = method_class.from_parameters(_given_parameters(options, method_class))
        facts, picture = _RUN[kind](method, options)
        data = images.encode_png(rendering.magnified(picture, options.magnify))
        options.output.write_bytes(data)
    except (_CommandError, ValueError, OSError) as error:
        print(f"explainers: {' '.join(str(error).split())}", file=sys.stderr)
        return 1
    print(json.dumps({**method.recipe(), **facts}, allow_nan=False))
    return 0


def _without_method(arguments: list[str], kind_of: dict[str, str]) -> int:
    methods = "\n".join(f"  {name:<18} {kind}" for name, kind in kind_of.items())
    parser = argparse.ArgumentParser(
        prog="python -m explainers",
        usage="python -m explainers METHOD INPUT OUTPUT --classifier CLASSIFIER [options]",
        description=f"methods:\n{methods}\n\n{_USAGE}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("method", metavar="METHOD")
    given = parser.parse_known_args(arguments)[0]
    parser.error(f"no method is called {given.method!r}; there are {', '.join(kind_of)}")


def _parser(kind: str, method: type[base.Method]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=f"python -m explainers {method.name}",
        description=f"{method.title}\n\n{method.__doc__}\n\n{_USAGE}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("input", type=Path, metavar="INPUT")
    parser.add_argument("output", type=Path, metavar="OUTPUT")
    parser.add_argument("--classifier", required=True, metavar="CLASSIFIER")
    parser.add_argument("--label", type=int, help="index of the class; default: the classifier's decision")
    parser.add_argument("--seed", type=int, help="default: from the image and the recipe")
    parser.add_argument("--resize", type=int, help="shorter side in pixels; default: what the weights want, or none")
    parser.add_argument("--crop", type=int, help="side of the centre crop in pixels; default: as for --resize")
    parser.add_argument("--mean", type=float, nargs=3, help="of the channels in [0, 1]; needed for your own classifier")
    parser.add_argument("--std", type=float, nargs=3, help="likewise")
    parser.add_argument("--device", help="cpu or cuda; default: cuda where there is one")
    parser.add_argument("--magnify", type=int, default=1, help="draw every pixel as so many squared")
    if kind == "explainer":
        parser.add_argument("--draw", choices=list(_DRAWINGS), default="top", help="default: top")
        parser.add_argument("--show", type=int, default=8, metavar="N", help="superpixels shown at most; default: 8")
    if kind == "selector":
        parser.add_argument("--prototypes", type=int, default=3, metavar="N", help="default: 3")
        parser.add_argument("--criticisms", type=int, default=3, metavar="N", help="default: 3")
        attacks = base.available("attack")
        parser.add_argument("--attack", choices=attacks, help="fills the flip steps, where the method needs them")
        parser.add_argument("--attack-parameters", type=_json_object, default={}, metavar="JSON", help='{"step": 0.01}')
    group = parser.add_argument_group("parameters of the method")
    for name, default, read, choices in _parameters(method):
        group.add_argument(
            f"--{name.replace('_', '-')}",
            dest=f"parameter_{name}",
            type=read,
            metavar="{" + ",".join(choices) + "}" if choices else name.upper(),
            choices=choices,
            help=f"default: {default}",
        )
    return parser


def _parameters(method: type[base.Method]) -> list[tuple[str, Any, Callable[[str], Any], tuple[str, ...] | None]]:
    """Name, default, how to read it and the choices of each parameter."""
    hints = get_type_hints(method)
    found = []
    for field in fields(method):
        alternatives = [one for one in get_args(hints[field.name]) or (hints[field.name],) if one is not type(None)]
        read: Callable[[str], Any] = _truth if alternatives[0] is bool else alternatives[0]
        choices = None
        if isinstance(alternatives[0], str):
            read, choices = str, tuple(alternatives)
        found.append((field.name, field.default, read, choices))
    return found


def _truth(text: str) -> bool:
    if text not in ("true", "false"):
        raise argparse.ArgumentTypeError(f"true or false, not {text!r}")
    return text == "true"


def _json_object(text: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise argparse.ArgumentTypeError(f"a JSON object, not {text!r}")
    return value


def _given_parameters(options: argparse.Namespace, method: type[base.Method]) -> dict[str, Any]:
    given = {name: getattr(options, f"parameter_{name}") for name in method.parameters()}
    return {name: value for name, value in given.items() if value is not None}


def _classifier(options: argparse.Namespace) -> tuple[Classifier, dict[str, int | None], str]:
    """The classifier on its device, how its images are prepared, and the device."""
    import torch

    from . import classifiers

    first, *rest = options.classifier.split(":")
    preparation: dict[str, int | None] = {"resize": None, "crop": None}
    if first.endswith(".py"):
        if len(rest) != 2:
            raise _CommandError("your own classifier is FILE.py:FACTORY:CHECKPOINT.safetensors")
        if options.mean is None or options.std is None:
            raise _CommandError("your own classifier needs --mean and --std")
        classifier = classifiers.from_module(Path(first), rest[0], Path(rest[1]), mean=options.mean, std=options.std)
    else:
        classifier = classifiers.from_torchvision(first, *rest[:1], mean=options.mean, std=options.std)
        wanted = classifiers.torchvision_preprocessing(first, *rest[:1])
        preparation = {"resize": wanted["resize"], "crop": wanted["crop"]}
    for name in preparation:
        if getattr(options, name) is not None:
            preparation[name] = getattr(options, name)
    device = options.device or ("cuda" if torch.cuda.is_available() else "cpu")
    if device != "cpu" and not torch.cuda.is_available():
        raise _CommandError(f"there is no device {device} here")
    return classifier.to(device), preparation, device


def _read(file: Path, preparation: dict[str, int | None]) -> tuple[np.ndarray, str]:
    """The image and the digest of its file."""
    try:
        data = file.read_bytes()
    except OSError as error:
        raise _CommandError(f"{file}: {error.strerror}") from None
    try:
        return images.load(data, **preparation), images.inspect(data).sha256
    except images.ImageError as error:
        raise _CommandError(f"{file}: {error}") from None


def _label(options: argparse.Namespace, probabilities: torch.Tensor) -> int:
    """Of probabilities [n, c], the label that was asked for, or the commonest decision."""
    if options.label is None:
        return int(probabilities.argmax(1).mode().values)
    if not 0 <= options.label < probabilities.shape[1]:
        raise _CommandError(f"--label must be in 0..{probabilities.shape[1] - 1}, not {options.label}")
    return options.label


def _explain(method: base.Explainer, options: argparse.Namespace) -> tuple[dict[str, Any], np.ndarray]:
    import torch

    classifier, preparation, device = _classifier(options)
    picture, digest = _read(options.input, preparation)
    batch = images.to_tensor([picture]).to(device)
    probabilities = classifier.predict(batch)[0].softmax(1)
    label = _label(options, probabilities)
    seed = base.seed_from(digest, method.recipe(), label) if options.seed is None else options.seed
    explanation = method.explain(classifier, batch, torch.tensor([label], device=device), seeds=[seed])[0]
    if explanation.reason:
        raise _CommandError(f"{options.input}: no explanation: {explanation.reason}")
    facts = {
        "label": label,
        "probability": float(probabilities[0, label]),
        "seed": seed,
        "superpixels": len(explanation.coefficients),
        "positive": explanation.n_positive,
        "r2": explanation.r2,
    }
    return facts, _DRAWINGS[options.draw](picture, explanation, options.show)


def _beside(picture: np.ndarray, explanation: base.Explanation, n: int) -> np.ndarray:
    top = rendering.top_superpixels(picture, explanation, n_shown=n)
    return rendering.side_by_side([picture, top, rendering.heat_map(picture, explanation)])


def _path(picture: np.ndarray, explanation: base.Explanation, n: int) -> np.ndarray:
    steps = rendering.explanation_path(picture, explanation, n_steps=n)
    if not steps:
        raise _CommandError("no superpixel is positive: there is no path")
    return rendering.side_by_side(steps)


_DRAWINGS: dict[str, Callable[[np.ndarray, base.Explanation, int], np.ndarray]] = {
    "top": lambda picture, explanation, n: rendering.top_superpixels(picture, explanation, n_shown=n),
    "heat": lambda picture, explanation, n: rendering.heat_map(picture, explanation),
    "path": _path,
    "beside": _beside,
}


def _attack(method: base.Attack, options: argparse.Namespace) -> tuple[dict[str, Any], np.ndarray]:
    import torch

    classifier, preparation, device = _classifier(options)
    picture, _ = _read(options.input, preparation)
    batch = images.to_tensor([picture]).to(device)
    label = _label(options, classifier.predict(batch)[0].softmax(1))
    attacked = method.attack(classifier, batch, torch.tensor([label], device=device))
    facts = {
        "label": label,
        "flip_step": int(attacked.flip_step[0]),
        "prediction": int(attacked.predictions[0]),
        "prediction_as_displayed": int(attacked.displayed_predictions[0]),
        "fools": bool(attacked.fooled_exact[0]),
        "fools_as_displayed": bool(attacked.fooled_displayed[0]),
    }
    return facts, attacked.pictures[0]


def _select(method: base.Selector, options: argparse.Namespace) -> tuple[dict[str, Any], np.ndarray]:
    classifier, preparation, device = _classifier(options)
    if not options.input.is_dir():
        raise _CommandError(
            f"{options.input} is no folder; a selector chooses from a folder of photographs of one class"
        )
    files = sorted(file for file in options.input.iterdir() if file.is_file() and not file.name.startswith("."))
    read = [_read(file, preparation) for file in files]
    if not read:
        raise _CommandError(f"{options.input} is empty")
    pictures = [picture for picture, _ in read]
    pool = _pool(method, options, classifier, pictures, device)
    seed = base.seed_from([digest for _, digest in read], method.recipe()) if options.seed is None else options.seed
    chosen = method.select(pool, options.prototypes, options.criticisms, seed=seed)
    facts = {
        "seed": seed,
        "prototypes": [files[i].name for i in chosen.prototypes],
        "criticisms": [files[i].name for i in chosen.criticisms],
        "prototype_pool": chosen.prototype_pool,
        "criticism_pool": chosen.criticism_pool,
        **chosen.facts,
    }
    rows = [[pictures[i] for i in row] for row in (chosen.prototypes, chosen.criticisms) if row]
    return facts, rendering.stacked([rendering.side_by_side(row) for row in rows])


def _pool(
    method: base.Selector,
    options: argparse.Namespace,
    classifier: Classifier,
    pictures: list[np.ndarray],
    device: str,
) -> base.Pool:
    """What the method needs to know about the pictures, and no more."""
    import torch

    batches = [images.to_tensor(pictures[start : start + 16]).to(device) for start in range(0, len(pictures), 16)]
    predicted = [classifier.predict(batch) for batch in batches]
    probabilities = torch.cat([logits.softmax(1) for logits, _ in predicted]).cpu()
    label = _label(options, probabilities)
    flip_step = None
    if "flip_step" in method.needs:
        attacks = [options.attack] if options.attack else base.available("attack")
        if len(attacks) > 1:
            raise _CommandError(f"{method.name} needs an attack: --attack {' or '.join(attacks)}")
        attack = base.get("attack", attacks[0]).from_parameters(options.attack_parameters)
        batch = torch.cat(batches)
        flip_step = attack.attack(classifier, batch, torch.full((len(batch),), label, device=device)).flip_step
    return base.Pool(
        name=options.input.name,
        size=len(pictures),
        features=torch.cat([hidden for _, hidden in predicted]).cpu().numpy(),
        probabilities=probabilities[:, label].numpy(),
        flip_step=None if flip_step is None else flip_step.cpu().numpy(),
    )


_RUN: dict[str, Callable[[Any, argparse.Namespace], tuple[dict[str, Any], np.ndarray]]] = {
    "explainer": _explain,
    "attack": _attack,
    "selector": _select,
}

if __name__ == "__main__":
    sys.exit(main())
