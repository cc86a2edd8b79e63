"""No byte of a body is read for somebody who is not signed in at the admin.

Django's protection against forged requests reads a form for the token in it, before any view asks who sends it.  A
proxy that streams uploads hands a slow body on as it comes, and each of them would hold a thread for as long as its
sender likes.  So who may not send one is answered before that.
"""

from collections.abc import Callable

from django.conf import settings
from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse
from django.urls import reverse

SAFE = ("GET", "HEAD", "OPTIONS", "TRACE")


class NoBodyForStrangersMiddleware:
    """Middleware, after Django's that tells who somebody is: strangers send the login form alone."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]):
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if request.method in SAFE or not request.path.startswith(settings.SESSION_COOKIE_PATH):
            return self.get_response(request)
        login = reverse("admin:login")
        if request.path == login or request.user.is_authenticated:
            return self.get_response(request)
        response = redirect_to_login(request.get_full_path(), login)
        # What is left of the body is not waited for either.
        response.headers["Connection"] = "close"
        return response
