"""The second factor of an account: an authenticator, and codes for the day it is lost."""

import secrets

from django.contrib.auth.models import User
from django.db import transaction
from django_otp.models import Device
from django_otp.plugins.otp_static.models import StaticDevice, StaticToken
from django_otp.plugins.otp_totp.models import TOTPDevice

#: Of an authenticator's code.
DIGITS = 6
RECOVERY_CODES = 10


def is_on(user: User) -> bool:
    return TOTPDevice.objects.devices_for_user(user, confirmed=True).exists()


def codes_left(user: User) -> int:
    return StaticToken.objects.filter(device__user=user).count()


def verify(user: User, code: str) -> Device | None:
    """The device whose code this is: the authenticator's, else a recovery code, which is used up by it.

    Each device is locked while it looks, and after a wrong code refuses for a while, longer each time.
    """
    code = "".join(code.split()).lower()
    kind = TOTPDevice if len(code) == DIGITS and code.isdigit() else StaticDevice
    with transaction.atomic():
        for device in kind.objects.devices_for_user(user, confirmed=True).select_for_update():
            if device.verify_token(code):
                return device
    return None


@transaction.atomic
def turn_on(user: User, key: str, code: str) -> tuple[Device, list[str]] | None:
    """The authenticator with that key, and recovery codes; None where the code is not one of the key's.

    Nothing is stored before a code fits, and of two forms sent at once one is held back by the account's row.
    """
    user = User.objects.select_for_update().get(pk=user.pk)
    if is_on(user):
        return None
    device = TOTPDevice.objects.create(user=user, name="authenticator", key=key, confirmed=True)
    if not device.verify_token("".join(code.split())):
        device.delete()
        return None
    return device, new_codes(user)


@transaction.atomic
def new_codes(user: User) -> list[str]:
    """Recovery codes in place of those there were."""
    StaticDevice.objects.devices_for_user(user).delete()
    device = StaticDevice.objects.create(user=user, name="recovery codes", confirmed=True)
    codes = [secrets.token_hex(5) for _ in range(RECOVERY_CODES)]
    StaticToken.objects.bulk_create(StaticToken(device=device, token=code) for code in codes)
    return codes


@transaction.atomic
def turn_off(user: User) -> bool:
    """Without authenticator and recovery codes from now on; whether it was on."""
    removed, _ = TOTPDevice.objects.devices_for_user(user).delete()
    StaticDevice.objects.devices_for_user(user).delete()
    return bool(removed)
