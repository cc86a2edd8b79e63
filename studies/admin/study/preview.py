"""Every page a participant will see, with the study's own stimuli and no participant: nothing is stored.

The pages are those of studies.views.every_page; a form leads to the next page and no further.  They stand below
/admin/, because the desk's cookies go nowhere else.
"""

from django.contrib import messages
from django.contrib.admin import ModelAdmin
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.csrf import csrf_exempt

from studies.admin.pages import as_sentence, get_object_or_404_for
from studies.models import Study
from studies.views import every_page
from studies.views.pages import SeeOther, in_its_language, public_page
from studies.views.session import NEXT_PAGE

#: A page's script asks for the next page in the place of this one.  It gets one that does not fit there, and then has
#: the browser send the form: each previewed page has an address of its own, and can be loaded again.
NOT_HERE = '<!doctype html><meta name="application-name" content="Quorum"><title>Preview</title>'


def previewable(study: Study) -> bool:
    """Whether the stimuli are those of the design."""
    return study.state not in (Study.State.DRAFT, Study.State.PREPARING)


@csrf_exempt
def preview(admin: ModelAdmin, request: HttpRequest, pk: int) -> HttpResponse:
    """One page, by `at`; or, by `number`, that stimulus as it is asked about.  A form sent from it leads to the next.

    Participants' forms have no CSRF token; here they change nothing.
    """
    return _previewed(request, admin, pk)


@public_page
def _previewed(request: HttpRequest, admin: ModelAdmin, pk: int) -> HttpResponse:
    study = get_object_or_404_for(admin, request, pk, "view")
    if not previewable(study):
        messages.error(request, as_sentence(f"study {study.slug} is {study.state}: prepare it first, then look at it"))
        return redirect(admin.address(study))
    shown = every_page.pages(study, request.GET.get("number", ""))
    at = next((n for n, one in enumerate(shown) if one.key == request.GET.get("at")), None)
    if at is None:
        asked = request.GET.get("number")
        at = next((n for n, one in enumerate(shown) if asked and one.key == f"stimulus-{asked}"), 0)
    address, following = admin.address(study, "preview"), shown[(at + 1) % len(shown)]
    if request.method == "POST":
        if NEXT_PAGE in request.headers:
            return HttpResponse(NOT_HERE, status=409)
        return SeeOther(f"{address}?at={following.key}")
    request.preview = {
        "pages": [{"title": one.title, "url": f"{address}?at={one.key}"} for one in shown],
        "title": shown[at].title,
        "number": at + 1,
        "before": f"{address}?at={shown[at - 1].key}" if at else "",
        "after": f"{address}?at={following.key}" if at + 1 < len(shown) else "",
        "back": admin.address(study),
    }
    if shown[at].show.func is not every_page.consent:
        # There is nobody to withdraw: the link stays here.
        request.way_out = f"{address}?at={shown[at].key}"
        request.own_consent = f"{address}?at={shown[0].key}"
    with in_its_language(study):
        return shown[at].show(request)
