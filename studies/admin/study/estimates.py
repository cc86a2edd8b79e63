"""What a design comes to, told while somebody writes it.  Nothing is stored."""

from dataclasses import replace
from typing import Any

from django import forms
from django.contrib.admin import ModelAdmin
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.shortcuts import render
from unfold import widgets

from studies import protocols
from studies.admin.pages import get_object_or_404_for
from studies.designs.choices import catalogue
from studies.models import Classifier, Study
from studies.planning import estimates
from studies.protocols import DesignForm, Protocol, SampleSize, classifiers_of

from .field_help import problems

TEMPLATE = "admin/studies/study/consequences.html"
#: The button of whoever has no script.
WORK_OUT = "work_out"
#: What a form that cannot be followed is answered with.
UNPROCESSABLE = 422


class PriceForm(forms.Form):
    """What an answer costs; of the plan, not of the design."""

    pay = forms.FloatField(required=False, min_value=0, max_value=1e6, label="Pay for one answer")
    seconds = forms.FloatField(required=False, min_value=0, max_value=86_400, label="Seconds for one answer")

    def __init__(self, kind: Protocol, data: Any = None):
        super().__init__(data, prefix="plan")
        for name, usual in (("pay", 0.05), ("seconds", kind.seconds)):
            self.fields[name].initial = usual
            attrs = {"inputmode": "decimal", "autocomplete": "off"}
            self.fields[name].widget = widgets.UnfoldAdminTextInputWidget(attrs=attrs)

    def value(self, name: str) -> float:
        given = self.cleaned_data.get(name)
        return self.fields[name].initial if given is None else given


def told(request: HttpRequest, kind: Protocol, form: DesignForm, study: Study | None = None) -> dict[str, Any]:
    """What the page says of the design that was posted: its consequences, or what is wrong."""
    prices = PriceForm(kind, request.POST)
    wrong = [*problems(form), *problems(prices)]
    if wrong:
        return {"problems": wrong, "prices": prices}
    design = dict(form.cleaned_data)
    expected = _expected(request, kind, design, study)
    if expected is None:
        return {"prices": prices, "untold": True}
    costs = {name: prices.value(name) for name in ("pay", "seconds")}
    found = estimates.of_design(kind, design, expected, **costs, owner=str(request.user.pk))
    wide = None if found.width is None else f"{100 * found.width:.1f}"
    return {"prices": prices, "told": found, "width_percent": wide}


def _expected(request: HttpRequest, kind: Protocol, design: dict[str, Any], study: Study | None) -> SampleSize | None:
    known = estimates.known(*classifiers_of(design), seen=Classifier.objects.visible_to(request.user))
    expected = kind.sample_size(design, known) if known else None
    if expected is None or study is None or study.state != Study.State.READY or study.design != design:
        return expected
    # Prepared as it stands: nothing has to be guessed.
    because = "as the study is prepared"
    separate = study.preparation.get("separate_questions")
    return replace(expected, stimuli=study.n_stimuli, because=because, at_most=False, separate=separate)


def of_new(admin: ModelAdmin, request: HttpRequest) -> HttpResponse:
    """Of a study that is being added; its protocol is in the address."""
    if request.method != "POST":
        return HttpResponseNotAllowed(["POST"])
    if not admin.has_add_permission(request):
        raise PermissionDenied
    kind = protocols.available().get(request.GET.get("protocol", ""))
    if kind is None:
        raise Http404
    return _fragment(request, kind)


def of_study(admin: ModelAdmin, request: HttpRequest, pk: int) -> HttpResponse:
    if request.method != "POST":
        return HttpResponseNotAllowed(["POST"])
    study = get_object_or_404_for(admin, request, pk, "change")
    return _fragment(request, protocols.get(study.protocol), study)


def _fragment(request: HttpRequest, kind: Protocol, study: Study | None = None) -> HttpResponse:
    form = kind.form(request.POST, catalogue=catalogue(request.user))
    context = told(request, kind, form, study) | {"line": True}
    return render(request, TEMPLATE, context, status=UNPROCESSABLE if "problems" in context else 200)
