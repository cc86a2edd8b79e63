"""Bias by criticism (Stock & Cissé 2018, section 3.4).

People say of prototypes, criticisms and a random sample of one class whether each shows a named attribute, and are not
told which is which.  An attribute that criticisms show oftener or more seldom than the class does is one that the
classifier's idea of the class leaves out.
"""

from collections.abc import Collection, Iterator, Mapping
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from django import forms

from . import checking, comparing
from .accepting import YES_OR_NO, simulated
from .base import Choice, DesignForm, Protocol, StimulusSpec
from .expected import Expected, Known
from .explained import PAPER, AsInPaper, Setting
from .registered import Registered, contrast
from .results import Summary, percent
from .selecting import TITLES, WAYS, SelectionForm, rule

if TYPE_CHECKING:
    import pandas as pd

PROTOTYPES, CRITICISMS, SAMPLE = CONDITIONS = ("prototypes", "criticisms", "sample")
CONTRASTS = ((CRITICISMS, PROTOTYPES), (PROTOTYPES, SAMPLE), (CRITICISMS, SAMPLE))
WORDS = {PROTOTYPES: "Prototypes", CRITICISMS: "Criticisms", SAMPLE: "Random images"}


class AttributeAnnotationForm(SelectionForm, DesignForm):
    about: ClassVar[Mapping[str, Setting]] = {
        "class_name": Setting("pictures", "A class needs twice as many images as are chosen.", "a class"),
        "attribute": Setting("asked", "The words of the question. Say what can be seen, without a judgement in it."),
        "selection": Setting(
            "choosing", "What makes an image typical of its class, or unusual.", "", PAPER + ": MMD-critic."
        ),
        "images": Setting(
            "choosing",
            "Stimuli, answers and people grow in proportion, three times: prototypes, criticisms, random images.",
            "images of each kind",
        ),
    }
    class_name = forms.CharField(
        initial="",
        required=False,
        max_length=200,
        help_text="The class whose images are shown; empty for the classifier's first.",
    )
    attribute = forms.CharField(
        initial="a person",
        required=False,
        max_length=200,
        help_text="What people look for, as they read it: “Does this image show …?”, such as a person.",
    )
    selection = forms.ChoiceField(
        choices=[(way, TITLES[way]) for way in WAYS],
        initial="mmd",
        required=False,
        help_text="How prototypes and criticisms are chosen.",
    )
    images = forms.IntegerField(
        initial=30, required=False, min_value=1, max_value=10_000, help_text="So many of each of the three kinds."
    )
    field_order = ["classifier", "class_name", "attribute", "selection", "images"]

    def clean(self) -> dict[str, Any]:
        design = super().clean()
        known = self.catalogue.classifiers.get(design.get("classifier", ""), ())
        if known and "class_name" not in self.errors:
            design["class_name"] = design["class_name"] or known[0]
            if design["class_name"] not in known:
                self.add_error("class_name", f"This classifier has no class {design['class_name']}.")
        return design


