"""The bench: a protocol asks it for results, and it remembers every one."""

from array import array
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

from explainers import base, boxes, computations
from explainers.computations import arrays
from explainers.computations.selection import needs
from studies.lib import storage
from studies.lib.canonical_json import digest
from studies.lib.database import retry_while_database_is_down
from studies.lib.errors import StudyError
from studies.models import Artifact, Classifier, Image, Study
from studies.protocols import DesignError

from .class_outputs import ClassOutputs, class_outputs
from .executors import Executor, Foreground, Progress
from .values import (
    AdversarialImage,
    AnnotatedImage,
    CandidatePool,
    ExplainedImage,
    Gloss,
    Guess,
    ImageRef,
    Images,
    ImageSelection,
    Picture,
    Prediction,
    Visualisation,
)

WINDOW = 500

State = Artifact.State


class PreparationFailed(StudyError):
    """Some results cannot be had; `failures` says which image and why, one line each."""

    def __init__(self, failures: list[str], count: int):
        self.failures = failures
        more = f" (and {count - len(failures):,} more)" if count > len(failures) else ""
        super().__init__("; ".join(failures) + more)


class Bench:
    """Results by recipe: what is known is looked up, what is missing is computed and kept.

    Everything before the point where a protocol was interrupted is remembered, so running it again is free.  Methods
    are given as `{"method": name, "parameters": {…}}`; parameters left out have their defaults, and a version is
    compared with the one that is computed here.
    """

    def __init__(self, study: Study | None = None, executor: Executor | None = None, progress: Progress | None = None):
        self._study = study
        self._executor = executor or Foreground(study)
        self._progress = progress or (lambda what, done, planned: None)
        self.report: dict[str, Any] = {}
        self._classifiers: dict[str, Classifier] = {}
        self._outputs: dict[str, ClassOutputs] = {}

    def add_to_report(self, **facts: Any) -> None:
        """Keep facts about the preparation, for its report and for the analysis."""
        self.report |= facts

    # --- the catalogue ------------------------------------------------------------------------------------------------

    def class_names(self, classifier: str) -> list[str]:
        """What the outputs are called, by label: a class as in the imported folder, another output by its own name."""
        return list(self._class_outputs(classifier).names)

    def class_titles(self, classifier: str) -> list[str]:
        """What participants read for each output, by label."""
        return list(self._class_outputs(classifier).titles)

    def class_labels(self, classifier: str) -> list[int]:
        """The labels of the image set's classes, in their order; a classifier may have more outputs than these."""
        return list(self._class_outputs(classifier).of_classes)

    def glosses(self, classifier: str) -> dict[int, Gloss]:
        """What else participants are told of a class, by label; only of those that have a gloss or an example."""
        rows = self._classifier(classifier).image_set.classes.exclude(gloss="", example=None)
        known = {row.index: row for row in rows.select_related("example")}
        labels = self._class_outputs(classifier).of_classes
        refs = {
            row.example_id: ImageRef(row.example.sha256, row.example.path, labels[row.index])
            for row in known.values()
            if row.example
        }
        pictures = dict(zip(refs, self.pictures(classifier, list(refs.values())), strict=True)) if refs else {}
        return {
            labels[index]: Gloss(row.title, row.gloss, pictures.get(row.example_id)) for index, row in known.items()
        }

    def images(self, classifier: str, *, classes: Sequence[str] = ()) -> Images:
        """The photographs a classifier is judged on: of its image set, all classes or those named."""
        row, indices = self._classifier(classifier), None
        if classes:
            known = dict(row.image_set.classes.values_list("name", "index"))
            if unknown := [name for name in classes if name not in known]:
                raise DesignError([f"classes: the image set {row.image_set.name} has no class {unknown[0]}"])
            indices = [known[name] for name in classes]
        return Images(row.image_set_id, indices, self._class_outputs(classifier).of_classes)

    def annotated(self, classifier: str) -> Iterator[AnnotatedImage]:
        """The photographs with annotated objects, in order, each with the labels of its objects' classes."""
        row, outputs = self._classifier(classifier), self._class_outputs(classifier).of_classes
        rows = Image.objects.filter(image_set=row.image_set_id, annotated_objects__isnull=False).distinct()
        crop = {side: row.preprocessing[side] for side in ("resize", "crop")}
        for window in _windows(rows.order_by("label", "path").prefetch_related("annotated_objects").iterator(WINDOW)):
            for image in window:
                objects, size = image.annotated_objects.all(), (image.width, image.height)
                labels = {outputs[one.label] for one in objects}
                seen = {outputs[one.label] for one in objects if boxes.in_image(one.box, size, **crop)}
                ref = ImageRef(image.sha256, image.path, outputs[image.label])
                yield AnnotatedImage(ref, tuple(sorted(labels)), tuple(sorted(seen)))

    def pool(self, name: str, images: Iterable[ImageRef]) -> CandidatePool:
        """Images to choose from, in this order; `name` is what messages call them, such as the class."""
        return CandidatePool(name, tuple(images))

    def classifier_digests(self) -> dict[str, str]:
        """The digests of all classifiers this bench was asked about."""
        return {name: row.digest for name, row in self._classifiers.items()}

    # --- results ------------------------------------------------------------------------------------------------------
    # What is iterated here is iterated twice: first to find what is missing, then to give the results.

    def predictions(self, classifier: str, images: Iterable[ImageRef]) -> Iterator[Prediction]:
        """What the classifier says of each image."""
        row, kind = self._classifier(classifier), computations.get("prediction")
        recipes = _Recipes(images, lambda image: kind.recipe(image.sha256, image.label, row.digest))
        for image, value, files in self._results("prediction", recipes):
            top = tuple(Guess(label, probability) for label, probability in value["top"])
            yield Prediction(image, top, value["true_probability"], files.get("hidden", ""))

    def pictures(self, classifier: str, images: Iterable[ImageRef]) -> Iterator[Picture]:
        """Each image as the classifier is asked about it and as people see it."""
        row, kind = self._classifier(classifier), computations.get("picture")
        recipes = _Recipes(images, lambda image: kind.recipe(image.sha256, row.preprocessing))
        for image, value, files in self._results("picture", recipes):
            yield Picture(image, files["picture"], value["width"], value["height"])

    def attacks(
        self, classifier: str, images: Iterable[ImageRef], method: Mapping[str, Any]
    ) -> Iterator[AdversarialImage]:
        """Each image after an attack that leads away from its true label, flipped or not."""
        row, kind, complete = self._classifier(classifier), computations.get("attack"), _complete("attack", method)
        if why := row.lacks("gradients"):
            raise DesignError([f"classifier: {classifier}: {why}"])
        recipes = _Recipes(images, lambda image: kind.recipe(image.sha256, image.label, row.digest, complete))
        for image, value, files in self._results("attack", recipes):
            yield AdversarialImage(
                image=image,
                label=value["label"],
                exact_label=value["exact_label"],
                flip_step=value["flip_step"],
                fools_as_displayed=value["fools_as_displayed"],
                fools_exactly=value["fools_exactly"],
                picture=Picture(image, files["picture"], value["width"], value["height"]),
                exact_file=files["exact"],
            )

    def explanations(
        self,
        classifier: str,
        questions: Iterable[tuple[Picture, int]],
        method: Mapping[str, Any],
        *,
        n_shown: int = 8,
        fill: str = "grey",
        seed: int = 0,
        share: float = 0.15,
    ) -> Iterator[ExplainedImage]:
        """Why the classifier gives each picture (from `pictures` or `attacks`) the label beside it.

        n_shown: how many of the superpixels that speak most for the label its picture shows.  share: which part of the
        pixels, where the explainer gives a heat map.  fill: what hides the rest, "grey" or "mean".
        """
        row, kind, complete = (
            self._classifier(classifier),
            computations.get("explanation"),
            _complete("explainer", method),
        )
        how = {"n_shown": n_shown} if kind.gives_superpixels(complete) else {"share": share}

        def recipe(question: tuple[Picture, int]) -> dict[str, Any]:
            shown = {**how, "fill": fill, "seed": seed}
            return kind.recipe(question[0].file, question[1], row.digest, complete, **shown)

        recipes = _Recipes(questions, recipe, name=lambda question: question[0].image.path)
        for (picture, label), value, files in self._results("explanation", recipes):
            yield ExplainedImage(
                image=picture.image,
                label=label,
                picture=Picture(picture.image, files["picture"], value["width"], value["height"]),
                r2=value.get("r2"),
                n_positive=value["n_positive"],
                reason=value["reason"],
                coefficients=tuple(value.get("coefficients", ())),
                segments_file=files.get("segments", ""),
                values_file=files.get("values", ""),
                share=how.get("share"),
            )

    def visualisations(
        self,
        classifier: str,
        questions: Iterable[tuple[Picture, int]],
        method: Mapping[str, Any],
        *,
        drawing: str = "auto",
        n_shown: int = 8,
        seed: int = 0,
    ) -> Iterator[Visualisation]:
        """A picture of why the classifier gives each picture (from `pictures`) the label beside it, by any explainer.

        drawing: of a heat map, "auto": the colours of the gradient where the method has them, else over the picture in
        grey; "overlay": over the picture in grey; "map": on mid-grey.  Of superpixels the n_shown that speak most for
        the label are shown.
        """
        row, kind = self._classifier(classifier), computations.get("visualisation")
        complete, drawn = _complete("explainer", method), {"drawing": drawing, "n_shown": n_shown}

        def recipe(question: tuple[Picture, int]) -> dict[str, Any]:
            return kind.recipe(question[0].file, question[1], row.digest, complete, drawn, seed)

        recipes = _Recipes(questions, recipe, name=lambda question: question[0].image.path)
        for (picture, label), value, files in self._results("visualisation", recipes):
            shown = Picture(picture.image, files["picture"], value["width"], value["height"])
            yield Visualisation(picture.image, label, shown, value["reason"])

    def shown_pixels(self, explained: ExplainedImage) -> list[int]:
        """Which pixels the picture of a heat map shows, in reading order; needs its `values_file`."""
        from explainers.heat_map_rendering import top_mask

        values = arrays.read(storage.read(explained.values_file))
        return top_mask(values, explained.share or 0).ravel().nonzero()[0].tolist()

    def differences(self, pairs: Iterable[tuple[Picture, Picture]], *, times: int = 20) -> Iterator[Picture]:
        """What the second picture of each pair has more or less than the first, magnified, on grey."""
        kind = computations.get("difference")
        recipes = _Recipes(
            pairs, lambda pair: kind.recipe(pair[0].file, pair[1].file, times), name=lambda pair: pair[0].image.path
        )
        for (before, _), value, files in self._results("difference", recipes):
            yield Picture(before.image, files["picture"], value["width"], value["height"])

    def selections(
        self,
        classifier: str,
        pools: Iterable[CandidatePool],
        method: Mapping[str, Any],
        *,
        n_prototypes: int,
        n_criticisms: int,
        seed: int | Sequence[int] = 0,
        attack: Mapping[str, Any] | None = None,
    ) -> Iterator[ImageSelection]:
        """From each pool the images that represent its class, and those that it represents badly.

        seed: one for all pools, or one a pool.  attack: the method whose flip steps a selector by resistance goes by.
        What the selector reads of the pools' images, predictions or attacks, is computed first.
        """
        row, kind, complete = self._classifier(classifier), computations.get("selection"), _complete("selector", method)
        attacked = None
        if "features" in base.get("selector", complete["method"]).needs and (why := row.lacks("hidden")):
            raise DesignError([f"classifier: {classifier}: {why}"])
        pools = list(pools)
        seeds = [seed] * len(pools) if isinstance(seed, int) else seed
        everything = list(dict.fromkeys(image for pool in pools for image in pool.images))
        for needed in sorted(needs(complete)):
            if needed == "attack":
                if attack is None:
                    raise DesignError([f"selector: {complete['method']} goes by an attack, and none is given"])
                attacked = _complete("attack", attack)
                self._exhaust(self.attacks(classifier, everything, attacked))
            else:
                self._exhaust(self.predictions(classifier, everything))

        def recipe(seeded: tuple[CandidatePool, int]) -> dict[str, Any]:
            pool, seed = seeded
            content = kind.pool_content([(image.sha256, image.label) for image in pool.images])
            file = storage.store("pools", content, ".json")
            counts = {"n_prototypes": n_prototypes, "n_criticisms": n_criticisms, "seed": seed}
            return kind.recipe(file, pool.name, row.digest, complete, attacked, **counts)

        recipes = _Recipes(list(zip(pools, seeds, strict=True)), recipe, name=lambda seeded: "")
        for (pool, _), value, _ in self._results("selection", recipes):
            yield ImageSelection(
                pool=pool,
                prototypes=tuple(pool.images[i] for i in value["prototypes"]),
                criticisms=tuple(pool.images[i] for i in value["criticisms"]),
                prototype_pool=value["prototype_pool"],
                criticism_pool=value["criticism_pool"],
                facts=value["facts"],
            )

    def selection(
        self, classifier: str, pool: CandidatePool, method: Mapping[str, Any], **options: Any
    ) -> ImageSelection:
        """`selections` from one pool; ask for several at once where there are several, to have them side by side."""
        return next(iter(self.selections(classifier, [pool], method, **options)))

    # --- how it is done -----------------------------------------------------------------------------------------------

    def _classifier(self, name: str) -> Classifier:
        if name not in self._classifiers:
            row = Classifier.objects.select_related("image_set").filter(name=name).first()
            if row is None:
                raise DesignError([f"classifier: there is no classifier called {name}"])
            self._classifiers[name] = row
        return self._classifiers[name]

    def _class_outputs(self, name: str) -> ClassOutputs:
        if name not in self._outputs:
            self._outputs[name] = class_outputs(self._classifier(name))
        return self._outputs[name]

    def _exhaust(self, results: Iterator[Any]) -> None:
        for _ in results:
            pass

    def _results(self, kind: str, recipes: "_Recipes") -> Iterator[tuple[Any, dict[str, Any], dict[str, str]]]:
        """What each recipe was made for, and its result's value and files."""
        self._ensure(kind, recipes)
        for window in _windows(recipes):
            digests = [digest(recipe) for _, recipe in window]
            rows = Artifact.objects.filter(digest__in=digests).values_list("digest", "value", "files")
            known = {row[0]: row[1:] for row in retry_while_database_is_down(lambda rows=rows: list(rows))}
            for (thing, _), key in zip(window, digests, strict=True):
                yield thing, *known[key]

    def _ensure(self, kind: str, recipes: "_Recipes") -> None:
        """See to it that all of these are there; PreparationFailed, naming the images, for those that cannot be had."""
        missing, failed = array("q"), False
        # Everything is planned before anything begins, so that the study is not taken for complete half-way.
        for window in _windows(recipes):
            ids, some_failed = retry_while_database_is_down(lambda window=window: self._plan(kind, window))
            missing.extend(ids)
            failed |= some_failed
        self._progress(kind, 0, len(missing))
        if missing:
            self._executor.compute(kind, missing, lambda n: self._progress(kind, n, 0))
        if missing or failed:
            self._refuse_failures(recipes)

    def _plan(self, kind: str, window: Sequence[tuple[Any, dict[str, Any]]]) -> tuple[list[int], bool]:
        """Make rows for what was never asked for; the ids of all that is still to be done, and whether any failed.

        What failed is tried anew when a study asks for it for the first time.
        """
        recipes = {digest(recipe): recipe for _, recipe in window}
        rows = Artifact.objects.filter(digest__in=recipes)
        known = set(rows.values_list("digest", flat=True))
        new = [Artifact(digest=d, kind=kind, recipe=recipe) for d, recipe in recipes.items() if d not in known]
        Artifact.objects.bulk_create(new, ignore_conflicts=True)
        if self._study:
            self._ask_for(rows)
        else:
            _try_anew(rows)
        states = list(rows.exclude(state=State.DONE).order_by("pk").values_list("pk", "state"))
        return [pk for pk, state in states if state != State.FAILED], any(s == State.FAILED for _, s in states)

    def _ask_for(self, rows: Any) -> None:
        """Write down that the study asks for these."""
        link = Study.artifacts.through
        asked = link.objects.filter(study=self._study)
        ids = list(rows.exclude(pk__in=asked.values("artifact")).values_list("pk", flat=True))
        if ids:
            _try_anew(Artifact.objects.filter(pk__in=ids))
            links = [link(study_id=self._study.pk, artifact_id=pk) for pk in ids]
            link.objects.bulk_create(links, ignore_conflicts=True)

    def _refuse_failures(self, recipes: "_Recipes") -> None:
        failures: dict[str, None] = {}
        for window in _windows(recipes):
            keys = {digest(recipe): recipes.name(thing) for thing, recipe in window}
            failed = Artifact.objects.filter(digest__in=keys, state=State.FAILED).order_by("pk")
            for key, error in failed.values_list("digest", "problem"):
                # Pools of one class fail alike: once is enough.
                failures[f"{keys[key]}: {error}" if keys[key] else error] = None
        if failures:
            raise PreparationFailed(list(failures)[:5], len(failures))


