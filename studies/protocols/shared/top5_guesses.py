"""The five best guesses of rectified top-5 labelling: what is shown of them, and which images they make right."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from studies.protocols.base.protocol import DesignError, StimulusSpec, sample

from . import gold_trials
from .class_glosses import glossed

if TYPE_CHECKING:
    import pandas as pd

    from studies.analysis.answers import Answers

TOP1_ERRORS, TOP5_ERRORS = "top1_errors", "top5_errors"
ONE_QUESTION, EACH_LABEL = "one_question", "each_label"
#: What is left of an accepted share while panels are topped up.
WAITING = dict.fromkeys(("estimate", "low", "high", "standard_error", "degrees_of_freedom", "wilson", "jackknife")) | {
    "numerator": 0,
    "denominator": 0,
    "reason": "panels wait for more answers",
}


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
    bench.add_to_report(
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
    main = len(shown) * (1 if design["asking"] == ONE_QUESTION else len(shown[0].top))
    condition = design["selection"].replace("_", "-")
    yield from gold_trials.questions(design, bench, images, condition=condition, main=main, asks=asks)


def each_label(stimuli: "pd.DataFrame", said: "Answers", settings: Mapping[str, Any]) -> dict[str, Any]:
    """The report on the labels themselves; those of one image are one item."""
    import numpy as np

    from studies.analysis.reanalysis import reanalysis

    items = np.zeros(int(said.stimulus.max()) + 1, dtype=np.int64)
    numbers, images = stimuli["stimulus"].to_numpy(), stimuli["image"].factorize()[0]
    asked = numbers < len(items)
    items[numbers[asked]] = images[asked]
    return reanalysis(said, item=items, **settings)


def any_of_five(
    stimuli: "pd.DataFrame",
    answers: "pd.DataFrame",
    panel: int,
    k: int,
    rule: str,
    preparation: Mapping[str, Any],
    estimand: str,
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """An image is accepted when at least one of its guesses is; it counts when all of its panels do, by the rule.

    The measures, and the rectified error at each threshold.
    """
    import numpy as np

    from studies.analysis.answers import Answers
    from studies.analysis.estimands import Line
    from studies.analysis.intervals import pivotal_interval
    from studies.analysis.panels import count_panels
    from studies.analysis.pivotal import PanelAnswers
    from studies.analysis.rectified import parts_of, rectified_by

    place = {number: at for at, number in enumerate(stimuli["stimulus"].tolist())}
    said = Answers(
        participant=answers["participant"].to_numpy(),
        stimulus=np.array([place[number] for number in answers["stimulus"].tolist()], dtype=np.int64),
        answer=(answers["answer"] == "yes").to_numpy(dtype="int8"),
    )
    panels = count_panels(said, panel=panel, rule=rule, at_least=len(place))
    images = stimuli["image"].factorize()[0]
    counted = PanelAnswers.of(said, panels, unit=images, item=images)
    waiting = rule == "top_up" and not panels.counted.all()
    error, images_in_all = preparation["errors"] / preparation["images"], preparation["images"]
    line = Line(error, error, (images_in_all, images_in_all), preparation["errors"])
    curve: list[float | None] = [None] * (panel + 2)
    if counted.n_units and not waiting:
        accepted = [int(np.count_nonzero(counted.accepted(t))) for t in range(panel + 2)]
        curve = [error * (1 - n / counted.n_units) for n in accepted]
    shares, by_threshold = [], []
    for t in range(1, panel + 1):
        share = pivotal_interval(said, t, panels=panels, counted=counted)
        if waiting:
            share = replace(share, **WAITING)
        elif not counted.n_units:
            share = replace(share, reason="no image has all of its panels complete")
        shares.append(share)
        found = rectified_by(line, share, parts_of(counted, share, t), estimand)
        about = {"threshold": t, "panel": panel, "formula": "R(k) = E * (1 - s(k))", "notes": [], "curve": curve}
        by_threshold.append(found | about)
    measures = {
        "answers": len(answers),
        "accepted_share": shares[k - 1].as_dict(),
        "rectified_error": by_threshold[k - 1],
    }
    return measures, by_threshold
