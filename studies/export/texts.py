"""Every text that participants could read, as the export keeps it: the pages by language, and each question as asked.

A page is its HTML without what works only on the server: scripts, forms' addresses, signed fields, keys of people.  So
two studies of the same design and stimuli have the same pages to the byte.
"""

import hashlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import PurePosixPath
from typing import Any

import lxml.html
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.utils import translation

from studies import protocols
from studies.lib.canonical_json import canonical_text
from studies.models import Study
from studies.protocols.base.answer_parts import PREFIX
from studies.results.frames import Row
from studies.views import every_page
from studies.views.pictures import PICTURE_NAME

#: Attributes that say something to a reader, or which answer a button gives.
KEPT = frozenset(
    [
        "alt",
        "aria-label",
        "class",
        "content",
        "data-key",
        "for",
        "height",
        "id",
        "lang",
        "label",
        "role",
        "src",
        "type",
        "value",
        "width",
    ]
)
#: Elements of which nothing is read.
SILENT = ("script", "link", "style", "kbd")
#: Elements that offer the same picture in several sizes, around the picture itself.
AROUND = ("picture", "source")
#: Fields that answer something.
ANSWERING = re.compile(rf"answer|{PREFIX}.+")
#: Elements whose words belong together.
BLOCKS = frozenset(
    ["title", "h1", "h2", "p", "dt", "dd", "li", "legend", "label", "button", "summary", "figcaption", "td", "th"]
)
EMPTY_LINES = re.compile(r"\n\s*\n")
#: Where pages stand below the export's folder, so that their pictures are found from there.
FOLDER, TO_PICTURES = "texts", "../../pictures"


@dataclass(frozen=True)
class ReadPage:
    """A page as it is read in one language: its HTML, and its words line by line."""

    language: str
    key: str
    title: str
    html: str
    lines: tuple[str, ...]

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.html.encode()).hexdigest()


class PageRequest(HttpRequest):
    """A request that nobody sent, for pages as the design has them."""

    as_designed = True

    def __init__(self) -> None:
        super().__init__()
        self.method, self.path = "GET", "/"

    def build_absolute_uri(self, location: str | None = None) -> str:
        return ""


def languages(study: Study) -> list[str]:
    """The languages in which participants can read the study's pages."""
    chosen = study.design.get("language")
    return [chosen] if chosen else [code for code, _name in settings.LANGUAGES]


def pages(study: Study) -> Iterator[ReadPage]:
    """The pages of a prepared study by language, in their order."""
    for language in languages(study):
        with translation.override(language):
            # A study of its own: what is previewed has another link.
            own = Study.objects.get(pk=study.pk)
            # Between two visits there is a moment, which is the same whenever the study is exported.
            for page in every_page.pages(own, now=own.prepared_at or own.created_at):
                tree = _as_read(page.show)
                if page.key == "come-back":
                    _without_times(tree)
                html = lxml.html.tostring(tree, doctype="<!doctype html>", encoding="unicode")
                html = EMPTY_LINES.sub("\n", html).rstrip() + "\n"
                yield ReadPage(language, page.key, page.title, html, tuple(_lines(tree)))


def questions(study: Study) -> Iterator[Row]:
    """One row for each stimulus, page that asks about it, and language: the question and what it offers."""
    own, seen = Study.objects.get(pk=study.pk), {}
    own.reach = own.reach or every_page.participation.max_stimuli_per_visit(own)
    protocol = protocols.get(own.protocol)
    stimuli = own.stimuli.order_by("number").select_related("condition")
    for stimulus in stimuli.iterator(chunk_size=1000):
        stimulus.study = own
        words = canonical_text([stimulus.role, _without_pictures(stimulus.shown)])
        for language in languages(own):
            if (language, words) not in seen:
                with translation.override(language):
                    seen[language, words] = [
                        _asked(show, protocol, own, stimulus.shown) for show in every_page.trial_pages(own, stimulus)
                    ]
            for step, asked in enumerate(seen[language, words], start=1):
                yield own.slug, stimulus.number, stimulus.condition.key, stimulus.role, language, step, *asked


def _asked(
    show: partial[HttpResponse], protocol: protocols.Protocol, study: Study, shown: Mapping[str, Any]
) -> tuple[Any, ...]:
    """The question of a page, the words of what explains it, and its answers and parts as JSON."""
    tree = _as_read(show)
    question = " ".join(filter(None, (_words(heading) for heading in tree.iter("h1"))))
    glosses = [_words(one) for one in tree.find_class("gloss")]
    offered = [
        {"value": one.get("value", ""), "label": _words(one)}
        for one in tree.iter("button")
        if one.get("value") is not None
    ]
    controls = [
        {"value": one.get("value", ""), "label": _words(one.getparent())}
        for one in tree.iter("input")
        if one.get("name") and one.getparent().tag == "label"
    ]
    parts = [_words(one) for one in tree.iter("legend")]
    return question, glosses, [*offered, *controls], parts


def _as_read(show: partial[HttpResponse]) -> lxml.html.HtmlElement:
    """A page without what works on the server alone."""
    content = show(PageRequest()).content.decode()
    tree = lxml.html.document_fromstring(content)
    for element in list(tree.iter()):
        if not isinstance(element.tag, str):
            element.drop_tree()
        elif element.tag in SILENT or (element.tag == "input" and element.get("type") == "hidden"):
            # The words after it stay.
            element.drop_tree()
        elif element.tag in AROUND:
            element.drop_tag()
        elif element.tag == "meta" and element.get("name"):
            element.drop_tree()
        else:
            _clean(element)
    return tree


def _clean(element: lxml.html.HtmlElement) -> None:
    if element.tag == "meta" and element.get("charset"):
        return
    for name in list(element.attrib):
        if name == "src" and PICTURE_NAME.search(element.get("src")):
            element.set("src", f"{TO_PICTURES}/{PurePosixPath(element.get('src')).name}")
        elif name == "name" and ANSWERING.fullmatch(element.get("name")):
            continue
        elif name not in KEPT:
            del element.attrib[name]


def _without_times(tree: lxml.html.HtmlElement) -> None:
    """The page between visits names a moment, which each participant has their own of."""
    for strong in list(tree.iter("strong")):
        strong.text = "…"


def _lines(tree: lxml.html.HtmlElement) -> Iterator[str]:
    for element in tree.iter():
        inner = element.tag in BLOCKS and not any(parent.tag in BLOCKS for parent in element.iterancestors())
        line = _words(element) if inner else ""
        if line:
            yield line


def _words(element: lxml.html.HtmlElement) -> str:
    return " ".join(element.text_content().split())


def _without_pictures(value: Any) -> Any:
    """What is shown but for files, which are another for each stimulus; so many pictures, and so large."""
    if isinstance(value, dict):
        return {name: _without_pictures(inner) for name, inner in value.items() if name != "file"}
    return [_without_pictures(inner) for inner in value] if isinstance(value, list) else value
