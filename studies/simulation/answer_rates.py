"""Rates: how likely each stimulus is to be answered with yes, or to be known."""

import math
from collections.abc import Mapping
from pathlib import Path

from studies.lib.csv_files import read_csv
from studies.lib.errors import StudyError
from studies.models import Stimulus, Study

#: The chance of "yes" for a picture (its path below the imported folder), the name of the class asked about, and the
#: condition, "" for any.
Rates = Mapping[tuple[str, str, str], float]


def read_rates(path: Path, between: tuple[float, float] = (0, 1)) -> Rates:
    """The columns image, label, rate and, if there, condition; StudyError with the line for a rate outside of these."""
    low, high = between
    rates = {}
    for line, row in read_csv(path, ["image", "label", "rate"], ["condition"]):
        try:
            rate = float(row["rate"])
        except ValueError:
            rate = math.nan
        if not low <= rate <= high:
            wanted = f"a number from {low:g} to {high:g}"
            raise StudyError(f"{path.name}, line {line}: rate must be {wanted}, not {row['rate']!r}")
        rates[row["image"], row["label"], row["condition"]] = rate
    return rates


def rate_of(rates: Rates, stimulus: Stimulus, about: str | None = None) -> float | None:
    """The rate of a stimulus: that of its condition, else that of any; None where there is neither.

    `about`: what is asked, where several things are asked of one stimulus; else its label.
    """
    of = stimulus.truth["image"], stimulus.truth["label"] if about is None else about
    return rates.get((*of, stimulus.condition.key), rates.get((*of, "")))


def check_rates(study: Study, rates: Rates) -> None:
    """StudyError unless everything that the study asks has a rate."""
    for stimulus in study.stimuli.main().select_related("condition").iterator():
        truth = stimulus.truth
        for about in truth.get("asks") or [truth["label"]]:
            if rate_of(rates, stimulus, about) is None:
                raise StudyError(f"the rates have no line for image {truth['image']} and label {about}")
