"""An open study as it runs, and excluding somebody; nothing here tells an outcome."""

from typing import TYPE_CHECKING, Any
from uuid import UUID

from django import forms
from django.contrib import messages
from django.core.cache import cache
from django.core.paginator import Paginator
from django.db.models import Count, Q, QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from unfold import widgets

from studies import participation, protocols
from studies.errors import StudyError
from studies.models import Participant, Role, Study
from studies.reports import running as counting
from studies.workbench.recipes import digest

from .pages import page, row, sentence
from .results import shown

if TYPE_CHECKING:
    from .studies import StudyAdmin

PEOPLE_ON_A_PAGE = 50
#: A drawing of the same numbers is kept for so long; new numbers get a new one.
CHART_SECONDS = 3600
#: However many look at it, the charts are drawn once in so many seconds.
CHARTS_EVERY = 30


class ExclusionForm(forms.Form):
    reason = forms.CharField(
        max_length=2000,
        widget=widgets.UnfoldAdminTextareaWidget(attrs={"rows": 3}),
        help_text="What they did, in words that a reviewer understands. It stands in the log and in every export.",
    )


def running(admin: "StudyAdmin", request: HttpRequest, pk: int) -> HttpResponse:
    """Counts and times; the page asks for itself again and again while the study runs."""
    study = row(admin, request, pk, "view")
    if study.opened_at is None:
        messages.error(request, f"Study {study.slug} is {study.state}: nobody can answer it yet.")
        return redirect(admin.address(study))
    context = {
        "study": study,
        "original": study,
        "kind": protocols.get(study.protocol),
        "now": counting.running(study),
        "renews": study.state in (Study.State.OPEN, Study.State.PAUSED),
    }
    return page(admin, request, "admin/studies/study/running.html", title="As it runs", **context)


def charts(admin: "StudyAdmin", request: HttpRequest, pk: int) -> HttpResponse:
    """Answers and people over time, for the page above to put in; a page of its own for whoever has no script."""
    study = row(admin, request, pk, "view")
    context = {
        "study": study,
        "original": study,
        "figures": cache.get_or_set(f"charts:{study.pk}", lambda: _charts(study), CHARTS_EVERY),
        "renews": study.state in (Study.State.OPEN, Study.State.PAUSED),
    }
    return page(admin, request, "admin/studies/study/charts.html", title="Charts", **context)


def _charts(study: Study) -> list[dict[str, Any]]:
    figures = counting.over_time(study)
    keys = [f"chart:{digest([figure.title, list(figure.series)])}" for figure in figures]
    return [
        cache.get_or_set(key, lambda figure=figure: shown(figure), CHART_SECONDS)
        for key, figure in zip(keys, figures, strict=True)
    ]


def participants(admin: "StudyAdmin", request: HttpRequest, pk: int) -> HttpResponse:
    """Who took part, by number, identifier or completion code: how many they answered, never what."""
    study = row(admin, request, pk, "view")
    asked = request.GET.get("q", "").strip()
    people = _found(study.participants.order_by("-number"), asked)
    shown_now = Paginator(people, PEOPLE_ON_A_PAGE).get_page(request.GET.get("p"))
    told = {one["pk"]: one for one in _told(study, [person.pk for person in shown_now])}
    context = {
        "study": study,
        "original": study,
        "asked": asked,
        "shown": shown_now,
        "people": [(person, told[person.pk]) for person in shown_now],
        "may_exclude": admin.has_change_permission(request, study)
        and study.state in (Study.State.OPEN, Study.State.PAUSED),
    }
    return page(admin, request, "admin/studies/study/participants.html", title="Participants", **context)


def _found(people: QuerySet[Participant], asked: str) -> QuerySet[Participant]:
    if not asked:
        return people
    matching = Q(completion_code=asked.upper())
    if _is_number(asked):
        matching |= Q(number=int(asked))
    if identifier := _uuid(asked):
        matching |= Q(public_id=identifier)
    return people.filter(matching)


def _told(study: Study, pks: list[int]) -> QuerySet:
    gold, answered = Q(trials__role=Role.GOLD), Q(trials__answered_at__isnull=False)
    return (
        study.participants.filter(pk__in=pks)
        .order_by()
        .values("pk")
        .annotate(
            answered=Count("trials", filter=answered & Q(trials__role=Role.MAIN)),
            counted=Count("trials", filter=Q(trials__counted=True)),
            gold=Count("trials", filter=gold & answered),
            gold_right=Count("trials", filter=gold & Q(trials__correct=True)),
        )
    )


def _is_number(text: str) -> bool:
    return text.isdecimal() and len(text) < 10


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


def exclude(admin: "StudyAdmin", request: HttpRequest, pk: int) -> HttpResponse:
    """GET says what excluding does and asks why, POST does it; `number` is the participant's."""
    study = row(admin, request, pk, "change")
    number = request.GET.get("number", "")
    person = study.participants.filter(number=int(number)).first() if _is_number(number) else None
    if person is None:
        raise Http404
    person.study = study
    form = ExclusionForm(request.POST if request.method == "POST" else None)
    if form.is_valid():
        try:
            answers = participation.exclude(person, reason=form.cleaned_data["reason"], actor=request.user)
        except StudyError as error:
            form.add_error(None, sentence(error))
        else:
            places = f"{answers:,} place{'s' * (answers != 1)}"
            messages.success(request, f"Participant {person.number} is excluded; {places} opened again.")
            return redirect(admin.address(study, "participants"))
    told = _told(study, [person.pk])[0]
    context = {"study": study, "original": study, "form": form, "person": person, "told": told}
    return page(admin, request, "admin/studies/study/exclude.html", title="Exclude a participant", **context)
