"""The results page of a study, and the folder with everything to download."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.contrib import messages
from django.contrib.admin import ModelAdmin
from django.http import FileResponse, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect
from django.utils.safestring import mark_safe

from studies import audit, protocols
from studies.admin.pages import get_object_or_404_for, page
from studies.export import on_request
from studies.lib.errors import StudyError
from studies.models import Study
from studies.protocols import Figure, Gallery
from studies.registration.done import registered_against_done
from studies.results import cache, page_data
from studies.results.result import result

from .descriptions import plan_of, side_by_side


def results(admin: ModelAdmin, request: HttpRequest, pk: int) -> HttpResponse:
    """The result of a closed study.  Of an open one only counts and times: looking at outcomes early misleads.

    Of a large study it is what a worker counted; a POST has one try again where that failed.
    """
    study = get_object_or_404_for(admin, request, pk, "view")
    if study.opened_at is None:
        messages.error(request, f"Study {study.slug} is {study.state}: it has no answers yet.")
        return redirect(admin.address(study))
    if request.method == "POST" and cache.try_again(study):
        return redirect(request.path)
    counted = cache.look_up(study) if cache.large(study) else None
    told = counted.page_data if counted else page_data.page_data(result(study))
    context = {"study": study, "original": study, "kind": protocols.get(study.protocol), "counted": counted}
    if told is None:
        return page(admin, request, "admin/studies/study/results_to_come.html", title="Results", **context)
    if study.state == Study.State.CLOSED:
        audit.record_reading(study, "results page", request.user)
    amendments = list(study.amendments.select_related("made_by"))
    context |= {
        **_read(told),
        "exploratory": [
            {**one, "amendment": amendment}
            for one in told["exploratory"]
            for amendment in amendments
            if amendment.number == one["number"]
        ],
        "amendments": amendments,
        "looks": study.looks.all(),
        "plan": plan_of(study.frozen["analysis"]),
        "done": page_data.in_cells(registered_against_done(study, told["counts"])),
        "has_change_permission": admin.has_change_permission(request, study),
    }
    return page(admin, request, "admin/studies/study/results.html", title="Results", **context)


def _read(told: Mapping[str, Any]) -> dict[str, Any]:
    """What is told as its page shows it."""
    return {
        **told,
        "span": [moment and datetime.fromisoformat(moment) for moment in told["span"]],
        "galleries": [side_by_side(Gallery(**gallery)) for gallery in told["galleries"]],
        "figures": [_trusted(figure) for figure in told["figures"]],
    }


def export(admin: ModelAdmin, request: HttpRequest, pk: int) -> HttpResponseBase:
    """The export folder of a closed study, in one file."""
    study = get_object_or_404_for(admin, request, pk, "view")
    if study.state != Study.State.CLOSED:
        messages.error(request, f"Study {study.slug} is {study.state}: only a closed study can be downloaded.")
        return redirect(admin.address(study))
    try:
        file = on_request.open_zip(study, actor=request.user)
    except StudyError as error:
        messages.error(request, f"Not exported: {error}.")
        return redirect("admin:studies_study_results", study.pk)
    return FileResponse(file, as_attachment=True, filename=f"{study.slug}.zip", content_type="application/zip")


def shown(figure: Figure) -> dict[str, Any]:
    """A figure with its drawing, and its numbers for whoever cannot see it."""
    return _trusted(page_data.drawn(figure))


def _trusted(figure: Mapping[str, Any]) -> dict[str, Any]:
    # The drawing is our own, also where it was a row meanwhile: its words are escaped where it is made.
    return {**figure, "svg": mark_safe(figure["svg"])}  # noqa: S308