class AttributeAnnotation(Protocol):
    key, title, version = "attribute_annotation", "An attribute in prototypes and criticisms", 1
    description = "People say whether prototypes, criticisms and a random sample of one class show an attribute."
    form_class = AttributeAnnotationForm
    summary_reads = ("image",)
    papers = (
        AsInPaper(
            "attribute",
            "Bias by criticism (section 3.4)",
            {"selection": "mmd"},
            {"selection": "prototypes and criticisms by MMD-critic"},
            {
                "class_name": "a class that you wonder about",
                "attribute": "what you wonder about, such as a person",
                "images": "of a class of fifty validation images at most 25 of each kind",
            },
        ),
    )

    def expected(self, design: Mapping[str, Any], known: Known) -> Expected:
        n = design["images"]
        return Expected(3 * n, f"{n:,} prototypes, criticisms and random images each", conditions=3)

    def stimuli(self, design: Mapping[str, Any], bench: Any) -> Iterator[StimulusSpec]:
        classifier, name, n = design["classifier"], design["class_name"], design["images"]
        pool = bench.pool(name, bench.images(classifier, classes=[name]))
        options = {"seed": design["seed"]}
        chosen = bench.selection(
            classifier, pool, **rule(design["selection"], design), n_prototypes=n, n_criticisms=n, **options
        )
        at_random = bench.selection(
            classifier, pool, **rule("random", design), n_prototypes=n, n_criticisms=0, **options
        )
        bench.note(images=len(pool.images), prototype_pool=chosen.prototype_pool, criticism_pool=chosen.criticism_pool)
        groups = (chosen.prototypes, chosen.criticisms, at_random.prototypes)
        for condition, images in zip(CONDITIONS, groups, strict=True):
            for picture in bench.pictures(classifier, images):
                yield StimulusSpec(
                    condition=condition,
                    # An image that is in the sample too is shown to other people there.
                    family=picture.image.sha256,
                    shown={"picture": picture.as_json(), "ask": design["attribute"]},
                    truth={"image": picture.image.path, "label": name},
                )
        # What shows the attribute nobody knows yet: what is checked is whether people look, by asking for classes.
        yield from checking.questions(design, bench, bench.images(classifier), condition=SAMPLE)

    def choices(self, design: Mapping[str, Any], shown: Mapping[str, Any]) -> tuple[Choice, ...]:
        return YES_OR_NO

    def recovered(self, measures: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
        return {f"yes, {key}": one for key, one in measures["shares"].items()}

    def registered(self, design: Mapping[str, Any], preparation: Mapping[str, Any]) -> Registered:
        return Registered(
            estimand=f"the share of counted answers that see {design['attribute']!r}, for each kind of image",
            computation={
                "kind": "shares",
                "under": "shares",
                "conditions": list(CONDITIONS),
                "item": "image",
                "right": {"answer": "yes"},
                "contrasts": ["contrasts"],
            },
            contrasts=_contrasts(CONDITIONS),
        )

    def simulated_answer(
        self, design: Mapping[str, Any], truth: Mapping[str, Any], rate: float | None, random: np.random.Generator
    ) -> tuple[str, float]:
        return simulated(0.4 if rate is None else rate, random)

    def summary(
        self,
        design: Mapping[str, Any],
        preparation: Mapping[str, Any],
        stimuli: "pd.DataFrame",
        answers: "pd.DataFrame",
    ) -> Summary:
        from studies.analysis.cluster import Contrast, registered_contrasts

        measures: dict[str, Any] = {"attribute": design["attribute"], "shares": {}, "contrasts": []}
        if answers.empty:
            return Summary("No answer counts yet.", measures)
        # An image in two conditions is one image: the comparison is paired by it.
        said = answers.merge(stimuli[["stimulus", "image"]], on="stimulus", how="left", validate="many_to_one")
        said = said.assign(yes=(said["answer"].astype(str) == "yes").astype(int))
        found = measures["shares"] = comparing.shares(said, "yes", "image", CONDITIONS)
        if contrasts := [Contrast(c["name"], c["weights"]) for c in _contrasts(found)]:
            columns = (said[name] for name in ("yes", "condition", "participant", "image"))
            measures["contrasts"] = registered_contrasts(*columns, contrasts, scale="mean")
        note = f"Answers that see “{design['attribute']}”."
        tables = [
            comparing.shares_table("The attribute is seen", "images", WORDS, found, note),
            comparing.contrasts_table("images", measures["contrasts"]),
        ]
        figures = [
            comparing.figure("The attribute is seen, by kind of image", "yes in %", WORDS, found, None),
            *comparing.forest({c["name"]: c for c in measures["contrasts"]}, "difference in points"),
            comparing.people_figure(said, "yes"),
        ]
        return Summary(_headline(measures), measures, tables, figures)


def _contrasts(conditions: Collection[str]) -> list[dict[str, Any]]:
    """The differences that are tested of so many conditions."""
    return [
        contrast(f"{WORDS[one]} less {WORDS[other].lower()}", {one: 1, other: -1})
        for one, other in CONTRASTS
        if {one, other} <= set(conditions)
    ]


def _headline(measures: Mapping[str, Any]) -> str:
    shares = measures["shares"]
    parts = [f"{percent(one['estimate'])} of answers on {WORDS[key].lower()}" for key, one in shares.items()]
    return f"“{measures['attribute']}” is seen in " + "; ".join(parts) + "."
