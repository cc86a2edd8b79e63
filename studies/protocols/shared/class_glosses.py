"""What participants are told of a word they are asked about: a gloss, an example picture."""

from collections.abc import Iterable, Mapping
from typing import Any


def glossed(told: Mapping[int, Any], labels: Iterable[int], image: Any) -> dict[str, Any]:
    """`{"glosses": …}` for the classes asked about, as far as there is something to say; else nothing.

    told: `bench.glosses(…)`.  image: what the stimulus is made of: where it is the example of one of the classes none
    has an example, since the page would tell by it, or by the one that is missing, which class the picture is of.
    """
    asked = [told[label] for label in labels if label in told]
    itself = any(one.example and one.example.image.sha256 == image.sha256 for one in asked)
    glosses = []
    for one in asked:
        example, shown = one.example, {"word": one.word, "gloss": one.text}
        if example and not itself:
            shown["example"] = example.as_json()
        if one.text or "example" in shown:
            glosses.append(shown)
    return {"glosses": glosses} if glosses else {}
