"""One photograph of an image set, with its annotated objects: as it was imported, or as a classifier sees it."""

from typing import Any

from django.contrib.admin import ModelAdmin
from django.core.cache import cache
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.urls import reverse

from explainers import images
from studies.admin.pages import get_object_or_404_for, page
from studies.admin.thumbnails import WEEK
from studies.catalog.objects import seen_box, seen_size
from studies.lib import storage
from studies.models import Classifier, Image, ImageSet

#: The shorter side of a photograph as it was imported, in pixels of the page.
SIDE = 480
AS_IMPORTED: dict[str, Any] = {"resize": None, "crop": None}


def photograph(admin: ModelAdmin, request: HttpRequest, pk: int, image: int) -> HttpResponse:
    """The page; `?classifier=ID` shows the picture that this classifier is asked about."""
    image_set, row, classifier = _asked(admin, request, pk, image)
    preprocessing = classifier.preprocessing if classifier else AS_IMPORTED
    width, height = seen_size(row, preprocessing)
    titles = dict(image_set.classes.values_list("index", "title"))
    objects, away = [], 0
    for number, one in enumerate(row.annotated_objects.order_by("pk"), start=1):
        box = seen_box(one, row, preprocessing)
        away += box is None
        edges = dict(zip(("x0", "y0", "x1", "y1"), box, strict=True)) if box else {}
        sides = {"width": box[2] - box[0], "height": box[3] - box[1]} if box else {}
        objects.append({"number": number, "title": titles[one.label], "box": bool(box), **edges, **sides})
    query = f"?classifier={classifier.pk}" if classifier else ""
    return page(
        admin,
        request,
        "admin/studies/imageset/photograph.html",
        title=row.path,
        original=image_set,
        photograph=row,
        label=titles[row.label],
        width=width,
        height=height,
        picture=reverse("admin:studies_imageset_picture", args=[image_set.pk, row.pk]) + query,
        objects=objects,
        cropped_away=away,
        classifier=classifier,
        classifiers=image_set.classifiers.visible_to(request.user),
        query=query,
        before=_beside(row, after=False),
        after=_beside(row, after=True),
    )


def picture(admin: ModelAdmin, request: HttpRequest, pk: int, image: int) -> HttpResponse:
    """The pixels of that page as a PNG without metadata; the imported file itself is never served."""
    _, row, classifier = _asked(admin, request, pk, image)
    if classifier:
        how = {name: classifier.preprocessing[name] for name in AS_IMPORTED}
    else:
        how = {"resize": min(SIDE, row.width, row.height), "crop": None}
    key = f"photograph-{how['resize']}-{how['crop']}-{row.sha256}"
    png = cache.get(key)
    if png is None:
        try:
            png = images.encode_png(images.load(storage.read(row.file), **how))
        except FileNotFoundError:
            raise Http404(f"{row.path}: its file is gone from the storage.") from None
        except images.ImageError as error:
            raise Http404(f"{row.path}: {error}.") from None
        cache.set(key, png, WEEK)
    return HttpResponse(png, content_type="image/png", headers={"Cache-Control": f"private, max-age={WEEK}"})


def photograph_url(image: Image) -> str:
    return reverse("admin:studies_imageset_photograph", args=[image.image_set_id, image.pk])


def _asked(admin: ModelAdmin, request: HttpRequest, pk: int, image: int) -> tuple[ImageSet, Image, Classifier | None]:
    image_set = get_object_or_404_for(admin, request, pk, "view")
    row = get_object_or_404(image_set.images, pk=image)
    text = request.GET.get("classifier", "")
    if not text:
        return image_set, row, None
    if not (text.isascii() and text.isdecimal() and len(text) < 10):
        raise Http404("No classifier has this number.")
    return image_set, row, get_object_or_404(image_set.classifiers.visible_to(request.user), pk=int(text))


def _beside(row: Image, *, after: bool) -> Image | None:
    """The photograph before or after this one, in the order of paths."""
    rows = Image.objects.filter(image_set=row.image_set_id)
    if after:
        return rows.filter(path__gt=row.path).order_by("path").first()
    return rows.filter(path__lt=row.path).order_by("-path").first()
