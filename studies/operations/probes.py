"""For whoever looks after the server: whether it lives, whether it is ready, and its figures."""

from hmac import compare_digest
from ipaddress import ip_address, ip_network

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.views.decorators.http import require_safe

from studies.lib.client_address import address_of
from studies.views.pages import public_page

from . import health
from .metrics import text as metrics_text

PLAIN = "text/plain; charset=utf-8"


@public_page
@require_safe
def healthz(request: HttpRequest) -> HttpResponse:
    """That this process answers; whatever it needs is not asked, so that nobody restarts it because another is away."""
    return HttpResponse("lives\n", content_type=PLAIN)


@public_page
@require_safe
def readyz(request: HttpRequest) -> HttpResponse:
    """Whether it can serve people now, part by part; why not is in the log."""
    faults = health.faults()
    lines = [f"{name}: {'away' if name in faults else 'there'}\n" for name in health.PARTS]
    return HttpResponse("".join(lines), status=503 if faults else 200, content_type=PLAIN)


@public_page
@require_safe
def metrics(request: HttpRequest) -> HttpResponse:
    """For Prometheus; for others there is nothing here."""
    if not _allowed(request):
        raise Http404
    return HttpResponse(metrics_text(), content_type="text/plain; version=0.0.4; charset=utf-8")


def _allowed(request: HttpRequest) -> bool:
    token = settings.METRICS_TOKEN
    given = request.headers.get("Authorization", "").removeprefix("Bearer ")
    if token and compare_digest(given.encode(), token.encode()):
        return True
    address = address_of(request)
    return address is not None and any(
        ip_address(address) in ip_network(one, strict=False) for one in settings.METRICS_ADDRESSES
    )
