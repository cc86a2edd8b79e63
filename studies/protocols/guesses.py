"""The five best guesses of rectified top-5 labelling: what is shown of them, and which images they make right."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from . import checking
from .base import DesignError, StimulusSpec, sample
from .glossing import glossed

if TYPE_CHECKING:
    import pandas as pd

TOP1_ERRORS, TOP5_ERRORS = "top1_errors", "top5_errors"
ONE_QUESTION, EACH_LABEL = "one_question", "each_label"


def five_guesses(design: Mapping[str, Any], bench: Any, wrong: list[Any], images: Any) -> Iterator[StimulusSpec]:
    """Stimuli of the images that count as errors by the design's selection, with the classifier's five best guesses."""
    classifier = design["classifier"]
    titles, names = bench.class_titles(classifier), bench.class_names(classifier)
    wrong5 = [p for p in wrong if p.image.label not in {guess.label for guess in p.top}]
    errors = wrong5 if design["selection"] == TOP5_ERRORS else wrong
    if not errors:
        best = "five best guesses" if design["selection"] == TOP5_ERRORS else "best guess"
        raise DesignError([f"the {best} miss none of the {len(images)} images: there is nothing to show"])
    shown = sample(errors, design["sample"], design["seed"])
    bench.note(
        images=len(images), errors=len(errors), top1_errors=len(wrong), top5_errors=len(wrong5), shown=len(shown)
    )
    told = bench.glosses(classifier)
    for prediction, picture in zip(shown, bench.pictures(classifier, [p.image for p in shown]), strict=True):
        labels = [guess.label for guess in prediction.top]
        for asked in [labels] if design["asking"] == ONE_QUESTION else [[label] for label in labels]:
            yield StimulusSpec(
                condition=design["selection"].replace("_", "-"),
                shown={
                    "picture": picture.as_json(),
                    "ask": ", ".join(titles[label] for label in asked),
                    **({"asks": [titles[label] for label in asked]} if len(asked) > 1 else {}),
                    **glossed(told, asked, prediction.image),
                },
                truth={
                    "image": prediction.image.path,
                    "label": "; ".join(names[label] for label in asked),
                    "true_label": names[prediction.image.label],
                    "probability": [guess.probability for guess in prediction.top if guess.label in asked],
                    "true_probability": prediction.true_probability,
                },
            )
    asks = len(shown[0].top) if design["asking"] == ONE_QUESTION else 1
    yield from checking.questions(design, bench, images, condition=design["selection"].replace("_", "-"), asks=asks)


def any_of_five(
    stimuli: "pd.DataFrame", answers: "pd.DataFrame", panel: int, k: int, rule: str, preparation: Mapping[str, Any]
) -> dict[str, Any]:
    """An image is accepted when at least one of its guesses is; it counts when all of its panels do, by the rule."""
    from studies.analysis.intervals import wilson

    yes = (answers["answer"] == "yes").groupby(answers["stimulus"]).agg(["size", "sum"])
    panels = stimuli.set_index("stimulus").join(yes).fillna({"size": 0, "sum": 0})
    counts = panels["size"] > 0 if rule == "proportion" else panels["size"] == panel
    complete = counts.groupby(panels["image"]).all()
    if rule == "top_up" and not complete.all():
        complete[:] = False
    # At least k of n, or that share of a smaller panel; in whole numbers, so that no rounding decides.
    accepted = (panels["sum"] * panel >= k * panels["size"]).groupby(panels["image"]).any()[complete]
    n, m = len(accepted), int(accepted.sum())
    error, bounds = preparation["errors"] / preparation["images"], wilson(m, n)
    share = {
        "estimate": m / n if n else None,
        "low": None,
        "high": None,
        "level": 0.95,
        "numerator": m,
        "denominator": n,
        "reason": "a two-way interval is not known for images accepted through any of several questions"
        if n
        else "panels wait for more answers"
        if rule == "top_up"
        else "no image has all of its panels complete",
        "wilson": {"low": bounds[0], "high": bounds[1]} if bounds else {"low": None, "high": None},
    }

    def rectified(value: float | None) -> float | None:
        return None if value is None else error * (1 - value)

    turned = {"low": rectified(share["wilson"]["high"]), "high": rectified(share["wilson"]["low"])}
    return {
        "answers": len(answers),
        "accepted_share": share,
        "rectified_error": {**share, "estimate": rectified(share["estimate"]), "wilson": turned, "notes": []},
    }
