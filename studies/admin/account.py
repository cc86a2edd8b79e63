"""Your account: who you are here, your password, your second factor and its recovery codes."""

import secrets
from typing import Any

import django_otp
import segno
from django import forms
from django.conf import settings
from django.contrib import messages
from django.contrib.admin import AdminSite
from django.contrib.auth import authenticate
from django.contrib.auth.models import User
from django.core import signing
from django.core.exceptions import ValidationError
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.utils.safestring import mark_safe
from django_otp.plugins.otp_static.models import StaticDevice, StaticToken
from django_otp.plugins.otp_totp.models import TOTPDevice, default_key
from unfold import widgets

from studies import desk, roles

#: How long the page with a new key can lie open.
SETTING_UP_SECONDS = 3600
RECOVERY_CODES = 10


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
        "second_factor": desk.has_second_factor(user),
        "codes_left": StaticToken.objects.filter(device__user=user).count(),
        "codes": codes,
        "forms": {name: PasswordForm(request, prefix=None, auto_id=f"{name}_%s") for name in ("off", "codes")},
    }
    return _page(site, request, "admin/account.html", "Your account", **context)


def second_factor(site: AdminSite, request: HttpRequest) -> HttpResponse:
    """GET shows a new key, which is stored nowhere; POST with a code of it turns the second factor on."""
    user = request.user
    if desk.has_second_factor(user):
        messages.info(request, "Your second factor is on already.")
        return redirect("admin:account")
    signer = signing.TimestampSigner(salt=f"studies.second_factor:{user.pk}")
    form = CodeForm(request.POST if request.method == "POST" else None)
    key = default_key()
    if form.is_bound:
        try:
            key = signer.unsign(form.data.get("key", ""), max_age=SETTING_UP_SECONDS)
        except signing.BadSignature:
            messages.error(request, "This page was open for too long. Here is a new key.")
            return redirect("admin:second_factor")
    if form.is_valid():
        # Not stored before the code fits: it throttles nothing then, and there is nothing to guess.
        device = TOTPDevice(user=user, name="authenticator", key=key, confirmed=True)
        codes = _turn_on(device, form.cleaned_data["code"])
        if codes:
            django_otp.login(request, device)
            return account(site, request, codes=codes)
        form.add_error("code", "This code does not fit the key below. Wait for the next one.")
    device = TOTPDevice(user=user, key=key)
    qr = segno.make(device.config_url, error="m")
    # A drawing of our own: numbers and a title only.
    picture = mark_safe(qr.svg_inline(scale=5, border=3, light="#fff", dark="#000"))  # noqa: S308
    context = {"form": form, "qr": picture, "secret": _grouped(device.config_url), "key": signer.sign(key)}
    context["required"] = settings.REQUIRE_SECOND_FACTOR
    return _page(site, request, "admin/second_factor.html", "Second factor", **context)


@transaction.atomic
def _turn_on(device: TOTPDevice, code: str) -> list[str]:
    """The recovery codes; none where the code does not fit, and then nothing is stored."""
    # One who sends the form twice would get two devices: the account's row holds the second back.
    user = User.objects.select_for_update().get(pk=device.user_id)
    if desk.has_second_factor(user):
        return []
    device.save()
    if not device.verify_token("".join(code.split())):
        device.delete()
        return []
    return _new_codes(user)


def turn_off(site: AdminSite, request: HttpRequest) -> HttpResponse:
    form = PasswordForm(request, request.POST)
    if not form.is_valid():
        messages.error(request, "Your second factor stays on: give your password to turn it off.")
        return redirect("admin:account")
    remove_second_factor(request.user)
    messages.success(request, "Your second factor is off.")
    return redirect("admin:account")


def recovery_codes(site: AdminSite, request: HttpRequest) -> HttpResponse:
    """New ones in place of the old ones; they are shown this once."""
    form = PasswordForm(request, request.POST)
    if not (desk.has_second_factor(request.user) and form.is_valid()):
        messages.error(request, "There are no new recovery codes: give your password to get some.")
        return redirect("admin:account")
    with transaction.atomic():
        codes = _new_codes(request.user)
    return account(site, request, codes=codes)


def remove_second_factor(user: User) -> bool:
    """Turn it off, with its recovery codes; whether it was on."""
    with transaction.atomic():
        removed, _ = TOTPDevice.objects.devices_for_user(user).delete()
        StaticDevice.objects.devices_for_user(user).delete()
    return bool(removed)


def _new_codes(user: User) -> list[str]:
    StaticDevice.objects.devices_for_user(user).delete()
    device = StaticDevice.objects.create(user=user, name="recovery codes", confirmed=True)
    codes = [secrets.token_hex(5) for _ in range(RECOVERY_CODES)]
    StaticToken.objects.bulk_create(StaticToken(device=device, token=code) for code in codes)
    return codes


def _grouped(config_url: str) -> str:
    """The key as people type it, four letters at a time."""
    secret = config_url.partition("secret=")[2].partition("&")[0]
    return " ".join(secret[i : i + 4] for i in range(0, len(secret), 4))


def _page(site: AdminSite, request: HttpRequest, template: str, title: str, **context: Any) -> TemplateResponse:
    request.current_app = site.name
    return TemplateResponse(request, template, {**site.each_context(request), "title": title, **context})
