"""A bench without PyTorch: it gives every protocol results of the right kind, made up from the rows of an image set."""

import hashlib
from dataclasses import replace
from typing import Any

import numpy as np

from studies import lifecycle
from studies.lib import storage
from studies.models import Classifier, ImageClass, Study
from studies.preparation import stimuli
from studies.preparation.class_outputs import class_outputs
from studies.preparation.values import (
    AdversarialImage,
    AnnotatedImage,
    CandidatePool,
    ExplainedImage,
    Gloss,
    Guess,
    ImageRef,
    ImageSelection,
    Picture,
    Prediction,
    Visualisation,
)
from studies.protocols import get

from .made_up_images import OTHERWISE, about, make_classifier, make_image_set, make_picture, without_doubts

CLASSES = ("accordion", "bassoon", "celesta", "dulcimer", "euphonium", "flugelhorn", "grand_piano", "harmonica")


class MadeUpBench:
    """Of the images every third is wrong, every second of those outside the best five, and every third sure and right;
    of the attacks every fourth fails, and of the others every second has an exact tensor and a displayed picture that
    disagree, in each of the three ways there are.
    """

    def __init__(self) -> None:
        self.report: dict[str, Any] = {}

    def add_to_report(self, **facts: Any) -> None:
        self.report |= facts

    def _classifier(self, name: str) -> Classifier:
        return Classifier.objects.get(name=name)

    def classifier_digests(self) -> dict[str, str]:
        return dict(Classifier.objects.values_list("name", "digest"))

    def class_names(self, classifier: str) -> list[str]:
        return list(class_outputs(self._classifier(classifier)).names)

    def class_titles(self, classifier: str) -> list[str]:
        return list(class_outputs(self._classifier(classifier)).titles)

    def class_labels(self, classifier: str) -> list[int]:
        return list(class_outputs(self._classifier(classifier)).of_classes)

    def glosses(self, classifier: str) -> dict[int, Gloss]:
        rows = self._classifier(classifier).image_set.classes.exclude(gloss="", example=None)
        labels = self.class_labels(classifier)
        return {
            labels[row.index]: Gloss(row.title, row.gloss, self._example(row, labels[row.index]))
            for row in rows.select_related("example")
        }

    def _example(self, row: ImageClass, label: int) -> Picture | None:
        one = row.example
        return self._picture(ImageRef(one.sha256, one.path, label), "plain") if one else None

    def images(self, classifier: str, *, classes=()) -> list[ImageRef]:
        names, labels = self.class_names(classifier), self.class_labels(classifier)
        rows = self._classifier(classifier).image_set.images.order_by("label", "path")
        refs = [ImageRef(sha256, path, labels[i]) for sha256, path, i in rows.values_list("sha256", "path", "label")]
        return [ref for ref in refs if not classes or names[ref.label] in classes]

    def predictions(self, classifier, images):
        n_classes = len(self.class_names(classifier))
        for image in images:
            # One that is called so is wrong about the same images and others, in part with the same guess.
            number = _number(image)
            if classifier.endswith(OTHERWISE):
                number += number % 5 == 0
            labels = [(image.label + step) % n_classes for step in range(n_classes)]
            if number % 3 == 0:
                labels = labels[1:] + labels[:1] if number % 2 else [labels[1], labels[0], *labels[2:]]
            sure = 0.95 if number % 3 == 1 else 0.5
            top = tuple(Guess(label, (1 - sure) / 2**i if i else sure) for i, label in enumerate(labels[:5]))
            true = next((guess.probability for guess in top if guess.label == image.label), 0.001)
            yield Prediction(image, top, true, "artifacts/none.npy")

    def pictures(self, classifier, images):
        return [self._picture(image, "plain") for image in images]

    def attacks(self, classifier, images, method):
        n_classes = len(self.class_names(classifier))
        for image in images:
            displayed, exact = ((image.label + step) % n_classes for step in _attacked(_number(image)))
            fools, fools_exactly = displayed != image.label, exact != image.label
            picture, flip_step = self._picture(image, "attacked"), 1 if fools_exactly else -1
            yield AdversarialImage(
                image, displayed, exact, flip_step, fools, fools_exactly, picture, "artifacts/none.npy"
            )

    def annotated(self, classifier):
        """Every second image has objects of its class and of the one after the next."""
        for image in self.images(classifier):
            if _number(image) % 2 == 0:
                n_classes = len(self.class_labels(classifier))
                labels = {image.label, (image.label + 2) % n_classes} if n_classes > 2 else {image.label}
                yield AnnotatedImage(image, tuple(sorted(labels)), tuple(sorted(labels)))

    def visualisations(self, classifier, questions, method, *, drawing="auto", n_shown=8, seed=0):
        for picture, label in questions:
            how = f"{classifier} {method} {drawing} {n_shown} {label} {seed}"
            yield Visualisation(picture.image, label, self._picture(picture.image, how), None)

    def differences(self, pairs, *, times=20):
        for before, after in pairs:
            yield self._picture(before.image, f"{after.file} × {times}")

    def explanations(self, classifier, questions, method, *, n_shown=8, fill="grey", seed=0, share=0.15):
        for picture, label in questions:
            shown = self._picture(picture.image, "explained")
            # What cuts an image into superpixels is told how; every other explainer draws a heat map.
            if "segmentation" in method["parameters"]:
                yield ExplainedImage(picture.image, label, shown, 0.5, 6, None, (0.1,) * 6, "artifacts/none.npy")
            else:
                values = "artifacts/none.npy"
                yield ExplainedImage(picture.image, label, shown, None, 100, None, (), "", values, share)

    def shown_pixels(self, explained):
        return list(range(round(32 * 32 * (explained.share or 0))))

    def pool(self, name, images):
        return CandidatePool(name, tuple(images))

    def selections(self, classifier, pools, method, *, n_prototypes, n_criticisms, seed=0, attack=None):
        pools = list(pools)
        seeds = [seed] * len(pools) if isinstance(seed, int) else seed
        for pool, one in zip(pools, seeds, strict=True):
            order = np.random.default_rng(one).permutation(len(pool.images))[: n_prototypes + n_criticisms]
            chosen = [pool.images[i] for i in order]
            sizes = len(pool.images), len(pool.images)
            yield ImageSelection(pool, tuple(chosen[:n_prototypes]), tuple(chosen[n_prototypes:]), *sizes, {})

    def selection(self, classifier, pool, method, **options):
        return next(iter(self.selections(classifier, [pool], method, **options)))

    def _picture(self, image: ImageRef, how: str) -> Picture:
        seed = int(hashlib.sha256(f"{image.sha256} {how}".encode()).hexdigest()[:8], 16)
        return Picture(image, storage.store("artifacts", make_picture(seed), ".png"), 32, 32)


