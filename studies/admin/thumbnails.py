"""Small pictures of the photographs, for staff only; the imported files themselves are never served."""

from django.contrib.admin import ModelAdmin
from django.core.cache import cache
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from explainers import images
from studies.lib import storage
from studies.models import Image, ImageSet, ImportedFile

SIDE = 96
WEEK = 7 * 24 * 3600


def thumbnail(admin: ModelAdmin, request: HttpRequest, sha256: str) -> HttpResponse:
    """A square PNG of at most SIDE pixels from the middle of the photograph, without its metadata."""
    if not admin.has_view_permission(request):
        raise PermissionDenied
    image_sets = ImageSet.objects.visible_to(request.user)
    if not Image.objects.filter(sha256=sha256, image_set__in=image_sets).exists():
        raise Http404("No photograph has this content.")
    return thumbnail_of(Image.objects.filter(sha256=sha256)[0])


def thumbnail_of(photograph: Image | ImportedFile) -> HttpResponse:
    """The thumbnail of a photograph that the request may see."""
    key = f"thumbnail-{SIDE}-{photograph.sha256}"
    png = cache.get(key)
    if png is None:
        png = _draw(photograph)
        cache.set(key, png, WEEK)
    # The address names the content, so that a browser never has to ask again.
    return HttpResponse(png, content_type="image/png", headers={"Cache-Control": f"private, max-age={WEEK}, immutable"})


def _draw(photograph: Image | ImportedFile) -> bytes:
    side = min(SIDE, photograph.width, photograph.height)
    try:
        return images.encode_png(images.load(storage.read(photograph.file), resize=side, crop=side))
    except FileNotFoundError:
        raise Http404(f"{photograph.path}: its file is gone from the storage.") from None


def thumbnail_url(sha256: str) -> str:
    return reverse("admin:studies_imageset_thumbnail", args=[sha256])


def strip(digests: list[str]) -> SafeString:
    """A row of thumbnails for a list; the words beside it say what they are of."""
    pictures = [format_html('<img src="{}" alt="" loading="lazy">', thumbnail_url(sha256)) for sha256 in digests]
    return format_html('<span class="desk-strip">{}</span>', SafeString("".join(pictures)))
