"""How a classifier's explanations do by numbers: measured by a worker, shown here, and exported as CSV and JSON."""

import csv
import io
import json
from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.admin import ModelAdmin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.loader import render_to_string
from django.utils.safestring import mark_safe

from explainers import base
from studies.admin.pages import as_sentence, get_object_or_404_for, page
from studies.admin.widgets import with_theme_widgets
from studies.catalog.explanations import report
from studies.catalog.explanations.job import request_measurement
from studies.catalog.explanations.request import GROUPS, MEASURES, OF_OBJECTS, MeasurementRequest
from studies.lib.csv_files import cell
from studies.lib.errors import StudyError
from studies.models import Classifier, ExplanationMeasurement, ImageObject
from studies.results import page_data

State = ExplanationMeasurement.State


class MeasurementForm(forms.Form):
    """What is to be measured; the explainers with their defaults."""

    explainers = forms.MultipleChoiceField(
        widget=forms.CheckboxSelectMultiple, help_text="Explainers to compare, each with its default parameters."
    )
    measures = forms.MultipleChoiceField(
        widget=forms.CheckboxSelectMultiple, help_text="Measures to compute; those of objects need annotated objects."
    )
    sample = forms.IntegerField(
        initial=50, min_value=1, max_value=10_000, label="Images", help_text="Number of images, drawn at random."
    )
    seed = forms.IntegerField(
        initial=0, min_value=0, max_value=2**31 - 1, help_text="Seed of the sample and of every explanation."
    )

    def __init__(self, classifier: Classifier, *args: Any, **kwargs: Any):
        super().__init__(*args, **kwargs)
        has_objects = ImageObject.objects.filter(image__image_set=classifier.image_set_id).exists()
        offered = [name for name in GROUPS if has_objects or name not in OF_OBJECTS]
        self.fields["explainers"].choices = [(name, name) for name in base.available("explainer")]
        self.fields["measures"].choices = [
            (name, ", ".join(measure.title for measure in GROUPS[name].values())) for name in offered
        ]
        self.fields["measures"].initial = offered
        with_theme_widgets(self)


def explanations(admin: ModelAdmin, request: HttpRequest, pk: int) -> HttpResponse:
    """GET shows what was measured, or gives it as a file (`?format=csv`, `?format=json`); POST has a worker measure."""
    classifier = get_object_or_404_for(admin, request, pk, "view")
    may_measure = request.user.has_perm("studies.add_classifier")
    form = MeasurementForm(classifier, request.POST or None)
    if request.method == "POST":
        if not may_measure:
            raise PermissionDenied
        if form.is_valid() and _requested(request, classifier, form):
            return redirect(request.path)
    measurement = ExplanationMeasurement.objects.filter(classifier=classifier).first()
    context = {"classifier": classifier, "original": classifier, "measurement": measurement, "form": form}
    if measurement and measurement.result:
        if file := _file(request.GET.get("format", ""), classifier, measurement.result):
            return file
        context |= _shown(measurement.result)
    return page(
        admin,
        request,
        "admin/studies/classifier/explanations.html",
        title="Explanations",
        may_measure=may_measure,
        **context,
    )


def progress(admin: ModelAdmin, request: HttpRequest, pk: int) -> HttpResponse:
    classifier = get_object_or_404_for(admin, request, pk, "view")
    measurement = ExplanationMeasurement.objects.filter(classifier=classifier).first()
    if measurement is None or measurement.state != State.RUNNING:
        return HttpResponse(headers={"HX-Refresh": "true"})
    return HttpResponse(render_to_string("admin/studies/classifier/explaining.html", {"measurement": measurement}))


def _requested(request: HttpRequest, classifier: Classifier, form: MeasurementForm) -> bool:
    """Whether a worker measures it now; what it cannot measure is an error of the form."""
    given = form.cleaned_data
    wanted = MeasurementRequest(
        tuple(given["explainers"]), given["sample"], measures=tuple(given["measures"]), seed=given["seed"]
    )
    try:
        request_measurement(classifier, wanted, actor=request.user)
    except StudyError as error:
        form.add_error(None, as_sentence(error))
        return False
    messages.success(request, "A worker measures the explanations now.")
    return True


def _shown(result: dict[str, Any]) -> dict[str, Any]:
    figures = [page_data.drawn(figure) for figure in report.figures(result)]
    tables = [report.summary_table(result), report.difference_table(result)]
    return {
        "result": result,
        "tables": [page_data.in_cells(table) for table in tables if table.rows],
        # The drawing is our own: its words are escaped where it is made.
        "figures": [{**figure, "svg": mark_safe(figure["svg"])} for figure in figures],  # noqa: S308
        "notes": [(MEASURES[key].title, MEASURES[key].note) for key in result["measures"] if key in MEASURES],
        "problems": list(report.problems(result)),
    }


def _file(ending: str, classifier: Classifier, result: dict[str, Any]) -> HttpResponse | None:
    """The result as a file; None for another ending."""
    if ending == "json":
        content, kind = json.dumps(result, indent=2, ensure_ascii=False), "application/json"
    elif ending == "csv":
        file = io.StringIO()
        csv.writer(file, lineterminator="\n").writerows(
            [cell(one) for one in row] for row in report.rows_of_csv(result)
        )
        content, kind = file.getvalue(), "text/csv; charset=utf-8"
    else:
        return None
    name = f"{classifier.name}-explanations.{ending}"
    return HttpResponse(content, content_type=kind, headers={"Content-Disposition": f'attachment; filename="{name}"'})
