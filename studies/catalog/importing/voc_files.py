"""PASCAL VOC: one XML file for each photograph.  Read by expat, and a document type or an entity is refused unread."""

import xml.parsers.expat as expat
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from studies.lib.errors import StudyError, one_line

from .annotations import Entry, Problem, annotation, number, read_limited
from .sources import passed_over, printable

LARGEST_XML = 16 * 1024 * 1024
DEEPEST = 32


@dataclass
class _Element:
    tag: str
    line: int
    text: str = ""
    children: list["_Element"] = field(default_factory=list)

    def all(self, tag: str) -> list["_Element"]:
        return [child for child in self.children if child.tag == tag]

    def only(self, tag: str) -> "_Element":
        found = self.all(tag)
        if len(found) != 1:
            raise ValueError(f"it has {len(found)} elements {tag} instead of one" if found else f"it has no {tag}")
        return found[0]


def read_folder(folder: Path) -> Iterator[Entry]:
    """The XML files below a folder, sorted; StudyError where there is none.  Links are refused, not followed."""
    files = sorted(
        path
        for path in folder.rglob("*")
        if path.suffix.casefold() == ".xml" and not passed_over(path.relative_to(folder).as_posix())
    )
    if not files:
        raise StudyError(f"{folder}: no XML files in it (a folder of annotations is PASCAL VOC)")
    for path in files:
        name = printable(path.relative_to(folder).as_posix())
        if path.is_symlink() or not path.resolve().is_relative_to(folder.resolve()):
            yield Problem(name, "is a link")
        elif not path.is_file():
            yield Problem(name, "is not a regular file")
        else:
            yield from parse_voc(read_limited(path), name)


def parse_voc(data: bytes, name: str) -> Iterator[Entry]:
    """The objects of one file.  VOC counts pixels from 1 and includes the last one: xmin 1 is the left edge."""
    try:
        root = _parse(data)
        if root.tag != "annotation":
            raise ValueError(f"its outermost element is {printable(root.tag[:40])}, not annotation: not PASCAL VOC")
        file = root.only("filename").text
        size = _size(root)
    except ValueError as error:
        yield Problem(name, str(error))
        return
    for count, element in enumerate(root.all("object"), start=1):
        where = f"{name}, line {element.line}, object {count}"
        try:
            box = element.only("bndbox")
            x0, y0, x1, y1 = (number(box.only(tag).text, tag) for tag in ("xmin", "ymin", "xmax", "ymax"))
            yield annotation(where, file, element.only("name").text, (x0 - 1, y0 - 1, x1, y1), size)
        except ValueError as error:
            yield Problem(where, str(error))


def _size(root: _Element) -> tuple[int, int] | None:
    """Width and height where the file says them; some programs write 0 for unknown."""
    if not root.all("size"):
        return None
    element = root.only("size")
    width, height = (number(element.only(tag).text, tag) for tag in ("width", "height"))
    return (int(width), int(height)) if width and height else None


def _parse(data: bytes) -> _Element:
    """The outermost element.  ValueError, with the line, for anything but plain elements and text."""
    if len(data) > LARGEST_XML:
        raise ValueError(f"has more than {LARGEST_XML:,} bytes")
    parser = expat.ParserCreate()
    parser.buffer_text = True
    top = _Element("", 0)
    stack = [top]

    def refuse(*_: object) -> None:
        # Before a declaration is read to its end: entities can grow without bound, or lead to other files.
        raise ValueError(f"line {parser.CurrentLineNumber}: a document type or entity, which is not read")

    def start(tag: str, _: dict[str, str]) -> None:
        if len(stack) > DEEPEST:
            raise ValueError(f"line {parser.CurrentLineNumber}: more than {DEEPEST} elements within each other")
        element = _Element(tag, parser.CurrentLineNumber)
        stack[-1].children.append(element)
        stack.append(element)

    def text(part: str) -> None:
        stack[-1].text += part

    parser.StartDoctypeDeclHandler = parser.EntityDeclHandler = refuse
    parser.ExternalEntityRefHandler = parser.SkippedEntityHandler = refuse
    parser.StartElementHandler, parser.CharacterDataHandler = start, text
    parser.EndElementHandler = lambda _: stack.pop()
    try:
        parser.Parse(data, True)
    except expat.ExpatError as error:
        raise ValueError(f"line {error.lineno}: not XML ({expat.ErrorString(error.code)})") from None
    except LookupError as error:  # an encoding that Python does not know
        raise ValueError(one_line(error)) from None
    return top.children[0]
