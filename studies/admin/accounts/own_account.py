"""Your account: who you are here, your password, your second factor and its recovery codes."""

from typing import Any

import django_otp
import segno
from django import forms
from django.conf import settings
from django.contrib import messages
from django.contrib.admin import AdminSite
from django.contrib.auth import authenticate
from django.core import signing
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.utils.safestring import mark_safe
from django_otp.plugins.otp_totp.models import TOTPDevice, default_key
from unfold import widgets

from studies.accounts import roles, second_factor

#: How long the page with a new key can lie open.
SETTING_UP_SECONDS = 3600


class CodeForm(forms.Form):
    """A code of the authenticator that was just given the key."""

    code = forms.CharField(
        max_length=20,
        label="Code",
        help_text="The six digits that your authenticator shows now.",
        widget=widgets.UnfoldAdminTextInputWidget(attrs={"autocomplete": "one-time-code", "inputmode": "numeric"}),
    )
    key = forms.CharField(widget=forms.HiddenInput)


class PasswordForm(forms.Form):
    password = forms.CharField(
        label="Your password",
        strip=False,
        widget=widgets.UnfoldAdminPasswordWidget(attrs={"autocomplete": "current-password"}),
    )

    def __init__(self, request: HttpRequest, *args: Any, **kwargs: Any):
        super().__init__(*args, **kwargs)
        self.request = request

    def clean_password(self) -> str:
        # As at the login, so that guessing here is throttled like guessing there.
        name, password = self.request.user.get_username(), self.cleaned_data["password"]
        if authenticate(self.request, username=name, password=password) is None:
            raise ValidationError("This is not your password.")
        return password


def account(site: AdminSite, request: HttpRequest, *, codes: list[str] | None = None) -> HttpResponse:
    user = request.user
    groups = list(user.groups.values_list("name", flat=True))
    context = {
        "roles": [role for role in roles.ROLES if role.name in groups],
        "other_groups": [name for name in groups if name not in roles.NAMES],
        "second_factor": second_factor.is_on(user),
        "codes_left": second_factor.codes_left(user),
        "codes": codes,
        "form": PasswordForm(request),
    }
    return _page(site, request, "admin/account.html", "Your account", **context)


def set_up(site: AdminSite, request: HttpRequest) -> HttpResponse:
    """GET shows a new key, which is stored nowhere; POST with a code of it turns the second factor on."""
    user = request.user
    if second_factor.is_on(user):
        messages.info(request, "Two-factor authentication is on already.")
        return redirect("admin:account")
    signer = signing.TimestampSigner(salt=f"studies.accounts.second_factor:{user.pk}")
    form = CodeForm(request.POST if request.method == "POST" else None)
    key = default_key()
    if form.is_bound:
        try:
            key = signer.unsign(form.data.get("key", ""), max_age=SETTING_UP_SECONDS)
        except signing.BadSignature:
            messages.error(request, "This page was open for too long. Here is a new key.")
            return redirect("admin:second_factor")
    if form.is_valid():
        if made := second_factor.turn_on(user, key, form.cleaned_data["code"]):
            device, codes = made
            django_otp.login(request, device)
            return account(site, request, codes=codes)
        form.add_error("code", "That code is wrong or has expired. Wait for the next one.")
    device = TOTPDevice(user=user, key=key)
    qr = segno.make(device.config_url, error="m")
    # A drawing of our own: numbers and a title only.
    picture = mark_safe(qr.svg_inline(scale=5, border=3, light="#fff", dark="#000"))  # noqa: S308
    context = {"form": form, "qr": picture, "secret": _grouped(device.config_url), "key": signer.sign(key)}
    context["required"] = settings.REQUIRE_SECOND_FACTOR
    return _page(site, request, "admin/second_factor.html", "Second factor", **context)


def turn_off(site: AdminSite, request: HttpRequest) -> HttpResponse:
    form = PasswordForm(request, request.POST)
    if not form.is_valid():
        messages.error(request, "Two-factor authentication stays on: enter your password to turn it off.")
        return redirect("admin:account")
    second_factor.turn_off(request.user)
    messages.success(request, "Two-factor authentication is off.")
    return redirect("admin:account")


def recovery_codes(site: AdminSite, request: HttpRequest) -> HttpResponse:
    """New ones in place of the old ones; they are shown this once."""
    form = PasswordForm(request, request.POST)
    if not (second_factor.is_on(request.user) and form.is_valid()):
        messages.error(request, "No new recovery codes were made: enter your password to get them.")
        return redirect("admin:account")
    return account(site, request, codes=second_factor.new_codes(request.user))


def _grouped(config_url: str) -> str:
    """The key as people type it, four letters at a time."""
    secret = config_url.partition("secret=")[2].partition("&")[0]
    return " ".join(secret[i : i + 4] for i in range(0, len(secret), 4))


def _page(site: AdminSite, request: HttpRequest, template: str, title: str, **context: Any) -> TemplateResponse:
    request.current_app = site.name
    return TemplateResponse(request, template, {**site.each_context(request), "title": title, **context})
