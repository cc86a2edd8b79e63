"""A proxy that does not say how a visitor came: a sentence for whoever sets it up, instead of redirects without end."""

import logging
from collections.abc import Callable

from django.conf import settings
from django.http import HttpRequest, HttpResponse

log = logging.getLogger(__name__)

NEEDED = (
    "SITE_URL is https, and this request came without X-Forwarded-Proto, so nobody can tell whether it came by https. "
    "Have the proxy send it: in nginx, proxy_set_header X-Forwarded-Proto $scheme;"
)


class ForwardedProtoMiddleware:
    """Middleware, before Django's own, which would redirect such a request to itself."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]):
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if not settings.SECURE_SSL_REDIRECT or not settings.SECURE_PROXY_SSL_HEADER:
            return self.get_response(request)
        asked_beside_the_proxy = f"^{request.path.lstrip('/')}$" in settings.SECURE_REDIRECT_EXEMPT
        if "X-Forwarded-Proto" in request.headers or request.is_secure() or asked_beside_the_proxy:
            return self.get_response(request)
        log.error("a request came without X-Forwarded-Proto; the proxy has to send it")
        return HttpResponse(f"{NEEDED}\n", status=503, content_type="text/plain; charset=utf-8")
