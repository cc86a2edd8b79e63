"""A stimulus of a closed study with what was said of it: what figures of pictures are chosen from."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

#: So many pictures are in a figure, unless somebody asks for more.
PICTURES = 12


@dataclass(frozen=True)
class ShownStimulus:
    """yes: how many of the `answers` that count are yes, or right where a stimulus has a right answer."""

    number: int
    condition: str
    shown: Mapping[str, Any]
    truth: Mapping[str, Any]
    answers: int
    yes: int

    @property
    def image(self) -> str:
        return self.truth["image"]

    @property
    def label(self) -> str:
        return self.truth["label"]

    def caption(self) -> str:
        """What a reader has to know: what it was taken for, what it is, and what people said."""
        said = [self.label]
        if (true := self.truth.get("true_label")) and true != self.label:
            said.append(f"truly {true}")
        if self.answers:
            # Where several things are asked of one page, the decision is about the first.
            asked = self.truth.get("attribute", "").split("; ")[0]
            said.append(f"{asked}: {self.yes} of {self.answers} yes" if asked else f"{self.yes} of {self.answers} yes")
        return ", ".join(said)


def most_frequent_label(shown: Sequence[ShownStimulus]) -> str:
    """The label that most stimuli ask about, the first by name of several; empty for none."""
    counts: dict[str, int] = {}
    for one in shown:
        counts[one.label] = counts.get(one.label, 0) + 1
    return min(counts, key=lambda label: (-counts[label], label), default="")
