"""Checks that a researcher names: pictures with their right answers, where no classifier knows these.

A line of a design is a picture, by its path below the imported folder, and what is right of it: `IMAGE | yes`, or where
several things are asked `IMAGE | a person: yes | a hand: no`.  A last cell may say what it is used for: `example`,
`practice` or `gold`.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from django import forms

from .fields import NameListField

YES, NO = "yes", "no"
ROLES = ("example", "practice", "gold")


@dataclass(frozen=True)
class NamedCheck:
    """A picture by its path, the right answer for each attribute, and its use; empty for any."""

    image: str
    answers: Mapping[str, str]
    role: str = ""

    def line(self) -> str:
        """As a design has it."""
        several = len(self.answers) > 1
        said = [f"{name}: {answer}" if several else answer for name, answer in self.answers.items()]
        return " | ".join([self.image, *said, *([self.role] if self.role else [])])


class ChecksField(NameListField):
    """Lines of pictures with their right answers; `parse` says whether they fit the attributes of a design."""

    widget = forms.Textarea(attrs={"rows": 4, "placeholder": "folder/picture.jpg | yes"})


def parse(lines: Iterable[str], attributes: Sequence[str]) -> list[NamedCheck]:
    """The checks of these lines; ValueError, in one sentence with the line, for one that cannot be read."""
    found: dict[str, NamedCheck] = {}
    for line in lines:
        image, *cells = (cell.strip() for cell in line.split("|"))
        role = cells.pop() if cells and cells[-1] in ROLES else ""
        if not image:
            raise ValueError(f"{line!r} names no picture: write its path, such as dog/001.jpg | yes.")
        if image in found:
            raise ValueError(f"{image} is named twice.")
        found[image] = NamedCheck(image, _answers(line, cells, attributes), role)
    return list(found.values())


def _answers(line: str, cells: Sequence[str], attributes: Sequence[str]) -> dict[str, str]:
    said: dict[str, str] = {}
    for cell in cells:
        name, _, answer = (part.strip() for part in cell.rpartition(":"))
        if not name and len(attributes) == 1:
            name = attributes[0]
        if name not in attributes or name in said or answer not in (YES, NO):
            shape = " | ".join(f"{one}: yes" for one in attributes) if len(attributes) > 1 else "yes"
            raise ValueError(f"{line!r} cannot be read: write PICTURE | {shape}, or no in place of yes.")
        said[name] = answer
    if missing := [one for one in attributes if one not in said]:
        raise ValueError(f"{line!r} says nothing about {missing[0]}: write yes or no for every attribute.")
    return {one: said[one] for one in attributes}
