"""Pictures made for studies, under the name of their content."""

import re
from functools import cache
from urllib.parse import quote

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import get_script_prefix, reverse
from django.views.decorators.http import require_safe

from studies.lib import storage

from .pages import public_page

KEEP_FOR_EVER = "public, max-age=31536000, immutable"
PICTURE_NAME = re.compile(r"artifacts/[0-9a-f]{2}/[0-9a-f]{64}\.png")


def picture_url(name: str) -> str:
    """The address of a picture; a page of class assignment asks for more than a hundred."""
    return _before_the_name(get_script_prefix()) + quote(name)


@cache
def _before_the_name(script_prefix: str) -> str:
    """What all addresses of pictures begin with, where the site lies below `script_prefix`."""
    return reverse("studies:picture", args=["/"]).removesuffix("/")


@public_page
@require_safe
def picture(request: HttpRequest, name: str) -> HttpResponse:
    """A picture made for a study, never a photograph as it was imported. The name is the digest of the content."""
    if not PICTURE_NAME.fullmatch(name):
        raise Http404
    if settings.PICTURES_URL:
        # From the bucket or a web server: the name is the content's, so the browser may keep even the way there.
        response: HttpResponse = HttpResponseRedirect(f"{settings.PICTURES_URL}/{name}")
    else:
        try:
            content = storage.read(name)
        except FileNotFoundError:
            raise Http404 from None
        response = HttpResponse(content, content_type="image/png")
    response.headers["Cache-Control"] = KEEP_FOR_EVER
    response.headers["X-Content-Type-Options"] = "nosniff"
    return response
