"""The documentation as pages of the admin, and which of them explains which page."""

import re
import unicodedata
from collections.abc import Sequence
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

import nh3
from django.conf import settings
from django.contrib.admin import AdminSite
from django.http import FileResponse, Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.safestring import SafeString, mark_safe
from django.views.static import serve
from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token
from mdit_py_plugins.anchors import anchors_plugin

SOURCES = settings.BASE_DIR / "docs"
PICTURES = {".png", ".svg"}

RUN, IMAGES, NETWORK = "how-to/run-a-study", "how-to/your-own-images", "how-to/your-own-classifier"
ROLES, COMMANDS = "how-to/people-and-roles", "reference/commands"
LIFE = f"{RUN}#from-a-draft-to-the-archive"
#: By what the name of an address begins with; the longest of these that fits.
PAGES = {
    "": "index",
    "index": f"{RUN}#the-first-page",
    "account": f"{ROLES}#a-second-factor",
    "second_factor": f"{ROLES}#a-second-factor",
    "password_change": f"{ROLES}#passwords",
    "auth": f"{ROLES}#create-an-account",
    "studies_event": f"{ROLES}#who-did-what",
    "studies_imageset": IMAGES,
    "studies_imageset_classes": f"{IMAGES}#the-words-people-read",
    "studies_imageset_example": f"{IMAGES}#the-words-people-read",
    "studies_classifier": NETWORK,
    "studies_classifier_check": f"{NETWORK}#look-at-it",
    "studies_import": f"{IMAGES}#at-the-desk",
    "studies_study": LIFE,
    "studies_study_add": f"{RUN}#design-a-study",
    "studies_study_design": f"{RUN}#design-a-study",
    "studies_study_plan": f"{COMMANDS}#planning",
    "studies_study_duplicate": LIFE,
    "studies_study_running": f"{RUN}#while-it-runs",
    "studies_study_charts": f"{RUN}#while-it-runs",
    "studies_study_participants": f"{RUN}#exclude-a-participant",
    "studies_study_exclude": f"{RUN}#exclude-a-participant",
    "studies_study_preview": f"{RUN}#see-what-participants-will-see",
    "studies_study_stimul": f"{RUN}#see-every-stimulus-and-how-it-was-made",
    "studies_study_amend": f"{COMMANDS}#the-registered-analysis-and-changes-of-mind",
    "studies_study_results": "explanation/intervals#what-quorum-reports",
    "studies_study_people": f"{ROLES}#share-a-study",
    "studies_study_history": f"{ROLES}#who-did-what",
}

#: What stands beside every page.
CONTENTS = {
    "Begin": ["index", "tutorial/first-study"],
    "How to": [IMAGES, NETWORK, RUN, "how-to/recruit", "how-to/reproduce-the-paper", "how-to/read-the-export", ROLES],
    "Reference": [COMMANDS, "reference/export", "reference/methods", "reference/settings"],
    "Explanation": ["explanation/intervals", "explanation/words", "explanation/exactly-n", "explanation/security"],
}


def about(url_name: str) -> str:
    """The page of the documentation, with its place, that is about the address of this name."""
    return PAGES[max((key for key in PAGES if url_name.startswith(key)), key=len)]


def link(request: HttpRequest) -> str:
    """Where the page that is asked for is explained."""
    match = request.resolver_match
    return address(about((match.url_name if match else None) or ""))


def address(page: str) -> str:
    """Of a page of the documentation, such as `tutorial/first-study`."""
    where, _, place = page.partition("#")
    base = f"{settings.DOCS_URL}/{where}.html" if settings.DOCS_URL else reverse("admin:help", args=[f"{where}.html"])
    return f"{base}#{place}" if place else base


def read(site: AdminSite, request: HttpRequest, page: str) -> HttpResponse | FileResponse:
    """Serve a page of the documentation, or a picture of one."""
    if Path(page).suffix in PICTURES:
        return serve(request, page, document_root=SOURCES)
    path = (SOURCES / page).with_suffix(".md")
    if not _within(path) or not path.is_file():
        raise Http404
    context = {
        **site.each_context(request),
        "title": "Help",
        "written": _rendered(path, path.stat().st_mtime_ns),
        "contents": [(title, [(page_title(one), address(one)) for one in pages]) for title, pages in CONTENTS.items()],
    }
    return TemplateResponse(request, "admin/help.html", context)


@cache
def page_title(page: str) -> str:
    """The first heading of a page."""
    lines = (SOURCES / f"{page}.md").read_text(encoding="utf-8").splitlines()
    return next(line.removeprefix("# ") for line in lines if line.startswith("# "))


@lru_cache(maxsize=64)
def _rendered(path: Path, _changed: int) -> SafeString:
    """The page as safe HTML: headings have the anchors that links name, and links lead to pages of this site."""
    markdown = (
        MarkdownIt("commonmark", {"html": False}).enable("table").use(anchors_plugin, max_level=4, slug_func=slug)
    )
    markdown.add_render_rule("link_open", _link_open)
    attributes = {**nh3.ALLOWED_ATTRIBUTES, **{f"h{level}": {"id"} for level in range(1, 7)}}
    return mark_safe(nh3.clean(markdown.render(path.read_text(encoding="utf-8")), attributes=attributes))  # noqa: S308


def slug(heading: str) -> str:
    """The anchor of a heading, the same as in the site that `make docs` builds."""
    plain = unicodedata.normalize("NFKD", heading).encode("ascii", "ignore").decode()
    return re.sub(r"[\s-]+", "-", re.sub(r"[^\w\s-]", "", plain).strip().lower())


def _link_open(renderer: RendererHTML, tokens: Sequence[Token], index: int, options: Any, _env: Any) -> str:
    target = str(tokens[index].attrGet("href") or "")
    if "://" not in target:
        tokens[index].attrSet("href", re.sub(r"\.md(?=#|$)", ".html", target))
    return renderer.renderToken(tokens, index, options, _env)


def _within(path: Path) -> bool:
    return path.resolve().is_relative_to(SOURCES)
