"""How a classifier does on its image set: accuracy, what it takes for what, and the images it gets wrong."""

from collections import Counter
from typing import TYPE_CHECKING, Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.loader import render_to_string
from django.urls import reverse

from studies.models import Check, Classifier
from studies.workbench import checking

from .pages import page, row
from .thumbnails import thumbnail_url

if TYPE_CHECKING:
    from .catalogue import ClassifierAdmin

State = Check.State

MISTAKES = 60
WORST = 20
#: A matrix of more classes is no picture any longer: then it is of those that are confused most.
LARGEST_MATRIX = 20


def check(admin: "ClassifierAdmin", request: HttpRequest, pk: int) -> HttpResponse:
    """GET shows what was found, POST has a worker look, or look again."""
    classifier = row(admin, request, pk, "view")
    if request.method == "POST":
        if not request.user.has_perm("studies.add_classifier"):
            raise PermissionDenied
        checking.request(classifier, actor=request.user)
        messages.success(request, "A worker looks at it now.")
        return redirect(request.path)
    found = Check.objects.filter(classifier=classifier).first()
    context = {"classifier": classifier, "original": classifier, "check": found}
    if found and found.state == State.DONE:
        context |= _found(request, classifier, found)
    context["may_check"] = request.user.has_perm("studies.add_classifier")
    return page(admin, request, "admin/studies/classifier/check.html", title="Check", **context)


def progress(admin: "ClassifierAdmin", request: HttpRequest, pk: int) -> HttpResponse:
    classifier = row(admin, request, pk, "view")
    found = Check.objects.filter(classifier=classifier).first()
    if found is None or found.state != State.RUNNING:
        return HttpResponse(headers={"HX-Refresh": "true"})
    return HttpResponse(render_to_string("admin/studies/classifier/checking.html", {"check": found}))


def summary(classifier: Classifier) -> dict[str, Any] | None:
    """The accuracy in a line, for the classifier's own page."""
    found = Check.objects.filter(classifier=classifier, state=State.DONE).first()
    return found.result if found else None


def _found(request: HttpRequest, classifier: Classifier, found: Check) -> dict[str, Any]:
    names = _Names(classifier)
    pairs = Counter({(label, predicted): n for label, predicted, n in found.result["pairs"]})
    wrong = Counter({pair: n for pair, n in pairs.items() if pair[0] != pair[1]})
    of_class = Counter()
    for (label, _), n in pairs.items():
        of_class[label] += n
    label, predicted = (_number(request.GET.get(name)) for name in ("label", "predicted"))
    return {
        "result": found.result,
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
        "only": f"{names[label]} taken for {names[predicted]}" if None not in (label, predicted) else "",
        "query": f"label={label}&predicted={predicted}&" if None not in (label, predicted) else "",
        "mistakes": _mistakes(request, found, names, label, predicted),
        "back": reverse("admin:studies_classifier_check", args=[classifier.pk]),
    }


class _Names:
    """What the outputs are called; a network may have more of them than the image set has classes."""

    def __init__(self, classifier: Classifier):
        rows = classifier.image_set.classes.order_by("index").values_list("index", "title")
        self._titles = dict(rows)

    def __getitem__(self, index: int | None) -> str:
        return self._titles.get(index, f"output {index}")

    def __len__(self) -> int:
        return len(self._titles)


def _matrix(names: _Names, pairs: Counter, wrong: Counter) -> dict[str, Any]:
    """Rows are true classes, columns what they were taken for; of many classes those with most mistakes."""
    every = sorted({label for label, _ in pairs})
    if len(names) > LARGEST_MATRIX:
        mistaken = Counter()
        for (label, predicted), n in wrong.items():
            mistaken[label] += n
            mistaken[predicted] += n
        shown = sorted(label for label, _ in mistaken.most_common(LARGEST_MATRIX))
    else:
        shown = every
    largest = max((wrong[a, b] for a in shown for b in shown), default=0)

    def cell(a: int, b: int) -> dict[str, Any]:
        n = pairs[a, b]
        shade = 0 if a == b or not largest else round(100 * n / largest)
        return {"n": n, "right": a == b, "shade": shade, "query": f"label={a}&predicted={b}" if n and a != b else ""}

    return {
        "columns": [names[b] for b in shown],
        "rows": [{"name": names[a], "cells": [cell(a, b) for b in shown]} for a in shown],
        "part": len(names) > LARGEST_MATRIX,
    }


def _mistakes(request: HttpRequest, found: Check, names: _Names, label: int | None, predicted: int | None) -> Any:
    rows = found.mistakes.select_related("image").order_by("-probability", "pk")
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
