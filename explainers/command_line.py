"""What `python -m explainers` does: `python -m explainers lime photo.png out.png --classifier resnet18`.

Prints one line of JSON about the result and writes one lossless picture. `compute` instead computes a part of a study's
work, without a database: see `cluster`. Every failure is one line on standard error and exit status 1; then no picture
is written.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args, get_type_hints

import numpy as np

from . import base, command_drawings, images, pool_folders, rendering, stimulus_recipes
from .command_paths import path_of

if TYPE_CHECKING:
    import torch

    from .classifiers import ImageClassifier

_USAGE = """\
INPUT is a photograph, or for a selector a folder of photographs of one class. OUTPUT is a PNG. Methods that explain by
examples take them from the folder --pool: photographs, or a folder for each class.

classifiers:
  NAME or NAME:WEIGHTS                    of torchvision, for instance resnet18:IMAGENET1K_V1
  FILE.py:FACTORY:CHECKPOINT.safetensors  your own; the file is run, so trust it

`python -m explainers METHOD --help` lists the parameters of a method, and `python -m explainers compute --help` says
how a part of a study's work is computed on a machine without a database."""


class _CommandError(Exception):
    """What is said to whoever called, in one line."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one method; returns the exit status."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    if arguments[:1] == ["compute"]:
        from .cluster import compute_command

        return _told(lambda: compute_command.compute(arguments[1:]), arguments)
    kind_of = {name: kind for kind in base.kinds() for name in base.available(kind)}
    method_name = arguments[0] if arguments else ""
    if method_name not in kind_of:
        return _without_method(arguments, kind_of)
    kind = kind_of[method_name]

    def run() -> str:
        method_class = base.get(kind, method_name)
        return _run(kind, method_class, _parser(kind, method_class).parse_args(arguments[1:]))

    return _told(run, arguments)


def _told(run: Callable[[], str], arguments: Sequence[str]) -> int:
    """The exit status of what is run: its line is printed, or in one line why there is none."""
    try:
        line = run()
    except KeyboardInterrupt:
        return _failed("interrupted", 130)
    except (_CommandError, ValueError, OSError) as error:
        return _failed(str(error))
    except Exception as error:  # a network may raise anything of its own
        if "--traceback" in arguments:
            raise
        return _failed(f"{type(error).__name__}: {error} (--traceback shows where)")
    print(line)
    return 0


def _run(kind: str, method_class: type[base.Method], options: argparse.Namespace) -> str:
    """Run the method, write its picture, and return the line about it."""
    parameters = _given_parameters(options, method_class)
    if recipe := getattr(options, "recipe", None):
        if parameters:
            raise _CommandError(f"--recipe has every parameter: leave {', '.join(sorted(parameters))} away")
        method = stimulus_recipes.method_of(recipe, method_class)
    else:
        method = method_class.from_parameters(parameters)
    facts, picture = _RUN[kind](method, options)
    options.output.write_bytes(images.encode_png(rendering.magnified(picture, options.magnify)))
    return json.dumps({**method.recipe(), **facts}, allow_nan=False)


def _failed(line: str, status: int = 1) -> int:
    print(f"explainers: {' '.join(line.split())}", file=sys.stderr)
    return status


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
    parser.add_argument("input", type=path_of, metavar="INPUT")
    parser.add_argument("output", type=path_of, metavar="OUTPUT")
    parser.add_argument("--classifier", required=True, metavar="CLASSIFIER")
    parser.add_argument("--label", type=int, help="index of the class; default: the classifier's decision")
    parser.add_argument("--seed", type=int, help="default: from the image and the recipe")
    parser.add_argument("--resize", type=int, help="shorter side in pixels; default: what the weights want, or none")
    parser.add_argument("--crop", type=int, help="side of the centre crop in pixels; default: as for --resize")
    parser.add_argument("--mean", type=float, nargs=3, help="of the channels in [0, 1]; needed for your own classifier")
    parser.add_argument("--std", type=float, nargs=3, help="likewise")
    parser.add_argument("--device", help="cpu or cuda; default: cuda where there is one")
    parser.add_argument("--magnify", type=int, default=1, help="draw every pixel as so many squared")
    parser.add_argument("--traceback", action="store_true", help="show where it stopped, if it does so unexpectedly")
    if kind == "explainer":
        command_drawings.add_options(parser)
        parser.add_argument(
            "--recipe",
            type=_json_object,
            metavar="JSON",
            help="a stimulus's provenance, of which INPUT is the picture: makes the same bytes again",
        )
    if kind == "selector":
        parser.add_argument("--prototypes", type=int, default=3, metavar="N", help="default: 3")
        parser.add_argument("--criticisms", type=int, default=3, metavar="N", help="default: 3")
        parser.add_argument(
            "--attack", choices=_attacks_that_flip(), help="fills the flip steps, where the method needs them"
        )
        parser.add_argument("--attack-parameters", type=_json_object, default={}, metavar="JSON", help='{"step": 0.01}')
    if kind == "example_explainer":
        parser.add_argument(
            "--pool", type=path_of, required=True, metavar="FOLDER", help="where examples are taken from"
        )
        parser.add_argument("--examples", type=int, default=6, metavar="N", help="default: 6")
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


def _attacks_that_flip() -> list[str]:
    return [name for name in base.available("attack") if base.get("attack", name).flips]


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


def _classifier(options: argparse.Namespace) -> tuple[ImageClassifier, dict[str, int | None], str]:
    """The classifier on its device, how its images are prepared, and the device."""
    import torch

    from . import classifiers

    first, *rest = options.classifier.split(":")
    preparation: dict[str, int | None] = {"resize": None, "crop": None}
    if (options.mean is None) != (options.std is None):
        raise _CommandError("give both --mean and --std, or neither")
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
    if options.recipe:
        # A stimulus's picture is what the classifier was asked about, to the last bit.
        preparation = {"resize": None, "crop": None}
    picture, digest = _read(options.input, preparation)
    batch = images.to_tensor([picture]).to(device)
    probabilities = _logits(classifier, batch, [options.input]).softmax(1)
    if options.recipe:
        for name, value in stimulus_recipes.settings_of(options.recipe, digest).items():
            setattr(options, name, value)
    label = _label(options, probabilities)
    seed = base.seed_from(digest, method.recipe(), label) if options.seed is None else options.seed
    explanation = method.explain(classifier, batch, torch.tensor([label], device=device), seeds=[seed])[0]
    if explanation.reason:
        raise _CommandError(f"{options.input}: no explanation: {explanation.reason}")
    facts = {"label": label, "probability": float(probabilities[0, label]), "seed": seed}
    facts |= command_drawings.facts_of(explanation)
    return facts, command_drawings.draw(picture, explanation, options)


def _logits(classifier: ImageClassifier, batch: torch.Tensor, files: Sequence[Path]) -> torch.Tensor:
    """What the classifier says of a batch; where it fails, the file that it fails on is named."""
    import torch

    with torch.no_grad():
        try:
            return classifier(batch)
        except Exception:
            for number, file in enumerate(files):
                try:
                    classifier(batch[number : number + 1])
                except Exception as error:
                    told = " ".join(str(error).split())
                    message = f"{file}: the classifier fails on it: {type(error).__name__}: {told}"
                    raise _CommandError(message) from None
            raise


def _attack(method: base.Attack, options: argparse.Namespace) -> tuple[dict[str, Any], np.ndarray]:
    import torch

    classifier, preparation, device = _classifier(options)
    picture, _ = _read(options.input, preparation)
    batch = images.to_tensor([picture]).to(device)
    label = _label(options, _logits(classifier, batch, [options.input]).softmax(1))
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
            f"{options.input} is not a folder; a selector chooses from a folder of photographs of one class"
        )
    files = sorted(file for file in options.input.iterdir() if file.is_file() and not file.name.startswith("."))
    read = [_read(file, preparation) for file in files]
    if not read:
        raise _CommandError(f"{options.input} is empty")
    pictures = [picture for picture, _ in read]
    pool = _pool(method, options, classifier, pictures, files, device)
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
    classifier: ImageClassifier,
    pictures: list[np.ndarray],
    files: Sequence[Path],
    device: str,
) -> base.Pool:
    """What the method needs to know about the pictures, and no more."""
    import torch

    starts = range(0, len(pictures), 16)
    batches = [images.to_tensor(pictures[start : start + 16]).to(device) for start in starts]
    logits = [_logits(classifier, batch, files[start:]) for start, batch in zip(starts, batches, strict=True)]
    probabilities = torch.cat([one.softmax(1) for one in logits]).cpu()
    features = [classifier.predict(batch)[1] for batch in batches] if "features" in method.needs else []
    label = _label(options, probabilities)
    flip_step = None
    if "flip_step" in method.needs:
        attacks = [options.attack] if options.attack else _attacks_that_flip()
        if len(attacks) > 1:
            raise _CommandError(f"{method.name} needs an attack: --attack {' or '.join(attacks)}")
        attack = base.get("attack", attacks[0]).from_parameters(options.attack_parameters)
        batch = torch.cat(batches)
        flip_step = attack.attack(classifier, batch, torch.full((len(batch),), label, device=device)).flip_step
    return base.Pool(
        name=options.input.name,
        size=len(pictures),
        features=torch.cat(features).cpu().numpy() if features else None,
        probabilities=probabilities[:, label].numpy(),
        flip_step=None if flip_step is None else flip_step.cpu().numpy(),
    )


def _examples(method: base.ExampleExplainer, options: argparse.Namespace) -> tuple[dict[str, Any], np.ndarray]:
    from . import example_pools

    classifier, preparation, device = _classifier(options)
    picture, digest = _read(options.input, preparation)
    probabilities = _logits(classifier, images.to_tensor([picture]).to(device), [options.input]).softmax(1)
    label = _label(options, probabilities)
    classes = pool_folders.classes_of(options.pool, probabilities.shape[1], labelled="labels" in method.needs)
    taken = [(file, number, *_read(file, preparation)) for file, number in classes]
    # The photograph itself would explain itself best.
    taken = [one for one in taken if one[3] != digest]
    if not taken:
        raise _CommandError(f"{options.pool} has no photograph beside {options.input}")
    files, numbers, pictures = [one[0] for one in taken], [one[1] for one in taken], [one[2] for one in taken]
    for number in range(0, len(files), 16):  # names the file where the classifier fails on one
        _logits(classifier, images.to_tensor(pictures[number : number + 16]).to(device), files[number : number + 16])
    labels = None if None in numbers else [int(one) for one in numbers if one is not None]
    pool = example_pools.example_pool(classifier, options.pool.name, pictures, labels)
    query = replace(
        example_pools.example_pool(classifier, options.input.name, [picture], [label]), predictions=np.array([label])
    )
    seed = base.seed_from(digest, method.recipe(), label) if options.seed is None else options.seed
    (found,) = method.explain(pool, query, options.examples, seed=seed)
    facts = {
        "label": label,
        "probability": float(probabilities[0, label]),
        "seed": seed,
        "examples": [files[i].relative_to(options.pool).as_posix() for i in found.indices],
        "scores": list(found.scores),
        **found.facts,
    }
    return facts, rendering.examples_sheet(picture, [pictures[i] for i in found.indices])


_RUN: dict[str, Callable[[Any, argparse.Namespace], tuple[dict[str, Any], np.ndarray]]] = {
    "explainer": _explain,
    "attack": _attack,
    "selector": _select,
    "example_explainer": _examples,
}
