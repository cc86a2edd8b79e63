"""Bias by criticism (Stock & Cissé 2018, section 3.4).

People say of prototypes, criticisms and a random sample of one class whether each shows a named attribute, or several,
and are not told which is which.  A panel decides for each image, and the result is the share of images.  An attribute
that criticisms show oftener or more seldom than the class does is one that the classifier's idea of the class leaves
out.  The paper's authors counted such images themselves, without participants and without a random sample.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from .base.answer_parts import AnswerPart, OneOf
from .base.field_help import PublishedDesign
from .base.named_checks import parse as parse_checks
from .base.preregistration import Preregistration, computed
from .base.protocol import Choice, Protocol, StimulusSpec
from .base.results import Gallery, Summary, Table, share_or_counts
from .base.sample_size import ImageCounts, SampleSize
from .base.shown_stimuli import ShownStimulus
from .shared import attribute_checks, class_tables, image_shares, margins, picture_grids, selection_counts
from .shared.attribute_form import ONE_PAGE, PAGE_EACH, AttributeAnnotationForm, attributes_of
from .shared.panels import YES_OR_NO, simulated
from .shared.selections import TITLES, rule

if TYPE_CHECKING:
    import pandas as pd

PROTOTYPES, CRITICISMS, SAMPLE = CONDITIONS = ("prototypes", "criticisms", "sample")
CONTRASTS = ((CRITICISMS, PROTOTYPES), (PROTOTYPES, SAMPLE), (CRITICISMS, SAMPLE))
WORDS = {PROTOTYPES: "Prototypes", CRITICISMS: "Criticisms", SAMPLE: "Random images"}


def part_name(place: int) -> str:
    """The column of the attribute at this place from 0, where all are asked on one page; the first is the decision."""
    return f"attribute_{place + 1}"


class AttributeAnnotation(Protocol):
    key, title, version = "attribute_annotation", "An attribute in prototypes and criticisms", 2
    description = "People say whether prototypes, criticisms and a random sample of one class show an attribute."
    form_class = AttributeAnnotationForm
    summary_reads = ("image", "attribute")
    truth_columns = {"attribute": "Attribute that its page asks about; all of them where one page asks about several."}
    amendable = ("threshold", "unequal_panels")
    contract_design = {
        "images": 6,
        "attributes": ["a person", "a hand"],
        "checks": [
            f"accordion/{8 * n:03}.png | a person: {'yes' if n % 2 else 'no'} | a hand: {'no' if n % 3 else 'yes'}"
            for n in range(8)
        ],
        "class_table": "image,a person\naccordion/000.png,yes\naccordion/008.png,no\naccordion/016.png,yes",
    }
    papers = (
        PublishedDesign(
            "attribute",
            "Bias by criticism (section 3.4)",
            {"selection": "adversarial"},
            {"selection": "the adversarial method, which worked better than MMD-critic"},
            {
                "class_name": "a class that you wonder about",
                "attribute": "what you wonder about, such as a person",
                "images": "of a class of fifty validation images at most 25 of each kind",
                "threshold": "the paper’s authors counted; how many of a panel decide is yours",
            },
        ),
    )

    def sample_size(self, design: Mapping[str, Any], counts: ImageCounts) -> SampleSize:
        n, pages = design["images"], _pages(design)
        because = f"{n:,} prototypes, criticisms and random images each"
        if pages > 1:
            because += f", each with {pages} pages"
        return SampleSize(3 * n * pages, because, conditions=3, apart=pages)

    def stimuli(self, design: Mapping[str, Any], bench: Any) -> Iterator[StimulusSpec]:
        classifier, name, n = design["classifier"], design["class_name"], design["images"]
        named = parse_checks(design["checks"], attributes_of(design))
        used = attribute_checks.roles_of(design, named) if self.control_trials(design) else {}
        checked = attribute_checks.named_images(named, bench.images(classifier)) if used else {}
        of_class = list(bench.images(classifier, classes=[name]))
        # A picture whose answer people were told, or are checked by, is no stimulus beside.
        held_out = {image.sha256 for image in checked.values()}
        pool = bench.pool(name, [image for image in of_class if image.sha256 not in held_out])
        options = {"seed": design["seed"]}
        chosen = bench.selection(
            classifier, pool, **rule(design["selection"], design), n_prototypes=n, n_criticisms=n, **options
        )
        at_random = bench.selection(
            classifier, pool, **rule("random", design), n_prototypes=n, n_criticisms=0, **options
        )
        groups = dict(zip(CONDITIONS, (chosen.prototypes, chosen.criticisms, at_random.prototypes), strict=True))
        bench.add_to_report(
            images=len(pool.images),
            prototype_pool=chosen.prototype_pool,
            criticism_pool=chosen.criticism_pool,
            **({"held_out": len(of_class) - len(pool.images)} if held_out else {}),
            **class_tables.report(design["class_table"], attributes_of(design), of_class, groups, name),
        )
        for condition, images in groups.items():
            for picture in bench.pictures(classifier, images):
                for asked in _asked(design):
                    yield _spec(design, picture, name, asked, condition)
        checks = list(attribute_checks.drawn(design, used))
        if checks:
            bench.add_to_report(checks={role: len(some) for role, some in used.items()})
        pictures = bench.pictures(classifier, [checked[one.image] for _, one in checks])
        for at, ((role, check), picture) in enumerate(zip(checks, pictures, strict=True)):
            # On pages of their own, attributes take turns.
            asked = _asked(design)[at % _pages(design)]
            yield _spec(design, picture, name, asked, SAMPLE, role, check.answers)

    def preparation_report(self, preparation: Mapping[str, Any]) -> tuple[list[Table], list[Gallery]]:
        rows = [
            ["Images of the class to choose from", preparation["images"]],
            ["of these that could be prototypes", preparation["prototype_pool"]],
            ["of these that could be criticisms", preparation["criticism_pool"]],
            ["Images left out, as checks", preparation.get("held_out", 0)],
            *([f"Checks, {role}", n] for role, n in preparation.get("checks", {}).items()),
        ]
        found = Table("Images", ["", "number"], rows)
        return [found, *class_tables.tables(preparation.get("base_rates", {}), WORDS)], []

    def selection_counts(self, design: Mapping[str, Any], bench: Any, sampled: int) -> list[Table]:
        ways = {design["selection"]: (design["images"], design["images"])}
        return selection_counts.tables(design, bench, [design["class_name"]], ways, sampled)

    def named_checks(self, design: Mapping[str, Any]) -> tuple[str, ...]:
        return tuple(attributes_of(design))

    def picture_figures(
        self, design: Mapping[str, Any], preparation: Mapping[str, Any], shown: Sequence[ShownStimulus]
    ) -> list[Gallery]:
        """Figures 7 and 9: prototypes and criticisms of the class."""
        name, way = design["class_name"], TITLES[design["selection"]]
        groups = [(WORDS[key], [one for one in shown if one.condition == key]) for key in CONDITIONS]
        kinds = [(title if title == WORDS[SAMPLE] else f"{way} {title.lower()}", some) for title, some in groups]
        return [picture_grids.grid(f"{title} of {name}", some, "") for title, some in kinds]

    def choices(self, design: Mapping[str, Any], shown: Mapping[str, Any]) -> tuple[Choice, ...]:
        return YES_OR_NO

    def parts(self, design: Mapping[str, Any], shown: Mapping[str, Any]) -> tuple[AnswerPart, ...]:
        options = tuple((choice.value, choice.label) for choice in YES_OR_NO)
        further = tuple(
            OneOf(part_name(place), asked, f"Whether the image shows {asked}: yes or no.", options=options)
            for place, asked in enumerate(shown.get("asks", ()))
            if place
        )
        return further + super().parts(design, shown)

    # --- counting ---------------------------------------------------------------------------------------------------

    def summary_parts(self, design: Mapping[str, Any]) -> tuple[str, ...]:
        several = attributes_of(design) if design["asking"] == ONE_PAGE else []
        return tuple(part_name(place) for place in range(1, len(several)))

    def rehearsal_measures(self, measures: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
        return {
            f"{attribute}, {condition}": share
            for attribute, shares in measures["images"].items()
            for condition, share in shares.items()
        }

    def preregister(self, design: Mapping[str, Any], preparation: Mapping[str, Any]) -> Preregistration:
        attributes, k, n = attributes_of(design), design["threshold"], design["answers_per_stimulus"]
        named = ", ".join(map(repr, attributes))
        return Preregistration(
            estimand=f"the share of images that show {named} by at least {k} of {n} people, for each kind of image",
            computations=[
                computed(
                    "image_shares",
                    "image",
                    attributes=_columns(design),
                    conditions=list(CONDITIONS),
                    copied=["base_rates"] if "base_rates" in preparation else [],
                    settings={"threshold": "threshold", "panel": "answers_per_stimulus"},
                    nothing=NOTHING,
                    quantities={f"{one}, {key}": ["images", one, key] for one in attributes for key in CONDITIONS},
                )
            ],
            threshold=k,
            unequal_panels=design["unequal_panels"],
            margin=margins.of_design(design),
            contrasts=_contrasts(design),
        )

    def simulated_answer(
        self, design: Mapping[str, Any], truth: Mapping[str, Any], rate: float | None, random: np.random.Generator
    ) -> tuple[str, float]:
        return simulated(0.4 if rate is None else rate, random)

    def simulated_parts(
        self,
        design: Mapping[str, Any],
        truth: Mapping[str, Any],
        rate: Callable[[str], float | None],
        random: np.random.Generator,
    ) -> dict[str, list[str]]:
        found = {}
        for place, asked in enumerate(truth.get("asks", ())):
            if place:
                chance = rate(asked)
                found[part_name(place)] = [simulated(0.4 if chance is None else chance, random)[0]]
        return found

    def summary(
        self,
        design: Mapping[str, Any],
        preparation: Mapping[str, Any],
        stimuli: "pd.DataFrame",
        answers: "pd.DataFrame",
    ) -> Summary:
        measures: dict[str, Any] = {"threshold": design["threshold"], "panel": design["answers_per_stimulus"]}
        measures |= {name: preparation[name] for name in ("base_rates",) if name in preparation} | NOTHING
        known = class_tables.tables(measures.get("base_rates", {}), WORDS)
        if answers.empty:
            return Summary("No answer counts yet.", measures, known)
        rows = _rows(design, stimuli, answers)
        measures |= image_shares.measures(rows, design, attributes_of(design), _contrasts(design))
        return Summary(
            _headline(measures, design),
            measures,
            [*image_shares.tables(measures, design, WORDS), *known],
            image_shares.figures(measures, rows, WORDS, margins.of_design(design)),
        )


NOTHING: dict[str, Any] = {"images": {}, "answers": {}, "contrasts": []}


def _contrasts(design: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The differences that are tested."""
    return image_shares.registered(attributes_of(design), CONDITIONS, CONTRASTS, WORDS)


