"""What participants' pages share: headers, and the page that says one thing."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from functools import wraps
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.utils import translation
from django.utils.cache import patch_vary_headers
from django.utils.translation import gettext as _
from django.views.decorators.csrf import csrf_exempt

from studies.models import Study
from studies.recruiters import Exit

#: How long a page can lie open before its form is refused.
FORM_AGE = timedelta(days=1)

#: This site, and where its pictures are where that is elsewhere.
PICTURE_SOURCES = ["'self'"]
if settings.PICTURES_URL:
    PICTURE_SOURCES.append("{0.scheme}://{0.netloc}".format(urlsplit(settings.PICTURES_URL)))
CONTENT_SECURITY_POLICY = (
    f"default-src 'none'; script-src 'self'; style-src 'self'; img-src {' '.join(PICTURE_SOURCES)}; "
    "connect-src 'self'; form-action {targets}; base-uri 'none'; frame-ancestors {ancestors}"
)


@contextmanager
def in_its_language(study: Study) -> Iterator[None]:
    """The pages' own words in the language of the study's design, where it names one."""
    if language := study.design.get("language"):
        with translation.override(language):
            yield
    else:
        yield


class SeeOther(HttpResponseRedirect):
    """After a POST: the page to GET, so that a reload sends nothing twice."""

    status_code = 303


def public_page(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    """What every page outside the admin has: the browser's language, headers that let in nothing but our own files, and
    no CSRF cookie.  Nobody may show it in a frame.

    The forms need none: each holds a signed field that only the page of that participant was given.
    """
    return _with_headers(view, framed=False)


def participants_page(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    """The same, but FRAME_ANCESTORS may show it in a frame, and the origins that a view notes at its request as
    `ancestors`: those of its study's recruiter.  `form_targets` are origins that its forms may be sent to besides ours.
    """
    return _with_headers(view, framed=True)


def _with_headers(view: Callable[..., HttpResponse], *, framed: bool) -> Callable[..., HttpResponse]:
    @csrf_exempt
    @wraps(view)
    def wrapper(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        with translation.override(translation.get_language_from_request(request)):
            response = view(request, *args, **kwargs)
        if response.headers["Content-Type"].startswith("text/html"):
            patch_vary_headers(response, ["Accept-Language"])
        response.headers.setdefault("Cache-Control", "no-store")
        own = getattr(request, "ancestors", ())
        ancestors = list(dict.fromkeys([*settings.FRAME_ANCESTORS, *own])) if framed else []
        response.headers["Content-Security-Policy"] = CONTENT_SECURITY_POLICY.format(
            targets=" ".join(["'self'", *getattr(request, "form_targets", ())]),
            ancestors=" ".join(ancestors) or "'none'",
        )
        # X-Frame-Options knows no list; browsers go by frame-ancestors where there is one.
        response.xframe_options_exempt = bool(ancestors)
        response.headers["Referrer-Policy"] = "no-referrer"
        return response

    wrapper.framed = framed
    return wrapper


def leads(request: HttpRequest, way: Exit | None) -> None:
    """Let the page of this request send its form where a recruiter takes it."""
    request.form_targets = way.targets if way else ()


def unknown(request: HttpRequest) -> HttpResponse:
    text = _("Please check that the whole link was copied, or open it again from where you found it.")
    return notice(request, None, _("There is nothing at this address"), text, status=404)


def notice(
    request: HttpRequest, study: Study | None, heading: str, *paragraphs: str, status: int = 200, **links: Any
) -> HttpResponse:
    """A page that says one thing.

    `again` and `onward` are addresses it offers, `code` a completion code, `way` where a recruiter has people go;
    `gone`: for somebody who has withdrawn.
    """
    leads(request, links.get("way"))
    context = {"study": study, "heading": heading, "paragraphs": paragraphs, **links}
    return render(request, "participant/notice.html", context, status=status)
