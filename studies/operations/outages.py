"""When database, storage or disk fail: a page that says so, in one line of the log instead of a traceback.

What a participant had answered is not lost: the script of their page keeps it and sends it again for as long as it is
answered by 503, and without a script the browser sends it when the page is loaded again.
"""

import logging
from collections.abc import Callable

from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from studies.views.pages import participants_page, public_page

from .health import in_one_line

log = logging.getLogger(__name__)

#: What fails through no fault of the program's, by what it is called in the log.
OUTAGES: dict[type[Exception], str] = {
    OperationalError: "database",
    InterfaceError: "database",
    OSError: "storage",
}
RETRY_SECONDS = 10


class ServiceUnavailableMiddleware:
    """Middleware: answers such an error by 503."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]):
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        part = next((name for kind, name in OUTAGES.items() if isinstance(error, kind)), None)
        if part is None or isinstance(error, FileNotFoundError):
            return None
        log.error("the %s fails: %s", part, in_one_line(error))
        framed = getattr(request.resolver_match.func, "framed", False)
        return (participants_page if framed else public_page)(_sorry)(request)


def _sorry(request: HttpRequest) -> HttpResponse:
    """Asks nothing of what may be away."""
    page = render(request, "503.html", {"sent": request.method == "POST"}, status=503)
    page.headers["Retry-After"] = str(RETRY_SECONDS)
    return page