def _pages(design: Mapping[str, Any]) -> int:
    """On how many pages an image is asked about."""
    return len(attributes_of(design)) if design["asking"] == PAGE_EACH else 1


def _asked(design: Mapping[str, Any]) -> list[list[str]]:
    """The attributes of each page of an image."""
    attributes = attributes_of(design)
    return [[one] for one in attributes] if design["asking"] == PAGE_EACH else [attributes]


def _columns(design: Mapping[str, Any]) -> dict[str, str]:
    """By attribute the column of answers.csv with its answers; on pages of their own `truth` says which is asked."""
    attributes, together = attributes_of(design), design["asking"] == ONE_PAGE
    return {one: part_name(place) if place and together else "answer" for place, one in enumerate(attributes)}


def _spec(
    design: Mapping[str, Any],
    picture: Any,
    class_name: str,
    asked: list[str],
    condition: str,
    role: str = "main",
    answers: Mapping[str, str] | None = None,
) -> StimulusSpec:
    """One page of an image; `answers` are the right ones of a check."""
    shown: dict[str, Any] = {"picture": picture.as_json(), "ask": asked[0]}
    truth: dict[str, Any] = {"image": picture.image.path, "label": class_name, "attribute": "; ".join(asked)}
    if len(asked) > 1:
        shown |= {"asks": asked, "decision": asked[0]}
    if len(attributes_of(design)) > 1:
        truth["asks"] = asked
    if answers is not None:
        truth["expected"] = answers[asked[0]]
        if len(asked) > 1:
            truth["expected_parts"] = {part_name(place): answers[one] for place, one in enumerate(asked) if place}
    # An image of two conditions, or with a page for each attribute, is shown to different people.
    return StimulusSpec(condition=condition, role=role, family=picture.image.sha256, shown=shown, truth=truth)


