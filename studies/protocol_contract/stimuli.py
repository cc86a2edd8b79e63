"""Properties of what preparing gives."""

import json
from collections import Counter, defaultdict
from collections.abc import Iterator
from typing import Any

from django.core.files.storage import default_storage

from studies.designs.choices import catalogue
from studies.lib.canonical_json import digest
from studies.lib.errors import StudyError
from studies.models import Classifier, Role
from studies.planning import estimates
from studies.preparation.stimuli import specifications
from studies.protocols import ImageCounts, StimulusSpec, Union, classifiers_of

from .made_up_bench import CLASSES, MadeUpBench, Twins
from .made_up_images import about, make_classifier, make_image_set
from .subject import IMAGES, SESSION, Subject, require

#: Designs whose gold trials are put together: answers drawn by chance are all the same once in 100,000 times.
SEEDS = (0, 1, 2)
#: Trials that must not be told apart from others; people know when they are trained.
CONTROLS = (Role.EXAMPLE, Role.PRACTICE, Role.GOLD)


def made(subject: Subject, bench: Any, **settings: Any) -> tuple[dict, list[StimulusSpec]]:
    """The design of these settings over made-up images, and its stimuli; StudyError where preparing refuses them."""
    classifier = make_classifier(make_image_set(classes=CLASSES, n_images=IMAGES)).name
    chosen = {
        **about(subject.protocol, classifier, several=subject.several),
        **subject.protocol.contract_design,
        **settings,
    }
    design = subject.protocol.clean(chosen, catalogue=catalogue())
    return design, specifications(subject.protocol, design, bench)