class Twins(MadeUpBench):
    """The same, but each photograph is there under two paths, as in a set that was put together by hand."""

    def images(self, classifier: str, *, classes=()) -> list[ImageRef]:
        refs = super().images(classifier, classes=classes)
        again = [replace(ref, path=ref.path.replace("/", "/again/")) for ref in refs]
        return sorted([*refs, *again], key=lambda ref: (ref.label, ref.path))


def _number(image: ImageRef) -> int:
    return int(image.path.split("/")[-1].removesuffix(".png"))


def _attacked(number: int) -> tuple[int, int]:
    """How far an attack leads from the true class: as the picture is displayed, and the exact tensor."""
    if number % 4 == 0:
        return 0, 0
    # Lost in its display; there only; taken for another class there; the same in both.
    return [(0, 2), (2, 0), (2, 3), (2, 2), (2, 2), (2, 2)][number // 4 % 6]


def made_up_study(
    protocol: str,
    design: dict[str, Any] | None = None,
    *,
    n_images: int = 24,
    glossed: bool = False,
    several: bool = False,
) -> Study:
    """A study of any protocol, ready to open; with something said of every class where it is to be glossed.

    several: of two classifiers, where the protocol takes one or several.
    """
    classifier = without_doubts(make_classifier(make_image_set(classes=CLASSES, n_images=n_images)))
    for row in classifier.image_set.classes.all() if glossed else ():
        row.gloss, row.example = f"what {row.name} means", classifier.image_set.images.filter(label=row.index).first()
        row.save(update_fields=["gloss", "example"])
    complete = {**about(get(protocol), classifier.name, several=several), **(design or {})}
    kind = get(protocol)
    # Which pictures have a right answer is named by researchers, where no classifier knows it.
    named, asked = kind.contract_design, any(complete.get(role) for role in ("example", "practice", "gold"))
    if asked and "checks" in named:
        complete = {**named, **complete}
    study = lifecycle.create_study(slug=f"made-up-{classifier.pk}", protocol=protocol, design=complete)
    return prepare_made_up(study)


def prepare_made_up(study: Study) -> Study:
    """Give a draft its stimuli from a bench that makes results up."""
    bench = MadeUpBench()
    specs = stimuli.specifications(get(study.protocol), study.design, bench)
    Study.objects.filter(pk=study.pk).update(state=Study.State.PREPARING)
    stimuli.write(study, specs, bench.report, get(study.protocol).version)
    study.refresh_from_db()
    return study