def _rows(design: Mapping[str, Any], stimuli: "pd.DataFrame", answers: "pd.DataFrame") -> "pd.DataFrame":
    """A row for each answer about an attribute; what was erased when somebody withdrew is left out."""
    import pandas as pd

    said = answers.merge(stimuli[["stimulus", "image", "attribute"]], on="stimulus", how="left", validate="m:1")
    said["condition"] = said["condition"].astype(str)
    blocks = []
    for attribute, column in _columns(design).items():
        own = said if design["asking"] == ONE_PAGE else said[said["attribute"] == attribute]
        own = own.assign(attribute=attribute, said=own[column].astype(object))
        own = own[own["said"].notna()]
        blocks.append(own.assign(yes=(own["said"].astype(str) == "yes").astype(int)))
    return pd.concat(blocks, ignore_index=True)


def _headline(measures: Mapping[str, Any], design: Mapping[str, Any]) -> str:
    said = []
    for attribute, shares in measures["images"].items():
        parts = [
            f"{share_or_counts(shares[key], 'images')} among {WORDS[key].lower()}"
            for key in CONDITIONS
            if key in shares and shares[key]["estimate"] is not None
        ]
        if parts:
            said.append(f"“{attribute}” is seen in " + "; ".join(parts))
    by = f"By at least {design['threshold']} of {design['answers_per_stimulus']} people, "
    return by + (". ".join(said) if said else "no image has a complete panel yet") + "."
