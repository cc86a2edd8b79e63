"""What an import of photographs would become, as JSON for its page: seen before anything is written."""

from collections import Counter
from typing import Any

from studies.lib.errors import StudyError

from .image_classes import classes_of
from .photographs import Settled, lost_classes

#: How many photographs of a class are shown, and how many classes of a level that is not chosen.
SAMPLES, OFFERED = 3, 50


def review(settled: Settled, class_names: str) -> dict[str, Any]:
    """The classes with their counts and samples; and the levels of folders that could be the classes instead.

    `problem` says why nothing can be imported as it is, or nothing.
    """
    told: dict[str, Any] = {"problem": settled.undecided, "lost": [], "classes": [], "levels": [], "level": None}
    if settled.judgement:
        told["level"] = settled.judgement.level
        told["levels"] = [
            {
                "number": one.number,
                "n": len(one.classes),
                "classes": list(one.classes.items())[:OFFERED],
                "above": one.above,
            }
            for one in settled.judgement.levels
        ]
    if settled.undecided or not settled.accepted:
        return told
    told["lost"] = lost_classes(settled)
    try:
        classes = classes_of(settled, class_names)
    except StudyError as error:
        return told | {"problem": str(error)}
    counts, samples = Counter(), {}
    for one in sorted(settled.accepted, key=lambda one: one.sha256):
        counts[one.label] += 1
        samples.setdefault(one.label, [])
        if len(samples[one.label]) < SAMPLES:
            samples[one.label].append(one.sha256)
    told["classes"] = [
        {
            "name": one.name,
            "title": one.title,
            "output": one.output,
            "wordnet_id": one.wordnet_id,
            "n": counts[one.name],
            "samples": samples[one.name],
        }
        for one in classes
    ]
    return told
