"""The results page of a study, and the folder with everything to download."""

from typing import TYPE_CHECKING, Any

from django.contrib import messages
from django.core.cache import cache
from django.db.models import Count, Max, Min, Q
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.safestring import mark_safe

from studies import audit, protocols
from studies.models import Study
from studies.protocols import Figure, Table
from studies.reports import export as exporting
from studies.reports import figures
from studies.reports.results import result
from studies.workbench.recipes import digest

from .describing import plan_of, side_by_side
from .pages import page, row

if TYPE_CHECKING:
    from .studies import StudyAdmin


#: A study of so many trials is worked out while the page waits; a larger one beside it, and remembered.
AT_ONCE = 5_000
NOW = "now"
CLOSED_SECONDS, OPEN_SECONDS = 24 * 3600, 60


def results(admin: "StudyAdmin", request: HttpRequest, pk: int) -> HttpResponse:
    """The result of a closed study.  Of an open one only counts and times: looking at outcomes early misleads."""
    study = row(admin, request, pk, "view")
    if study.opened_at is None:
        messages.error(request, f"Study {study.slug} is {study.state}: it has no answers yet.")
        return redirect(admin.address(study))
    told = _kept(study) if NOW in request.GET else _remembered(study)
    if told is None:
        # The page comes at once, and asks for the rest.
        context = {"study": study, "original": study, "now": f"?{NOW}=1"}
        return page(admin, request, "admin/studies/study/results_to_come.html", title="Results", **context)
    if study.state == Study.State.CLOSED:
        audit.record_reading(study, "results page", request.user)
    context = {
        **told,
        "study": study,
        "original": study,
        "kind": protocols.get(study.protocol),
        "amendments": study.amendments.select_related("made_by"),
        "looks": study.looks.all(),
        "plan": plan_of(study.frozen["analysis"]),
        "has_change_permission": admin.has_change_permission(request, study),
    }
    return page(admin, request, "admin/studies/study/results.html", title="Results", **context)


def _remembered(study: Study) -> dict[str, Any] | None:
    """What the page tells of a small study, or of a large one where it was worked out before; None otherwise."""
    if study.trials.count() <= AT_ONCE:
        return _told(study)
    return cache.get(_key(study))


def _kept(study: Study) -> dict[str, Any]:
    """What the page tells, worked out now, and remembered for a while."""
    key, told = _key(study), _told(study)
    cache.set(key, told, CLOSED_SECONDS if study.state == Study.State.CLOSED else OPEN_SECONDS)
    return told


def _key(study: Study) -> str:
    """Another one whenever there could be another result."""
    trials = study.trials.aggregate(n=Count("pk"), counted=Count("pk", filter=Q(counted=True)))
    people = study.participants.aggregate(
        n=Count("pk"),
        excluded=Count("pk", filter=Q(excluded_at__isnull=False)),
        withdrawn=Count("pk", filter=Q(withdrawn_at__isnull=False)),
    )
    closed = study.state == Study.State.CLOSED
    # Of an open study the answers themselves would be a new key at each of them.
    changing = [trials, people] if closed else []
    versions = [protocols.get(study.protocol).version, study.amendments.count()]
    return f"results:{digest([study.pk, study.state, versions, changing])}"


def _told(study: Study) -> dict[str, Any]:
    """The result in words, tables and drawings."""
    found = result(study)
    median = found.counts["median_response_ms"]
    context: dict[str, Any] = {
        "counts": found.counts,
        "median_seconds": None if median is None else median / 1000,
        "span": study.trials.filter(counted=True).aggregate(first=Min("answered_at"), last=Max("answered_at")),
    }
    told = found.summary or found.quality
    context |= {
        "headline": unbroken(told.headline),
        "warnings": [unbroken(warning) for warning in told.warnings],
        "tables": [in_cells(table) for table in told.tables],
        "galleries": [side_by_side(gallery) for gallery in told.galleries],
        "figures": [shown(figure) for figure in told.figures],
        "exploratory": [
            {
                "amendment": amendment,
                "headline": unbroken(summary.headline),
                "table": in_cells(summary.tables[0]) if summary.tables else None,
            }
            for amendment, summary in found.exploratory
        ],
    }
    return context


def export(admin: "StudyAdmin", request: HttpRequest, pk: int) -> HttpResponse:
    """The export folder of a closed study, in one file."""
    study = row(admin, request, pk, "view")
    if study.state != Study.State.CLOSED:
        messages.error(request, f"Study {study.slug} is {study.state}: only a closed study can be downloaded.")
        return redirect(admin.address(study))
    headers = {"Content-Disposition": f'attachment; filename="{study.slug}.zip"'}
    return HttpResponse(exporting.zipped(study, actor=request.user), content_type="application/zip", headers=headers)


def shown(figure: Figure) -> dict[str, Any]:
    """A figure with its drawing, and its numbers for whoever cannot see it."""
    # The drawing is our own: its words are escaped where it is made.
    drawing = mark_safe(figures.svg(figure))  # noqa: S308
    return {"title": figure.title, "note": figure.note, "svg": drawing, "table": in_cells(figures.table(figure))}


def in_cells(table: Table) -> dict[str, Any]:
    """A table whose cells are words, numbers right-aligned."""
    rows = [[{"text": _text(cell), "number": isinstance(cell, int | float)} for cell in cells] for cells in table.rows]
    return {"title": table.title, "columns": table.columns, "rows": rows, "note": table.note} | {
        "exploratory": table.exploratory
    }


def _text(cell: Any) -> str:
    if cell is None:
        return "–"
    if isinstance(cell, float):
        return f"{cell:.4g}"
    return f"{cell:,}" if isinstance(cell, int) else unbroken(str(cell))


def unbroken(text: str) -> str:
    """The text with its percent signs kept beside their numbers."""
    return text.replace(" %", "\N{NO-BREAK SPACE}%")