def _try_anew(rows: Any) -> None:
    rows.filter(state=State.FAILED).update(state=State.PENDING, attempts=0, problem="")


def _complete(kind: str, method: Mapping[str, Any]) -> dict[str, Any]:
    """The full recipe of a method; DesignError in one line where there is no such method, parameter or version."""
    try:
        if "version" in method:
            return base.from_recipe(kind, dict(method)).recipe()
        return base.get(kind, method["method"]).from_parameters(dict(method.get("parameters", {}))).recipe()
    except base.MethodError as error:
        raise DesignError([f"{kind}: {error}"]) from None


class _Recipes:
    """Things paired with their recipes, made anew at each iteration so that none of them has to be kept."""

    def __init__(
        self,
        things: Iterable[Any],
        recipe: Callable[[Any], dict[str, Any]],
        *,
        name: Callable[[Any], str] = lambda image: image.path,
    ):
        # What can be iterated only once has to be kept after all.
        self._things = list(things) if iter(things) is things else things
        self._recipe, self.name = recipe, name

    def __iter__(self) -> Iterator[tuple[Any, dict[str, Any]]]:
        return ((thing, self._recipe(thing)) for thing in self._things)


def _windows(things: Iterable[Any]) -> Iterator[list[Any]]:
    rest = iter(things)
    while window := list(islice(rest, WINDOW)):
        yield window
