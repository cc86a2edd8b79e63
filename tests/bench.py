"""A bench without PyTorch: it gives every protocol results of the right kind, made up from the rows of an image set."""

import hashlib
from typing import Any

import numpy as np

from studies import lifecycle, storage
from studies.models import Classifier, ImageClass, Study
from studies.protocols import get
from studies.workbench import preparation
from studies.workbench.values import Attack, Explanation, Gloss, Guess, ImageRef, Picture, Pool, Prediction, Selection
from tests.factories import make_classifier, make_image_set, make_picture

CLASSES = ("accordion", "bassoon", "celesta", "dulcimer", "euphonium", "flugelhorn", "grand_piano", "harmonica")


class MadeUpBench:
    """Of the images every third is wrong, every second of those outside the best five, and every third sure and right;
    of the attacks every fourth fails.
    """

    def __init__(self) -> None:
        self.notes: dict[str, Any] = {}

    def note(self, **facts: Any) -> None:
        self.notes |= facts

    def classifier(self, name: str) -> Classifier:
        return Classifier.objects.get(name=name)

    def class_names(self, classifier: str) -> list[str]:
        return list(self.classifier(classifier).image_set.classes.values_list("name", flat=True))

    def class_titles(self, classifier: str) -> list[str]:
        return list(self.classifier(classifier).image_set.classes.values_list("title", flat=True))

    def glosses(self, classifier: str) -> dict[int, Gloss]:
        rows = self.classifier(classifier).image_set.classes.exclude(gloss="", example=None)
        return {row.index: Gloss(row.title, row.gloss, self._example(row)) for row in rows.select_related("example")}

    def _example(self, row: ImageClass) -> Picture | None:
        one = row.example
        return self._picture(ImageRef(one.sha256, one.path, one.label), "plain") if one else None

    def images(self, classifier: str, *, classes=()) -> list[ImageRef]:
        names = self.class_names(classifier)
        rows = self.classifier(classifier).image_set.images.order_by("label", "path")
        refs = [ImageRef(*row) for row in rows.values_list("sha256", "path", "label")]
        return [ref for ref in refs if not classes or names[ref.label] in classes]

    def predictions(self, classifier, images):
        n_classes = len(self.class_names(classifier))
        for image in images:
            number = _number(image)
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
            fools = _number(image) % 4 != 0
            label = (image.label + 2) % n_classes if fools else image.label
            picture = self._picture(image, "attacked")
            yield Attack(image, label, label, 1 if fools else -1, fools, fools, picture, "artifacts/none.npy")

    def differences(self, pairs, *, times=20):
        for before, after in pairs:
            yield self._picture(before.image, f"{after.file} × {times}")

    def explanations(self, classifier, questions, method, *, n_shown=8, fill="grey", seed=0):
        for picture, label in questions:
            shown = self._picture(picture.image, "explained")
            yield Explanation(picture.image, label, shown, 0.5, 6, None, (0.1,) * 6, "artifacts/none.npy")

    def pool(self, name, images):
        return Pool(name, tuple(images))

    def selections(self, classifier, pools, method, *, n_prototypes, n_criticisms, seed=0, attack=None):
        pools = list(pools)
        seeds = [seed] * len(pools) if isinstance(seed, int) else seed
        for pool, one in zip(pools, seeds, strict=True):
            order = np.random.default_rng(one).permutation(len(pool.images))[: n_prototypes + n_criticisms]
            chosen = [pool.images[i] for i in order]
            sizes = len(pool.images), len(pool.images)
            yield Selection(pool, tuple(chosen[:n_prototypes]), tuple(chosen[n_prototypes:]), *sizes, {})

    def selection(self, classifier, pool, method, **options):
        return next(iter(self.selections(classifier, [pool], method, **options)))

    def _picture(self, image: ImageRef, how: str) -> Picture:
        seed = int(hashlib.sha256(f"{image.sha256} {how}".encode()).hexdigest()[:8], 16)
        return Picture(image, storage.store("artifacts", make_picture(seed), ".png"), 32, 32)


def _number(image: ImageRef) -> int:
    return int(image.path.split("/")[-1].removesuffix(".png"))


def made_up_study(
    protocol: str, design: dict[str, Any] | None = None, *, n_images: int = 24, glossed: bool = False
) -> Study:
    """A study of any protocol, ready to open; with something said of every class where it is to be glossed."""
    classifier = make_classifier(make_image_set(classes=CLASSES, n_images=n_images))
    for row in classifier.image_set.classes.all() if glossed else ():
        row.gloss, row.example = f"what {row.name} means", classifier.image_set.images.filter(label=row.index).first()
        row.save(update_fields=["gloss", "example"])
    complete = {"classifier": classifier.name, **(design or {})}
    study = lifecycle.create_study(slug=f"made-up-{classifier.pk}", protocol=protocol, design=complete)
    bench = MadeUpBench()
    specs = list(get(protocol).stimuli(study.design, bench))
    Study.objects.filter(pk=study.pk).update(state=Study.State.PREPARING)
    preparation._write(study, specs, bench.notes, get(protocol).version)
    study.refresh_from_db()
    return study
