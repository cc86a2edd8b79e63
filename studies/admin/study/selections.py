"""How many images fulfil the rules of a study's selections: told before anything expensive is computed."""

from typing import Any

from django.contrib import messages
from django.contrib.admin import ModelAdmin
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.shortcuts import redirect

from studies import lifecycle, protocols
from studies.admin.pages import get_object_or_404_for
from studies.models import Study
from studies.preparation import selection_counts
from studies.protocols import Protocol, Table
from studies.results.page_data import in_cells


def shown(study: Study) -> dict[str, Any] | None:
    """What the page of a study says of it; None for a kind of study without such rules, and once it was opened."""
    kind = protocols.get(study.protocol)
    if type(kind).selection_counts is Protocol.selection_counts or study.state not in lifecycle.EDITABLE:
        return None
    found = selection_counts.counted(study)
    return {**found, "tables": [in_cells(Table(**table)) for table in found.get("tables", ())]}


def count(admin: ModelAdmin, request: HttpRequest, pk: int) -> HttpResponse:
    """Have a worker count."""
    if request.method != "POST":
        return HttpResponseNotAllowed(["POST"])
    study = get_object_or_404_for(admin, request, pk, "change")
    if shown(study) is None:
        messages.error(request, "There is nothing to count: this study chooses no images by a rule, or it was opened.")
    else:
        selection_counts.enqueue(study)
        messages.info(request, "A worker counts. Load this page again in a minute.")
    return redirect(admin.address(study))
