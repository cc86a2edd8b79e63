"""Where the documentation says more of a page of the desk, and that documentation, served to staff.

Built (`make docs`) it is the site; otherwise each page is shown as it is written, which is to be read, too.
"""

from pathlib import Path
from typing import TYPE_CHECKING

from django.conf import settings
from django.http import FileResponse, Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.views.static import serve

if TYPE_CHECKING:
    from studies.desk import Desk

SOURCES, SITE = settings.BASE_DIR / "docs", settings.BASE_DIR / "build" / "docs"

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
    "auth": f"{ROLES}#give-somebody-an-account",
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


def read(site: "Desk", request: HttpRequest, page: str) -> HttpResponse | FileResponse:
    """A file of the documentation."""
    if (SITE / "index.html").is_file():
        return serve(request, page, document_root=SITE)
    path = (SOURCES / page).with_suffix(".md")
    if not _within(path) or not path.is_file():
        raise Http404
    context = {**site.each_context(request), "title": "Help", "words": path.read_text(encoding="utf-8")}
    return TemplateResponse(request, "admin/help.html", context)


def _within(path: Path) -> bool:
    return path.resolve().is_relative_to(SOURCES)
