"""The images whose adversarial label more people accept explained than whole (Stock & Cissé 2018, figure 6)."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from studies.protocols.base.results import Gallery, Table

if TYPE_CHECKING:
    import pandas as pd

    from studies.analysis.answers import Answers

WHOLE, EXPLANATION = CONDITIONS = ("whole", "explanation")
MOST_RISEN = 10


def acceptance_increase(
    stimuli: "pd.DataFrame", said: "Answers", each: Mapping[str, "Answers"], panel: int
) -> list[dict[str, Any]]:
    """The images with complete panels in both conditions, those first whose yes answers rose most."""
    if len(each) < len(CONDITIONS):
        return []
    from studies.analysis.panels import count_panels

    label = dict(zip(stimuli["image"], stimuli["label"], strict=True))
    counted = {name: count_panels(each[name], panel=panel) for name in CONDITIONS}
    rows = []
    for code, image in enumerate(said.stimulus_names):
        if all(code < len(c.counted) and c.counted[code] for c in counted.values()):
            whole, explained = (int(counted[name].yes[code]) for name in CONDITIONS)
            rows.append({"image": str(image), "label": label[image], WHOLE: whole, EXPLANATION: explained})
    return sorted(rows, key=lambda row: (row[WHOLE] - row[EXPLANATION], row["image"]))


def _most(measures: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [row for row in measures["risen"] if row[EXPLANATION] > row[WHOLE]][:MOST_RISEN]


def table(measures: Mapping[str, Any]) -> Table:
    """The images of `risen` that rose most, with their yes answers in both conditions."""
    n = measures["panel"]
    rows = [
        [
            row["image"],
            row["label"],
            f"{row[WHOLE]} of {n}",
            f"{row[EXPLANATION]} of {n}",
            row[EXPLANATION] - row[WHOLE],
        ]
        for row in _most(measures)
    ]
    note = f"At most {MOST_RISEN}; chosen because agreement rose, so they say nothing about how often it does."
    columns = ["image", "adversarial label", "yes, whole", "yes, explanation", "rise"]
    return Table("Images on which agreement rose most", columns, rows, note, exploratory=True)


def gallery(measures: Mapping[str, Any], stimuli: "pd.DataFrame") -> Gallery:
    """Figure 6 of the paper: these images as people saw them."""
    n, risen = measures["panel"], _most(measures)
    columns = zip(stimuli["image"], stimuli["condition"], stimuli["picture"], strict=True)
    wanted = {row["image"] for row in risen}
    pictures = {(image, condition): picture for image, condition, picture in columns if image in wanted}
    rows = [
        (
            f"{row['image']}: {row['label']}. {row[WHOLE]} of {n} yes whole, {row[EXPLANATION]} of {n} explained",
            [pictures[row["image"], condition] for condition in CONDITIONS],
        )
        for row in risen
    ]
    return Gallery("How people saw the images on which agreement rose most", list(CONDITIONS), rows)
