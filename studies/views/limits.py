"""How often somebody may ask.  Counted in the cache, in minutes of the clock, and only ever against one's own pages.

The limits are far above what anybody does by hand: they are there for programs.  Where the cache cannot be reached
nobody is refused.
"""

import logging
import time
from hashlib import sha256

from django.conf import settings
from django.core.cache import cache
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _

from studies.addresses import place_of
from studies.errors import one_line
from studies.models import Study

from .pages import notice

log = logging.getLogger(__name__)

MINUTE = 60


def too_often(what: str, who: str | None, limit: int) -> bool:
    """Count one more request of this kind, and say whether it is above `limit` a minute; 0 means no limit."""
    if not limit or who is None:
        return False
    minute = int(time.time()) // MINUTE
    # What is counted by is a key, or where somebody is: the cache gets neither.
    key = f"asked:{what}:{sha256(who.encode()).hexdigest()[:32]}:{minute}"
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


def wait(request: HttpRequest, study: Study | None = None) -> HttpResponse:
    """The page that asks for patience; a page's script waits by itself, and sends again."""
    text = _("More was asked for within a minute than anybody can read. What you had answered is stored.")
    page = notice(request, study, _("One moment, please"), text, status=429, again=request.path)
    page.headers["Retry-After"] = str(MINUTE)
    return page
