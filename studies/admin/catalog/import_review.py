"""What an import of photographs would become: its classes with samples, and the choices that are left to people."""

from typing import Any

from django.contrib.admin import ModelAdmin
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import reverse

from studies.admin.pages import get_object_or_404_for
from studies.admin.thumbnails import thumbnail_of
from studies.catalog.importing.image_classes import AUTOMATIC, CLASS_NAMES
from studies.models import Import


def shown(run: Import) -> dict[str, Any]:
    """What the page of an import shows of its review."""
    review = run.review
    return {
        "lost": review.get("lost", []),
        "undecided": review.get("problem", ""),
        "classes": [
            one | {"thumbnails": [_address(run, sha256) for sha256 in one["samples"]]}
            for one in review.get("classes", [])
        ],
        "levels": review.get("levels", []),
        "level": review.get("level"),
        "class_names": CLASS_NAMES.items(),
        "chosen_names": run.source.get("class_names", AUTOMATIC),
    }


def chosen(request: HttpRequest) -> dict[str, Any]:
    """The level and the class names that a form asks for."""
    level = request.POST.get("level", "")
    return {
        "level": int(level) if level.isascii() and level.isdecimal() and len(level) < 4 else None,
        "class_names": request.POST.get("class_names", AUTOMATIC),
    }


def thumbnail(admin: ModelAdmin, request: HttpRequest, pk: int, sha256: str) -> HttpResponse:
    """A small picture of a photograph that is looked at, for whoever may see the import."""
    run = get_object_or_404_for(admin, request, pk, "view")
    file = run.files.filter(sha256=sha256).first()
    if file is None:
        raise Http404("No photograph of this import has this content.")
    return thumbnail_of(file)


def _address(run: Import, sha256: str) -> str:
    return reverse("admin:studies_import_thumbnail", args=[run.pk, sha256])
