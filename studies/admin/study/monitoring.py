"""An open study as it runs, and excluding somebody; nothing here tells an outcome."""

from typing import Any
from uuid import UUID

from django import forms
from django.contrib import messages
from django.contrib.admin import ModelAdmin
from django.core.cache import cache
from django.core.paginator import Paginator
from django.db.models import Count, Q, QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from unfold import widgets

from studies import participation, protocols
from studies.admin.pages import as_sentence, get_object_or_404_for, page
from studies.lib.canonical_json import digest
from studies.lib.errors import StudyError
from studies.models import Participant, Role, Study
from studies.results import monitoring as counting
from studies.results.people import answering

from .results import shown

PEOPLE_ON_A_PAGE = 50
#: A drawing of the same numbers is kept for so long; new numbers get a new one.
CHART_SECONDS = 3600
#: However many look at it, the charts are drawn once in so many seconds.
CHARTS_EVERY = 30


class ExclusionForm(forms.Form):
    reason = forms.CharField(
        max_length=2000,
        widget=widgets.UnfoldAdminTextareaWidget(attrs={"rows": 3}),
        help_text="Reason for the exclusion, understandable to a reviewer. It is part of the log and every export.",
    )


def running(admin: ModelAdmin, request: HttpRequest, pk: int) -> HttpResponse:
    """Counts and times; the page asks for itself again and again while the study runs."""
    study = get_object_or_404_for(admin, request, pk, "view")
    if study.opened_at is None:
        messages.error(request, f"Study {study.slug} is {study.state}: it cannot be answered yet.")
        return redirect(admin.address(study))
    context = {
        "study": study,
        "original": study,
        "kind": protocols.get(study.protocol),
        "now": counting.running(study),
        "renews": study.state in (Study.State.OPEN, Study.State.PAUSED),
    }
    return page(admin, request, "admin/studies/study/running.html", title="As it runs", **context)


def charts(admin: ModelAdmin, request: HttpRequest, pk: int) -> HttpResponse:
    """Answers and people over time, for the page above to put in; a page of its own for whoever has no script."""
    study = get_object_or_404_for(admin, request, pk, "view")
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


def participants(admin: ModelAdmin, request: HttpRequest, pk: int) -> HttpResponse:
    """Who took part, by number, identifier or completion code: how many they answered, never what."""
    study = get_object_or_404_for(admin, request, pk, "view")
    asked = request.GET.get("q", "").strip()
    may_edit = admin.has_change_permission(request, study)
    people = _found(study.participants.order_by("-pk"), asked, by_code=may_edit)
    shown_now = Paginator(people, PEOPLE_ON_A_PAGE).get_page(request.GET.get("p"))
    told = {one["pk"]: one for one in _told(study, [person.pk for person in shown_now])}
    closed = study.state == Study.State.CLOSED
    ways = _ways(study) if closed else {}
    context = {
        "study": study,
        "original": study,
        "asked": asked,
        "shown": shown_now,
        "people": [(person, told[person.pk], ways.get(person.pk)) for person in shown_now],
        "closed": closed,
        "may_edit": may_edit,
        "earned": may_edit and not people.exists() and participation.was_earned(study, asked),
        "may_exclude": may_edit and study.state in (Study.State.OPEN, Study.State.PAUSED),
    }
    return page(admin, request, "admin/studies/study/participants.html", title="Participants", **context)


def _ways(study: Study) -> dict[int, Any]:
    """By participant how they answered, which is an outcome: of a closed study alone."""
    withdrawn = study.participants.filter(withdrawn_at__isnull=False).count()
    key = f"answering:{study.pk}:{study.closed_at}:{withdrawn}"
    return cache.get_or_set(key, lambda: answering(study).people, CHART_SECONDS)


def _found(people: QuerySet[Participant], asked: str, *, by_code: bool) -> QuerySet[Participant]:
    """by_code: also by the completion code, which withdraws whoever it belongs to and is for those who may edit."""
    if not asked:
        return people
    matching = Q(completion_code=asked.upper()) if by_code else Q(pk=None)
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


def exclude(admin: ModelAdmin, request: HttpRequest, pk: int) -> HttpResponse:
    """GET says what excluding does and asks why, POST does it; `number` is the participant's."""
    study = get_object_or_404_for(admin, request, pk, "change")
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
            form.add_error(None, as_sentence(error))
        else:
            places = f"{answers:,} place{'s' * (answers != 1)}"
            messages.success(request, f"Participant {person.number} is excluded; {places} opened again.")
            return redirect(admin.address(study, "participants"))
    told = _told(study, [person.pk])[0]
    context = {"study": study, "original": study, "form": form, "person": person, "told": told}
    return page(admin, request, "admin/studies/study/exclude.html", title="Exclude a participant", **context)
