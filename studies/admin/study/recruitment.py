"""How a study's people come to it, and who is due for a second visit."""

from django.contrib import messages
from django.contrib.admin import ModelAdmin
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.shortcuts import redirect

from studies import lifecycle, recruiters
from studies.admin.pages import as_sentence, get_object_or_404_for, page
from studies.admin.widgets import with_theme_widgets
from studies.lib.errors import StudyError
from studies.models import Study
from studies.participation import visits
from studies.recruitment import arrivals

#: To whoever chooses a recruiter that names people.
IN_CONSENT = "The composed consent text says what is kept for payment. Read it; a text of your own has to say it too."


def recruiting(admin: ModelAdmin, request: HttpRequest, pk: int) -> HttpResponse:
    """GET shows the recruiter and what to do there, or the settings of another (`recruiter`); POST chooses it."""
    study = get_object_or_404_for(admin, request, pk, "change" if request.method == "POST" else "view")
    now, settings = arrivals.recruiter_of(study)
    try:
        shown = recruiters.get(request.POST.get("recruiter") or request.GET.get("recruiter") or now.key)
    except StudyError:
        raise Http404 from None
    form = with_theme_widgets(
        shown.form_class(request.POST if request.method == "POST" else None, initial=_before(study, shown))
    )
    problem = ""
    if request.method == "POST" and form.is_valid():
        try:
            arrivals.choose(study, shown.key, form.cleaned_data, actor=request.user)
        except StudyError as error:
            problem = as_sentence(error)
        else:
            messages.success(request, f"People come by this from now on: {shown.title}.")
            if shown.names_people and study.state in lifecycle.NOT_YET_OPEN:
                messages.info(request, IN_CONSENT)
            return redirect(admin.address(study, "recruiting"))
    chosen = shown.key == now.key
    context = {
        "study": study,
        "original": study,
        "all": recruiters.available().values(),
        "shown": shown,
        "chosen": chosen,
        "form": form,
        "problem": problem,
        "instructions": shown.instructions(settings, arrivals.link_of(study)) if chosen else [],
        "may_change": admin.has_change_permission(request, study),
        "counts": visits.counts(study),
        "due": arrivals.due(study) if now.names_people else [],
    }
    return page(admin, request, "admin/studies/study/recruiting.html", title="Recruiting", **context)


def _before(study: Study, shown: recruiters.Recruiter) -> dict:
    """The settings this recruiter has, or had, in the study."""
    chosen = getattr(study, "recruitment", None)
    return chosen.settings.get(shown.key, {}) if chosen else {}


def due(admin: ModelAdmin, request: HttpRequest, pk: int) -> HttpResponse:
    """Who may come to their next visit, by the ids that their recruiter invites them by; it is logged who saw them."""
    if request.method != "POST":
        return HttpResponseNotAllowed(["POST"])
    study = get_object_or_404_for(admin, request, pk, "change")
    people = arrivals.reveal_due_ids(study, actor=request.user)
    ids = [one.person for one in people if one.person]
    context = {"study": study, "original": study, "people": people, "ids": "\n".join(ids), "n": len(ids)}
    return page(admin, request, "admin/studies/study/due.html", title="Due for the next visit", **context)
