"""Pages of the site that belong to no model: the documentation, and the account of whoever is logged in."""

from typing import Any

from django.contrib.admin import AdminSite
from django.http import HttpRequest, HttpResponse
from django.urls import path
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods

from . import documentation
from .accounts import own_account


def context(request: HttpRequest) -> dict[str, Any]:
    """What every page has besides."""
    return {"help_link": documentation.link(request)}


def urls(site: AdminSite) -> list:
    """The pages' addresses."""

    def read(request: HttpRequest, page: str) -> HttpResponse:
        return documentation.read(site, request, page)

    def at(route: str, page: Any, name: str, *methods: str) -> Any:
        @require_http_methods(methods)
        @sensitive_post_parameters()
        def view(request: HttpRequest) -> HttpResponse:
            return page(site, request)

        return path(route, site.admin_view(view), name=name)

    return [
        path("docs/<path:page>", site.admin_view(read), name="help"),
        at("account/", own_account.account, "account", "GET", "HEAD"),
        at("account/second-factor/", own_account.set_up, "second_factor", "GET", "HEAD", "POST"),
        at("account/second-factor/off/", own_account.turn_off, "second_factor_off", "POST"),
        at("account/recovery-codes/", own_account.recovery_codes, "recovery_codes", "POST"),
    ]
