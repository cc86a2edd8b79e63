"""Where a request comes from, through proxies of our own."""

from ipaddress import IPv6Address, ip_address, ip_network

from django.conf import settings
from django.http import HttpRequest


def address_of(request: HttpRequest) -> str | None:
    """Where a request comes from: as the outermost of our own proxies saw it.

    What stands further left in the header anybody can write, so it is not read.
    """
    forwarded = request.META.get("HTTP_X_FORWARDED_FOR", "").split(",")
    seen = forwarded[-settings.PROXIES].strip() if 0 < settings.PROXIES <= len(forwarded) else ""
    for address in (seen, request.META.get("REMOTE_ADDR", "")):
        try:
            return str(ip_address(address))
        except ValueError:
            continue
    return None


def place_of(request: HttpRequest) -> str | None:
    """What a limit by address counts: the address, of IPv6 its network of 64 bits, which one customer has to himself.

    None for this machine.  That is a command, or a proxy that PROXIES does not know of: all visitors at once.
    """
    address = address_of(request)
    if address is None or (one := ip_address(address)).is_loopback:
        return None
    return str(ip_network((address, 64), strict=False)) if isinstance(one, IPv6Address) else address
