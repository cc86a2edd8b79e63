"""What a recruiter's service sends us: a doorbell.  Signed, it is believed to have rung, and nothing else."""

import logging

from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.views.decorators.csrf import csrf_exempt

from studies import recruiters
from studies.recruitment import postings

log = logging.getLogger(__name__)

#: A message says which thing changed, in a few hundred bytes.
LONGEST = 64 * 1024


@csrf_exempt
def recruiter_message(request: HttpRequest, key: str) -> HttpResponse:
    """Have the posting asked about that a signed message names."""
    recruiter = recruiters.available().get(key)
    market = recruiter.market() if recruiter else None
    if market is None:
        return HttpResponse(status=404)
    if request.method != "POST":
        return HttpResponseNotAllowed(["POST"])
    if _length(request) > LONGEST:
        return HttpResponse(status=413)
    about = market.about(request.headers, request.body)
    if about is None:
        log.warning("a message that %s did not sign was refused", key)
        return HttpResponse(status=403)
    postings.ring(key, about)
    return HttpResponse(status=204)


def _length(request: HttpRequest) -> int:
    """What a body announces: more than any where it announces nothing, or no number."""
    told = request.headers.get("Content-Length", "")
    return int(told) if told.isascii() and told.isdecimal() else LONGEST + 1
