"""How a study's people come to it, and who is due for a second visit."""

from typing import TYPE_CHECKING

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.shortcuts import redirect

from studies import postings, recruitment, visits
from studies import recruiting as recruiters
from studies.errors import StudyError
from studies.models import Study

from .designing import dressed
from .pages import page, row, sentence

if TYPE_CHECKING:
    from .studies import StudyAdmin


def recruiting(admin: "StudyAdmin", request: HttpRequest, pk: int) -> HttpResponse:
    """GET shows the recruiter and what to do there, or the settings of another (`recruiter`); POST chooses it."""
    study = row(admin, request, pk, "change" if request.method == "POST" else "view")
    now, settings = recruitment.recruiter_of(study)
    try:
        shown = recruiters.get(request.POST.get("recruiter") or request.GET.get("recruiter") or now.key)
    except StudyError:
        raise Http404 from None
    form = dressed(shown.form_class(request.POST if request.method == "POST" else None, initial=_before(study, shown)))
    problem = ""
    if request.method == "POST" and form.is_valid():
        text = study.consent_text
        try:
            recruitment.choose(study, shown.key, form.cleaned_data, actor=request.user)
        except StudyError as error:
            problem = sentence(error)
        else:
            messages.success(request, f"People come by this from now on: {shown.title}.")
            if study.consent_text != text:
                messages.info(request, "The text people agree to says now what is kept of them for payment: read it.")
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
        "instructions": shown.instructions(settings, postings.link_of(study)) if chosen else [],
        "may_change": admin.has_change_permission(request, study),
        "counts": visits.counts(study),
        "due": recruitment.due(study) if now.names_people else [],
        "n_postings": study.postings.count(),
    }
    return page(admin, request, "admin/studies/study/recruiting.html", title="Recruiting", **context)


def _before(study: Study, shown: recruiters.Recruiter) -> dict:
    """The settings this recruiter has, or had, in the study."""
    chosen = getattr(study, "recruitment", None)
    return chosen.settings.get(shown.key, {}) if chosen else {}


def due(admin: "StudyAdmin", request: HttpRequest, pk: int) -> HttpResponse:
    """Who may come to their next visit, by the ids that their recruiter invites them by; it is logged who saw them."""
    if request.method != "POST":
        return HttpResponseNotAllowed(["POST"])
    study = row(admin, request, pk, "change")
    people = recruitment.name_due(study, actor=request.user)
    ids = [one.person for one in people if one.person]
    context = {"study": study, "original": study, "people": people, "ids": "\n".join(ids), "n": len(ids)}
    return page(admin, request, "admin/studies/study/due.html", title="Due for their next visit", **context)
