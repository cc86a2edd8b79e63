"""How often somebody may ask.  Counted in the cache, in minutes of the clock, and only ever against one's own pages.

The limits are far above what anybody does by hand: they are there for programs.  Where the cache cannot be reached
nobody is refused.
"""

import logging
import time

from django.conf import settings
from django.core.cache import cache
from django.http import HttpRequest, HttpResponse
from django.utils.crypto import salted_hmac
from django.utils.translation import gettext as _

from studies import participation
from studies.lib.client_address import place_of
from studies.lib.errors import one_line
from studies.models import Participant, Study

from .pages import notice

log = logging.getLogger(__name__)

MINUTE = 60
#: As many beginners as there are places, by this, may hold some whatever the limit by link: half of them, at two each.
BEGINNERS_SHARE = 4
#: So long it is remembered that somebody began at an address; longer than any lease.
BEGUN_SECONDS = 60 * MINUTE
#: Seconds after which a page of somebody who waits for a place looks again.
LOOK_AGAIN = 15


def minute_of_clock() -> int:
    """Minutes since the epoch; each begins the counts anew."""
    return int(time.time()) // MINUTE


def too_often(what: str, who: str | None, limit: int) -> bool:
    """Count one more request of this kind, and say whether it is above `limit` a minute; 0 means no limit."""
    if not limit or who is None:
        return False
    # What is counted by is a key, or where somebody is: the cache gets neither.
    key = f"asked:{what}:{_hidden(who)}:{minute_of_clock()}"
    try:
        cache.add(key, 0, timeout=2 * MINUTE)
        return cache.incr(key) > limit
    except Exception as error:  # each cache raises errors of its client's own
        log.warning("requests are not counted, the cache cannot be reached: %s", one_line(error))
        return False


def too_often_by_token(token: str) -> bool:
    return too_often("token", token, settings.TOKEN_LIMIT)


def too_often_by_address(request: HttpRequest) -> bool:
    return too_often("address", place_of(request), settings.JOIN_LIMIT)


def too_many_beginning(request: HttpRequest, participant: Participant) -> bool:
    """Whether as many as may hold places without having answered yet, of this address or by this link; else count one.

    An address has a list of participants in the cache, under its hash, for as long as a lease can last.
    """
    study, limits = participant.study, (settings.BEGINNERS_PER_LINK, settings.BEGINNERS_PER_ADDRESS)
    if not any(limits) or participant.started_at:
        return False
    begun = set(participation.beginners(study).values_list("pk", flat=True))
    # Where there are many more places than these hold, nobody has to wait for them.
    if limits[0] and len(begun) >= limits[0] and len(begun) >= participation.places_left(study) / BEGINNERS_SHARE:
        return True
    place = place_of(request)
    if place is None or not limits[1]:
        return False
    key = f"begun:{_hidden(f'{study.link} {place}')}"
    try:
        here = begun.intersection(cache.get(key, ()))
        if len(here) >= limits[1]:
            return True
        cache.set(key, [*here, participant.pk], BEGUN_SECONDS)
    except Exception as error:  # each cache raises errors of its client's own
        log.warning("beginners are not counted, the cache cannot be reached: %s", one_line(error))
    return False


def _hidden(who: str) -> str:
    """What the cache has in its place: without this installation's key nobody finds an address by trying all."""
    return salted_hmac("studies.rate_limits", who, algorithm="sha256").hexdigest()[:32]


def wait_to_begin(request: HttpRequest, study: Study) -> HttpResponse:
    """The page of somebody whose turn it is in a moment; it looks again by itself."""
    text = _("Many people have just begun. Please wait a moment: you can begin as soon as some of them have answered.")
    page = notice(request, study, _("Please wait a moment"), text, status=429, again=request.path)
    page.headers["Retry-After"] = page.headers["Refresh"] = str(LOOK_AGAIN)
    return page


def wait(request: HttpRequest, study: Study | None = None) -> HttpResponse:
    """The page that asks for patience; a page's script waits by itself, and sends again."""
    text = _("Too many requests in the last minute. Your answers are saved; please try again in a minute.")
    page = notice(request, study, _("One moment, please"), text, status=429, again=request.path)
    page.headers["Retry-After"] = str(MINUTE)
    return page
