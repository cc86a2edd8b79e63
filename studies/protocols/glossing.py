"""What participants are told of a word they are asked about: a gloss, an example picture."""

from collections.abc import Iterable, Mapping
from typing import Any


def glossed(told: Mapping[int, Any], labels: Iterable[int], image: Any) -> dict[str, Any]:
    """`{"glosses": …}` for the classes asked about, as far as there is something to say; else nothing.

    told: `bench.glosses(…)`.  image: what the stimulus is made of: it is no example for itself, since the page would
    tell by it which class the picture is of.
    """
    glosses = []
    for label in labels:
        if label not in told:
            continue
        one, example = told[label], told[label].example
        shown = {"word": one.word, "gloss": one.text}
        if example and example.image.sha256 != image.sha256:
            shown["example"] = example.as_json()
        if one.text or "example" in shown:
            glosses.append(shown)
    return {"glosses": glosses} if glosses else {}
