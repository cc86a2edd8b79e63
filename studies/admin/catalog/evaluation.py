"""How a classifier does on its image set: accuracy, what it takes for what, and the images it gets wrong."""

from collections import Counter
from collections.abc import Mapping
from typing import Any

from django.contrib import messages
from django.contrib.admin import ModelAdmin
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.loader import render_to_string
from django.urls import reverse

from studies.admin.pages import get_object_or_404_for, page
from studies.admin.thumbnails import thumbnail_url
from studies.catalog import evaluation, judgement
from studies.models import Classifier, ClassifierEvaluation
from studies.preparation.class_outputs import class_outputs

State = ClassifierEvaluation.State

MISTAKES = 60
WORST = 20
#: A matrix of more classes is no picture any longer: then it is of those that are confused most.
LARGEST_MATRIX = 20


def check(admin: ModelAdmin, request: HttpRequest, pk: int) -> HttpResponse:
    """GET shows what was found, POST has a worker look, or look again."""
    classifier = get_object_or_404_for(admin, request, pk, "view")
    if request.method == "POST":
        if not request.user.has_perm("studies.add_classifier"):
            raise PermissionDenied
        evaluation.request_evaluation(classifier, actor=request.user)
        messages.success(request, "A worker looks at it now.")
        return redirect(request.path)
    found = ClassifierEvaluation.objects.filter(classifier=classifier).first()
    context = {"classifier": classifier, "original": classifier, "check": found}
    if found and found.state == State.DONE:
        context |= _found(request, classifier, found)
    context["may_check"] = request.user.has_perm("studies.add_classifier")
    return page(admin, request, "admin/studies/classifier/check.html", title="Check", **context)


def progress(admin: ModelAdmin, request: HttpRequest, pk: int) -> HttpResponse:
    classifier = get_object_or_404_for(admin, request, pk, "view")
    found = ClassifierEvaluation.objects.filter(classifier=classifier).first()
    if found is None or found.state != State.RUNNING:
        return HttpResponse(headers={"HX-Refresh": "true"})
    return HttpResponse(render_to_string("admin/studies/classifier/checking.html", {"check": found}))


def summary(classifier: Classifier) -> dict[str, Any] | None:
    """The accuracy in a line, for the classifier's own page."""
    found = ClassifierEvaluation.objects.filter(classifier=classifier, state=State.DONE).first()
    return found.result if found else None


def _found(request: HttpRequest, classifier: Classifier, found: ClassifierEvaluation) -> dict[str, Any]:
    names = dict(enumerate(class_outputs(classifier).titles))
    pairs = Counter({(label, predicted): n for label, predicted, n in found.result["pairs"]})
    wrong = Counter({pair: n for pair, n in pairs.items() if pair[0] != pair[1]})
    of_class = Counter()
    for (label, _), n in pairs.items():
        of_class[label] += n
    label, predicted = (_number(request.GET.get(name)) for name in ("label", "predicted"))
    return {
        "result": found.result,
        "doubts": list(judgement.of_classifier(classifier)),
        "more_failures": found.result["failed"] - len(found.result.get("failures", ())),
        "other_ways": [
            {**trial, "right": trial["right"] / trial["images"], "now": trial["now"] / trial["images"]}
            for trial in found.result.get("trials", ())
        ],
        "wrong": sum(wrong.values()),
        "matrix": _matrix(names, pairs, wrong),
        "worst": [
            {
                "label": names[pair[0]],
                "predicted": names[pair[1]],
                "n": n,
                "of": of_class[pair[0]],
                "query": f"label={pair[0]}&predicted={pair[1]}",
            }
            for pair, n in sorted(wrong.items(), key=lambda one: (-one[1], one[0]))[:WORST]
        ],
        "only": f"{names[label]} taken for {names[predicted]}" if {label, predicted} <= set(names) else "",
        "query": f"label={label}&predicted={predicted}&" if {label, predicted} <= set(names) else "",
        "mistakes": _mistakes(request, found, names, label, predicted),
        "back": reverse("admin:studies_classifier_check", args=[classifier.pk]),
    }


def _matrix(names: Mapping[int, str], pairs: Counter, wrong: Counter) -> dict[str, Any]:
    """Rows are true classes, columns what they were taken for: outputs without a class among them.

    Of many, those with most mistakes are shown; `other` is then how many images of a row were taken for the rest.
    """
    every = sorted({output for pair in pairs for output in pair})
    part = len(every) > LARGEST_MATRIX
    if part:
        mistaken = Counter()
        for (label, predicted), n in wrong.items():
            mistaken[label] += n
            mistaken[predicted] += n
        every = sorted(output for output, _ in mistaken.most_common(LARGEST_MATRIX))
    true = {label for label, _ in pairs}
    rows = [output for output in every if output in true]
    largest = max((wrong[a, b] for a in rows for b in every), default=0)
    total = Counter()
    for (label, _), n in pairs.items():
        total[label] += n

    def cell(a: int, b: int) -> dict[str, Any]:
        n = pairs[a, b]
        shade = 0 if a == b or not largest else round(100 * n / largest)
        return {"n": n, "right": a == b, "shade": shade, "query": f"label={a}&predicted={b}" if n and a != b else ""}

    def row(a: int) -> dict[str, Any]:
        cells = [cell(a, b) for b in every]
        return {"name": names[a], "cells": cells, "other": total[a] - sum(one["n"] for one in cells)}

    return {"columns": [names[b] for b in every], "rows": [row(a) for a in rows], "part": part}


def _mistakes(
    request: HttpRequest,
    found: ClassifierEvaluation,
    names: Mapping[int, str],
    label: int | None,
    predicted: int | None,
) -> Any:
    rows = found.misclassifications.select_related("image").order_by("-probability", "pk")
    if label is not None and predicted is not None:
        rows = rows.filter(label=label, predicted=predicted)
    shown = Paginator(rows, MISTAKES).get_page(request.GET.get("page"))
    shown.pictures = [
        {
            "thumbnail": thumbnail_url(one.image.sha256),
            "path": one.image.path,
            "label": names[one.label],
            "predicted": names[one.predicted],
            "percent": 100 * one.probability,
        }
        for one in shown
    ]
    return shown


def _number(text: str | None) -> int | None:
    return int(text) if text and text.isascii() and text.isdecimal() and len(text) < 9 else None
