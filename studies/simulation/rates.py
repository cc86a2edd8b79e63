"""Rates: how likely each stimulus is to be answered with yes, or to be known."""

import math
from collections.abc import Mapping
from pathlib import Path

from studies.catalogue import read_csv
from studies.errors import StudyError
from studies.models import Stimulus, Study

#: The chance of "yes" for a picture (its path below the imported folder), the name of the class asked about, and the
#: condition, "" for any.
Rates = Mapping[tuple[str, str, str], float]


def read_rates(path: Path) -> Rates:
    """The columns image, label, rate and, if there, condition; StudyError with the line for a rate outside [0, 1]."""
    rates = {}
    for line, row in read_csv(path, ["image", "label", "rate"], ["condition"]):
        try:
            rate = float(row["rate"])
        except ValueError:
            rate = math.nan
        if not 0 <= rate <= 1:
            raise StudyError(f"{path.name}, line {line}: rate must be a number from 0 to 1, not {row['rate']!r}")
        rates[row["image"], row["label"], row["condition"]] = rate
    return rates


def rate_of(rates: Rates, stimulus: Stimulus) -> float | None:
    """The rate of a stimulus: that of its condition, else that of any; None where there is neither."""
    of = stimulus.truth["image"], stimulus.truth["label"]
    return rates.get((*of, stimulus.condition.key), rates.get((*of, "")))


def check_rates(study: Study, rates: Rates) -> None:
    """StudyError unless every stimulus the study is about has a rate."""
    for stimulus in study.stimuli.main().select_related("condition").iterator():
        if rate_of(rates, stimulus) is None:
            truth = stimulus.truth
            raise StudyError(f"the rates have no line for image {truth['image']} and label {truth['label']}")
