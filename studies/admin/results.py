"""The results page of a study, and the folder with everything to download."""

from typing import TYPE_CHECKING, Any

from django.contrib import messages
from django.db.models import F, Max, Min
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect

from studies import protocols
from studies.models import Study
from studies.reports import export as exporting
from studies.reports import figures
from studies.reports import results as reporting

from .pages import page, row
from .progress import panels, progress

if TYPE_CHECKING:
    from .studies import StudyAdmin


def results(admin: "StudyAdmin", request: HttpRequest, pk: int) -> HttpResponse:
    """The result of a closed study.  Of an open one only counts and times: looking at outcomes early misleads."""
    study = row(admin, request, pk, "view")
    if study.opened_at is None:
        messages.error(request, f"Study {study.slug} is {study.state}: it has no answers yet.")
        return redirect(admin.address(study))
    context: dict[str, Any] = {
        "study": study,
        "original": study,
        "kind": protocols.get(study.protocol),
        "progress": progress(study),
        "panels": panels(study),
        "times": times(study),
    }
    if study.state == Study.State.CLOSED:
        result = reporting.result(study)
        context |= {
            "result": result,
            "summary": result.summary,
            "figures": [(figure, figures.svg(figure)) for figure in result.summary.figures],
        }
    return page(admin, request, "admin/studies/study/results.html", title="Results", **context)


def export(admin: "StudyAdmin", request: HttpRequest, pk: int) -> HttpResponse:
    """The export folder of a closed study, in one file."""
    study = row(admin, request, pk, "view")
    if study.state != Study.State.CLOSED:
        messages.error(request, f"Study {study.slug} is {study.state}: only a closed study can be downloaded.")
        return redirect(admin.address(study))
    headers = {"Content-Disposition": f'attachment; filename="{study.slug}.zip"'}
    return HttpResponse(exporting.zipped(study), content_type="application/zip", headers=headers)


def times(study: Study) -> dict[str, Any]:
    """When answers came, and how long they took: the median, by the server's clock."""
    answered = study.trials.filter(counted=True)
    span = answered.aggregate(first=Min("answered_at"), last=Max("answered_at"))
    durations = answered.annotate(took=F("answered_at") - F("presented_at")).order_by("took")
    n = durations.count()
    median = durations.values_list("took", flat=True)[n // 2] if n else None
    return {**span, "median_seconds": median.total_seconds() if median is not None else None}
