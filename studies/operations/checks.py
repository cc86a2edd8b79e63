"""System checks: settings that cannot work, or that nobody should serve people with.

Errors are found at every start.  `manage.py check --deploy` adds warnings about what is fine on one's own machine only.
"""

import re
from collections.abc import Iterator
from functools import partial
from ipaddress import ip_network
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, Warning, register
from django.core.exceptions import ImproperlyConfigured
from django.http.request import validate_host

from explainers import base as methods
from studies import protocols, recruiters

#: What may frame a page: an origin, with a star for any host beneath another.
ORIGIN = re.compile(r"https://(\*\.)?[a-z0-9]([a-z0-9.-]*[a-z0-9])?(:[0-9]{1,5})?")
#: Redis gives a task to another worker after this; CELERY_BROKER_TRANSPORT_OPTIONS.
REDELIVERY = "visibility_timeout"
SHORTEST_TOKEN = 16
SHORTEST_KEY = 32
KINDS = methods.kinds()
LOCAL = {"localhost", "127.0.0.1", "[::1]", "::1", ".localhost"}


@register(Tags.security)
def settings_can_work(app_configs: Any, **options: Any) -> list[CheckMessage]:
    """Errors, each with the variable that is wrong."""
    return [Error(text, hint=hint, id=f"quorum.E{number:03}") for number, text, hint in _errors()]


@register(Tags.security, deploy=True)
def settings_are_fit_for_people(app_configs: Any, **options: Any) -> list[CheckMessage]:
    """Warnings about what should not be so where others can reach the server."""
    return [Warning(text, hint=hint, id=f"quorum.W{number:03}") for number, text, hint in _warnings()]


def _errors() -> Iterator[tuple[int, str, str]]:
    for origin in settings.FRAME_ANCESTORS:
        if not ORIGIN.fullmatch(origin):
            hint = "Give origins such as https://app.example.org, comma-separated."
            yield 1, f"FRAME_ANCESTORS has {origin!r}, which is no origin over https.", hint
    for network in settings.METRICS_ADDRESSES:
        try:
            ip_network(network, strict=False)
        except ValueError:
            yield 2, f"METRICS_ADDRESSES has {network!r}, which is no address or network.", "For instance 10.0.0.0/8."
    if settings.METRICS_TOKEN and len(settings.METRICS_TOKEN) < SHORTEST_TOKEN:
        yield 3, f"METRICS_TOKEN is shorter than {SHORTEST_TOKEN} characters.", "openssl rand -hex 32 makes a good one."
    site = urlsplit(settings.SITE_URL)
    if site.scheme not in ("http", "https") or not site.hostname or site.path or site.query:
        yield 4, f"SITE_URL is {settings.SITE_URL!r}, which is no address of a site.", "https://studies.example.org"
    elif not validate_host(site.hostname if ":" not in site.hostname else f"[{site.hostname}]", settings.ALLOWED_HOSTS):
        hint = "Nobody could open the site at its own address: add it to ALLOWED_HOSTS."
        yield 5, f"ALLOWED_HOSTS lacks {site.hostname}, the host of SITE_URL.", hint
    if settings.DEBUG and set(settings.ALLOWED_HOSTS) - LOCAL:
        hint = "Errors would show people what is in the program's memory. Unset DEBUG."
        yield 6, "DEBUG is on where others can reach the server.", hint
    redelivery = settings.CELERY_BROKER_TRANSPORT_OPTIONS.get(REDELIVERY)
    if redelivery and redelivery <= settings.WORK_LEASE:
        hint = f"Keep it well below {redelivery} seconds, or the queue runs batches twice."
        yield 7, f"WORK_LEASE is {settings.WORK_LEASE}, longer than the queue waits for a worker.", hint
    if settings.RECRUIT_KEY and len(settings.RECRUIT_KEY) < SHORTEST_KEY:
        hint = "openssl rand -hex 32 makes a good one. Another key makes everybody a stranger who came before."
        yield 8, f"RECRUIT_KEY is shorter than {SHORTEST_KEY} characters.", hint
    if settings.RECRUIT_KEY and settings.RECRUIT_KEY == settings.SECRET_KEY:
        yield 9, "RECRUIT_KEY is the SECRET_KEY.", "Give it one of its own: the SECRET_KEY must be easy to change."
    for available in (protocols.available, recruiters.available, *(partial(methods.available, k) for k in KINDS)):
        try:
            available()
        except (ImproperlyConfigured, methods.MethodError) as error:
            text = str(error)
            yield 11, f"{text[0].upper()}{text[1:]}.", "Rename one, or remove the app or package that brings it."


def _warnings() -> Iterator[tuple[int, str, str]]:
    if "*" in settings.ALLOWED_HOSTS:
        yield 1, "ALLOWED_HOSTS has *: links in pages can be made to lead elsewhere.", "Name the site's hosts."
    if not settings.HTTPS:
        yield 2, "SITE_URL is not https: everyone on the way can read tokens and passwords.", "Put a proxy in front."
    elif not settings.PROXIES:
        hint = "Set PROXIES to the number of your own proxies."
        yield 3, "PROXIES is 0 behind HTTPS: all visitors seem to come from the proxy, and are not limited.", hint
    if "sqlite" not in settings.DATABASES["default"]["ENGINE"]:
        if "locmem" in settings.CACHES["default"]["BACKEND"]:
            yield 4, "CACHE_URL is not set: each process counts requests for itself.", "Give a Redis database."
        if settings.CELERY_BROKER_TRANSPORT_OPTIONS.get("data_folder_in"):
            yield 5, "BROKER_URL is not set: workers on other machines hear nothing.", "Give a Redis database."
    if settings.TOKEN_LIMIT == 0 or settings.JOIN_LIMIT == 0:
        yield 6, "TOKEN_LIMIT or JOIN_LIMIT is 0: nobody is ever asked to wait.", "Leave them to their defaults."
    if not settings.RECRUIT_KEY:
        hint = "Set it, apart from the database, before studies recruit at Prolific."
        yield 7, "RECRUIT_KEY is not set: nobody whom a recruiter names is taken in.", hint
