"""Photographs to choose from by looking, as a part of a form with an ImageListField."""

from typing import Any
from urllib.parse import urlencode

from django import forms
from django.contrib.admin import ModelAdmin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse

from studies.admin.thumbnails import thumbnail_url
from studies.catalog.candidates import candidates
from studies.catalog.objects import seen_size
from studies.models import Classifier
from studies.protocols.base.fields import ImageListField
from studies.protocols.base.session_form import is_smooth
from studies.templatetags.pictures import LARGEST_ZOOM, TARGETS

TEMPLATE, COMPARED = "admin/studies/classifier/photographs.html", "admin/studies/classifier/rendering.html"


class AskedForm(forms.Form):
    """What a picker asks for; nothing of it is required."""

    classifier = forms.CharField(required=False)
    classifiers = forms.CharField(required=False)
    into = forms.SlugField(required=False)
    clear = forms.FloatField(required=False, min_value=0, max_value=1)
    label = forms.IntegerField(required=False, min_value=0, max_value=10**6)
    picture_side = forms.IntegerField(required=False, min_value=1, max_value=4096)
    start = forms.IntegerField(required=False, min_value=0, max_value=10**8)

    def name(self) -> str:
        """The classifier that the form names, or the first of several, one a line."""
        several = self.cleaned_data["classifiers"].split()
        return self.cleaned_data["classifier"] or (several[0] if several else "")


def address(field: forms.Field, name: str) -> str:
    """Where the photographs for a setting are; empty for settings that are no lists of photographs."""
    if not isinstance(field, ImageListField):
        return ""
    query = {"into": f"id_{name}"} | ({"clear": field.clear} if field.clear is not None else {})
    return f"{reverse('admin:studies_classifier_photographs')}?{urlencode(query)}"


def side_by_side(field_name: str) -> str:
    """Where the two ways to draw a picture are side by side; empty for every other setting."""
    return reverse("admin:studies_classifier_rendering") if field_name == "rendering" else ""


def rendering(admin: ModelAdmin, request: HttpRequest) -> HttpResponse:
    """A photograph as the classifier sees it, enlarged both ways, of the size that the form says."""
    if not admin.has_view_permission(request):
        raise PermissionDenied
    form = AskedForm(request.GET)
    asked: dict[str, Any] = form.cleaned_data if form.is_valid() else {}
    seen = Classifier.objects.visible_to(request.user)
    classifier = seen.filter(name=form.name()).first() if asked else None
    photograph = classifier and classifier.image_set.images.order_by("sha256").first()
    if not photograph:
        return render(request, COMPARED, {"classifier": None})
    width, height = seen_size(photograph, classifier.preprocessing)
    zoom = max(1, min(LARGEST_ZOOM, (asked["picture_side"] or TARGETS[1]) // max(width, height)))
    context = {
        "classifier": classifier,
        "picture": reverse("admin:studies_imageset_picture", args=[photograph.image_set_id, photograph.pk])
        + f"?classifier={classifier.pk}",
        "width": zoom * width,
        "height": zoom * height,
        "usual": "smooth" if is_smooth({}, width, height) else "squares",
    }
    return render(request, COMPARED, context)


def photographs(admin: ModelAdmin, request: HttpRequest) -> HttpResponse:
    """A page of photographs with a box to tick for each; the part of the form that asked shows it."""
    if not admin.has_view_permission(request):
        raise PermissionDenied
    form = AskedForm(request.GET)
    asked: dict[str, Any] = form.cleaned_data if form.is_valid() else {}
    name = form.name() if asked else ""
    classifier = Classifier.objects.visible_to(request.user).filter(name=name).first()
    if classifier is None:
        return render(request, TEMPLATE, {"classifier": None})
    found = candidates(classifier, label=asked["label"], clear=asked["clear"], start=asked["start"] or 0)
    titles = dict(classifier.image_set.classes.order_by("index").values_list("index", "title"))
    again = {"classifier": name, "into": asked["into"]}
    again |= {"clear": asked["clear"]} if asked["clear"] is not None else {}
    here = reverse("admin:studies_classifier_photographs")
    more = again | {"start": found.next} | ({"label": asked["label"]} if asked["label"] is not None else {})
    context = {
        "classifier": classifier,
        "into": asked["into"],
        "clear": asked["clear"],
        "titles": titles,
        "label": asked["label"],
        "start": asked["start"],
        "unknown": found.unknown,
        "pictures": [
            {"path": row.path, "title": titles[row.label], "thumbnail": thumbnail_url(row.sha256)}
            for row in found.photographs
        ],
        "class_address": f"{here}?{urlencode(again)}",
        "more_address": f"{here}?{urlencode(more)}" if found.next is not None else "",
    }
    return render(request, TEMPLATE, context)