def same(subject: Subject) -> None:
    design, specs = made(subject, MadeUpBench())
    for _again in range(2):
        again = list(subject.protocol.stimuli(design, MadeUpBench()))
        require(again == specs, "prepared again, the same design gives other stimuli")
    contents = [{"condition": s.condition, "shown": dict(s.shown), "truth": dict(s.truth)} for s in specs]
    try:
        text = json.dumps(contents, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise StudyError(f"shown and truth must be JSON values: {error}") from None
    require(json.loads(text) == contents, "shown or truth is not the same after it was written as JSON")
    twice = [n for n, times in Counter(digest(content) for content in contents).items() if times > 1]
    require(not twice, f"{len(twice)} stimuli are there twice, with the same condition, shown and truth")


def truth(subject: Subject) -> None:
    _design, specs = made(subject, MadeUpBench())
    protocol, main = subject.protocol, [spec for spec in specs if spec.role == Role.MAIN]
    for spec in main:
        for name in ("image", "label"):
            said = spec.truth.get(name)
            require(isinstance(said, str) and said, f"truth[{name!r}] must be a text that is not empty, not {said!r}")
        for name in protocol.summary_reads:
            require(name in spec.truth, f"summary_reads names {name}, which is not in the truth of a stimulus")
        for name in protocol.summary_shows:
            require(name in spec.shown, f"summary_shows names {name}, which is not in what a stimulus shows")
    nowhere = [name for name in protocol.truth_columns if not any(name in spec.truth for spec in specs)]
    require(not nowhere, f"truth_columns names {', '.join(nowhere)}, which is in the truth of no stimulus")


def pictures(subject: Subject) -> None:
    _design, specs = made(subject, MadeUpBench())
    for spec in specs:
        named, shown = subject.protocol.pictures(spec.shown), set(_files(dict(spec.shown)))
        require(named, "pictures() names none: what a page shows must be loaded ahead")
        require(shown <= set(named), "pictures() leaves out a file that `shown` has")
        lost = [name for name in named if not default_storage.exists(name)]
        require(not lost, f"pictures() names {', '.join(lost)}, which is not a stored file")


def _files(value: Any) -> Iterator[str]:
    """The file of each picture, however deep it stands."""
    if isinstance(value, dict):
        if isinstance(value.get("file"), str):
            yield value["file"]
        for part in value.values():
            yield from _files(part)
    elif isinstance(value, list | tuple):
        for part in value:
            yield from _files(part)


def controls(subject: Subject) -> None:
    gold: Counter[str] = Counter()
    for seed in SEEDS:
        design, specs = made(subject, MadeUpBench(), **{**SESSION, "seed": seed})
        looks = {(spec.condition, tuple(sorted(spec.shown))) for spec in specs if spec.role == Role.MAIN}
        for spec in (spec for spec in specs if spec.role in CONTROLS):
            offered = [choice.value for choice in subject.protocol.choices(design, spec.shown)]
            expected = spec.truth["expected"]
            require(expected in offered, f"the {spec.role} trial expects {expected!r}, which its page does not offer")
            alike = (spec.condition, tuple(sorted(spec.shown))) in looks
            require(alike, f"the {spec.role} trial is of a condition, or shows something, that no other stimulus does")
            gold[expected] += spec.role == Role.GOLD
    known = [answer for answer, times in gold.items() if times]
    require(len(known) > 1, f"every gold trial expects {known[0]!r}, which participants find out")


def photographs(subject: Subject) -> None:
    # Where sessions are short, so many gold trials are prepared that some are of photographs that are asked about.
    _design, specs = made(subject, Twins(), gold=2, practice=2, trials_per_participant=2)
    families: dict[str, list[str]] = defaultdict(list)
    for spec in specs:
        families[spec.truth["image"].replace("/again/", "/")].append(spec.family)
    for image, found in families.items():
        apart = len(found) == 1 or ("" not in found and len(set(found)) == 1)
        require(apart, f"{image} is in {len(found)} stimuli that are not one family: give them the family image.sha256")


def sample_size(subject: Subject) -> None:
    bench = MadeUpBench()
    design, specs = made(subject, bench)
    classifier = classifiers_of(design)[0]
    names = bench.class_names(classifier)
    wrong, beyond = dict.fromkeys(names, 0), 0
    for prediction in bench.predictions(classifier, bench.images(classifier)):
        label = prediction.image.label
        wrong[names[label]] += prediction.top[0].label != label
        beyond += label not in {guess.label for guess in prediction.top}
    counts = estimates.known(classifier, seen=Classifier.objects.all())
    union = _union(bench, classifiers_of(design)) if subject.several else None
    size = subject.protocol.sample_size(design, ImageCounts(counts.images, wrong, beyond, union))
    require(size is not None, "sample_size gives nothing: the admin cannot tell what a design costs")
    main = [spec for spec in specs if spec.role == Role.MAIN]
    fits = size.stimuli == len(main) or (size.at_most and size.stimuli > len(main))
    require(fits, f"sample_size says {size.stimuli} stimuli, and {len(main)} are made")
    conditions = len({spec.condition for spec in main})
    require(size.conditions == conditions, f"sample_size says {size.conditions} conditions, and {conditions} are made")
    unchecked = subject.protocol.sample_size(design, ImageCounts(counts.images))
    enough = unchecked is not None and unchecked.stimuli >= len(main)
    require(enough, "of a classifier that was not evaluated, sample_size says fewer stimuli than are made")


def _union(bench: Any, classifiers: list[str]) -> Union:
    """What these classifiers get wrong together, by what the bench says of each image."""
    names = bench.class_names(classifiers[0])
    guesses = {
        (name, names[prediction.image.label], prediction.image.path, prediction.top[0].label)
        for name in classifiers
        for prediction in bench.predictions(name, bench.images(name))
        if prediction.top[0].label != prediction.image.label
    }
    separate = Counter(label for _, label, _, _ in guesses)
    together = Counter(label for label, _, _ in {guess[1:] for guess in guesses})
    return Union(Counter(label for label, _ in {guess[1:3] for guess in guesses}), separate, together)


def arms(subject: Subject) -> None:
    design, specs = made(subject, MadeUpBench())
    if (led := subject.protocol.arms(design)) is None:
        return
    conditions = {spec.condition for spec in specs if spec.role == Role.MAIN}
    require(set(led.conditions) == conditions, f"arms names {sorted(led.conditions)}, made are {sorted(conditions)}")
    require(1 <= led.visits <= len(led.conditions), f"arms has {led.visits} visits of {len(led.conditions)} conditions")
