"""The desk's site: who is let in, and with what.  A password, and a second factor where there is one."""

from collections.abc import Callable
from functools import update_wrapper
from typing import Any, Protocol

from django import forms
from django.conf import settings
from django.contrib.auth.models import User
from django.core.exceptions import BadRequest, ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.template.response import TemplateResponse
from unfold import widgets
from unfold.forms import AuthenticationForm
from unfold.sites import UnfoldAdminSite

from . import failed_logins, second_factor

#: Where somebody may go who has to set up a second factor first.
ENROLLING = ("second_factor", "logout", "password_change", "password_change_done", "jsi18n")

#: Characters of one value in an address of the desk, far more than anybody types into a search.
LONGEST_ASKED = 2000


class LoginForm(AuthenticationForm):
    """Name, password, and for whoever has turned it on a code; whether somebody has is told after the password only."""

    code = forms.CharField(
        required=False,
        max_length=20,
        label="Authenticator code (only with two-factor authentication)",
        widget=widgets.UnfoldAdminTextInputWidget(attrs={"autocomplete": "one-time-code", "spellcheck": "false"}),
    )

    def confirm_login_allowed(self, user: User) -> None:
        super().confirm_login_allowed(user)
        if not second_factor.is_on(user):
            return
        code = self.cleaned_data.get("code")
        if not code:
            raise ValidationError(
                "This account uses two-factor authentication: enter the code of your authenticator too."
            )
        user.otp_device = second_factor.verify(user, code)
        if user.otp_device is None:
            raise ValidationError("That code is wrong or has expired. Wait for the next one, or use a recovery code.")


class SitePages(Protocol):
    """Pages of the site that belong to no model.  `studies.admin` brings them: it needs the site to be there first."""

    def urls(self, site: "ResearcherSite") -> list: ...

    def context(self, request: HttpRequest) -> dict[str, Any]: ...


class ResearcherSite(UnfoldAdminSite):
    """Staff only; with a second factor where the account has one, or where every account must have one."""

    login_form = LoginForm
    pages: SitePages | None = None

    def has_permission(self, request: HttpRequest) -> bool:
        user = request.user
        if not (user.is_active and user.is_staff):
            return False
        return user.is_verified() or not self.asks_for_code(request)

    def asks_for_code(self, request: HttpRequest) -> bool:
        """Whether the account has a second factor; looked up once, a page asks several times."""
        if not hasattr(request, "asks_for_code"):
            request.asks_for_code = second_factor.is_on(request.user)
        return request.asks_for_code

    def must_enrol(self, request: HttpRequest) -> bool:
        user = request.user
        return bool(
            settings.REQUIRE_SECOND_FACTOR
            and user.is_active
            and user.is_staff
            and not user.is_verified()
            and not self.asks_for_code(request)
        )

    def admin_view(self, view: Callable[..., HttpResponse], cacheable: bool = False) -> Callable[..., HttpResponse]:
        inner = super().admin_view(view, cacheable)

        def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
            # What lists would fail at that are filtered by it: PostgreSQL has no text with a zero byte, and SQLite
            # compares with none that is very long.
            asked = [text for name, values in request.GET.lists() for text in (name, *values)]
            if any("\0" in text for text in asked):
                raise BadRequest("a zero byte in the address")
            if any(len(text) > LONGEST_ASKED for text in asked):
                raise BadRequest("an address that is too long")
            if self.must_enrol(request) and request.resolver_match.url_name not in ENROLLING:
                return redirect(f"{self.name}:second_factor")
            return inner(request, *args, **kwargs)

        return update_wrapper(guarded, inner)

    def login(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """The login; whoever was wrong too often at one address waits, whatever names they tried."""
        if request.method == "POST" and failed_logins.are_too_many(request):
            return locked_out(request, None)
        return super().login(request, extra_context)

    def extra_context(self, context: dict[str, Any], request: HttpRequest) -> dict[str, Any]:
        """Add to every page's context; a hook of the theme's site."""
        return context | (self.pages.context(request) if self.pages else {})

    def search(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> TemplateResponse:
        """The theme's, of which one page is all there is; it knows no answer to a page that is not there."""
        request.GET = request.GET.copy()
        request.GET.pop("page", None)
        return super().search(request, extra_context)

    def extra_urls(self) -> list:
        """Addresses of pages that belong to no model; a hook of the theme's site."""
        return self.pages.urls(self) if self.pages else []


def locked_out(request: HttpRequest, response: HttpResponse | None, credentials: Any = None) -> HttpResponse:
    """After too many wrong passwords; the same page for an account that is there and one that is not."""
    wait = settings.AXES_COOLOFF_TIME
    context = {"limit": settings.AXES_FAILURE_LIMIT, "minutes": round(wait.total_seconds() / 60)}
    headers = {"Retry-After": str(round(wait.total_seconds())), "Cache-Control": "no-store"}
    page = render(request, "admin/locked_out.html", context, status=429)
    for name, value in headers.items():
        page.headers[name] = value
    return page
