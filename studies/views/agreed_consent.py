"""What a participant agreed to, to read again at any time: the very text, in its language, and when it was.

A page of its own below their address, so that a trial that is open stays as it is: no place is held or given back for
it, and nothing is stored.
"""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_safe

from studies import participation
from studies.recruitment import arrivals

from . import rate_limits
from .pages import in_its_language, participants_page, unknown


@participants_page
@require_safe
def own_consent(request: HttpRequest, token: str) -> HttpResponse:
    """The text of the version and language that they agreed to; after a withdrawal nobody has this token."""
    if rate_limits.too_often_by_token(token):
        return rate_limits.wait(request)
    participant = participation.find(token)
    if participant is None:
        return rate_limits.wait(request) if rate_limits.too_often_by_address(request) else unknown(request)
    study, consent, when = participant.study, participant.consent, timezone.localtime(participant.consented_at)
    request.way_out = reverse("studies:withdraw", args=[token])
    request.ancestors = arrivals.ancestors(study)
    context = {
        "study": study,
        "consent": consent,
        # A text of the researchers' own is in the language of the pages, where the design names one.
        "text_language": consent.language or study.design.get("language", ""),
        "when": when,
        "zone": when.tzname(),
        "contact": study.consent_details.get("contact", ""),
        "back": reverse("studies:take", args=[token]),
    }
    with in_its_language(study):
        return render(request, "participant/own_consent.html", context)
