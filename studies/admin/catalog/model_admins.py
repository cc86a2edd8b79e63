"""Image sets and classifiers: looked at here, brought in by workers (`importing`) or by commands."""

from functools import partial
from typing import Any

from django.contrib import admin
from django.db.models import Count, Min, OuterRef, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.http import HttpRequest, HttpResponse
from django.urls import path, reverse
from django.utils.formats import date_format
from django.utils.html import format_html
from unfold.admin import ModelAdmin
from unfold.decorators import display

from studies.admin.log import Logged
from studies.admin.pages import Findable
from studies.admin.thumbnails import strip, thumbnail, thumbnail_url
from studies.catalog import judgement
from studies.models import Classifier, Event, Image, ImageClass, ImageObject, ImageSet, Study
from studies.preparation.class_outputs import class_outputs

from . import class_descriptions, evaluation, explanations, imports, photograph, picking
from .imports import LIBRARIES

SAMPLE = 48


class CatalogueAdmin(Findable, Logged, ModelAdmin):
    """Rows that studies rely on: nobody adds, edits or deletes them by a click."""

    #: As the log calls them.
    kind: str

    def events(self, row: Any) -> QuerySet[Event]:
        return Event.objects.filter(about=self.kind, slug=row.name)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return super().get_queryset(request).visible_to(request.user)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        row = self.get_object(request, object_id)
        about = self.about(request, row) if row is not None and self.has_view_permission(request, row) else {}
        return super().change_view(request, object_id, form_url, {**(extra_context or {}), **about})

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        # Django asks whether rows are added by hand; they are brought in by workers, for whoever has the permission.
        may_import = request.user.has_perm(f"studies.add_{self.opts.model_name}")
        return super().changelist_view(request, {**(extra_context or {}), "may_import": may_import})

    @display(description="Imported", ordering="created_at")
    def imported(self, row: Any) -> str:
        return date_format(row.created_at, "j M Y")

    def about(self, request: HttpRequest, row: Any) -> dict[str, Any]:
        """What the row's page shows."""
        raise NotImplementedError


def sample(images: QuerySet[Image], n: int) -> list[Image]:
    """Some photographs, always the same ones: digests order them as good as at random, and there is an index."""
    return list(images.order_by("sha256")[:n])


def _shown(image: Image, titles: dict[int, str]) -> dict[str, str]:
    """A photograph in a gallery."""
    return {
        "thumbnail": thumbnail_url(image.sha256),
        "url": photograph.photograph_url(image),
        "title": titles[image.label],
        "path": image.path,
    }


def _count(rows: QuerySet, of: str) -> Coalesce:
    counted = rows.filter(image_set=OuterRef(of)).order_by().values("image_set").annotate(n=Count("pk")).values("n")
    return Coalesce(Subquery(counted), 0)


@admin.register(ImageSet)
class ImageSetAdmin(CatalogueAdmin):
    kind = Event.About.IMAGES
    list_display = ["what", "photographs", "classes", "classifiers", "imported"]
    search_fields = ["name"]

    def get_urls(self) -> list:
        view = self.admin_site.admin_view(partial(thumbnail, self), cacheable=True)
        own = [
            path("thumbnail/<slug:sha256>.png", view, name="studies_imageset_thumbnail"),
            *_pages(self, "imageset", classes=class_descriptions.classes),
            *(
                path(
                    f"<int:pk>/images/<int:image>/{name}", self.admin_site.admin_view(partial(view, self)), name=called
                )
                for name, view, called in (
                    ("", photograph.photograph, "studies_imageset_photograph"),
                    ("picture.png", photograph.picture, "studies_imageset_picture"),
                )
            ),
            path(
                "<int:pk>/classes/<int:index>/",
                self.admin_site.admin_view(partial(class_descriptions.example, self)),
                name="studies_imageset_example",
            ),
        ]
        return own + super().get_urls()

    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: Any = None) -> HttpResponse:
        form = imports.bound(imports.ImagesForm, request)
        return imports.add(self, request, form, "admin/studies/imageset/add.html", "Add an image set")

    def has_word_permission(self, request: HttpRequest, obj: ImageSet | None = None) -> bool:
        """Who may change the words participants read; the images themselves nobody changes."""
        return request.user.has_perm("studies.change_imageset")

    def get_queryset(self, request: HttpRequest) -> QuerySet[ImageSet]:
        return (
            super()
            .get_queryset(request)
            .annotate(
                n_images=_count(Image.objects, "pk"),
                n_classes=_count(ImageClass.objects, "pk"),
                n_classifiers=_count(Classifier.objects, "pk"),
            )
        )

    @display(description="Image set", ordering="name")
    def what(self, row: ImageSet) -> str:
        pictures = strip([image.sha256 for image in sample(row.images, 5)])
        return format_html('<span class="desk-what">{}<strong>{}</strong></span>', pictures, row.name)

    @display(description="Images", ordering="n_images")
    def photographs(self, row: ImageSet) -> str:
        return f"{row.n_images:,}"

    @display(description="Classes", ordering="n_classes")
    def classes(self, row: ImageSet) -> str:
        return f"{row.n_classes:,}"

    @display(description="Classifiers", ordering="n_classifiers")
    def classifiers(self, row: ImageSet) -> str:
        return f"{row.n_classifiers:,}"

    def about(self, request: HttpRequest, row: ImageSet) -> dict[str, Any]:
        counted = row.images.order_by().values("label").annotate(n=Count("pk"), first=Min("sha256"))
        # A class that a classifier has an output for may have no image here.
        counts = {line["label"]: (line["n"], line["first"]) for line in counted}
        largest = max((n for n, _ in counts.values()), default=1)
        classes = [
            {"row": one, "n": n, "share": 100 * n / largest, "thumbnail": thumbnail_url(first) if first else ""}
            for one in row.classes.all()
            for n, first in [counts.get(one.index, (0, ""))]
        ]
        titles = {one["row"].index: one["row"].title for one in classes}
        sizes = list(row.images.order_by().values("width", "height").annotate(n=Count("pk")).order_by("-n")[:4])
        return {
            "title": row.name,
            "may_word": self.has_word_permission(request, row),
            "classes": classes,
            "total": sum(line["n"] for line in classes),
            "sizes": sizes[:3],
            "more_sizes": len(sizes) > 3,
            "classifiers": row.classifiers.visible_to(request.user),
            "objects": ImageObject.objects.filter(image__image_set=row).aggregate(
                n=Count("pk"), images=Count("image", distinct=True)
            ),
            "sample": [_shown(image, titles) for image in sample(row.images, SAMPLE)],
        }


@admin.register(Classifier)
class ClassifierAdmin(CatalogueAdmin):
    kind = Event.About.CLASSIFIER
    list_display = ["what", "network", "judged_on", "photographs", "outputs", "imported"]
    list_select_related = ["image_set"]
    search_fields = ["name"]

    def get_urls(self) -> list:
        pages = {"check": evaluation.check, "checking": evaluation.progress}
        pages |= {"explanations": explanations.explanations, "explaining": explanations.progress}
        own = [
            path(f"{name}/", self.admin_site.admin_view(partial(view, self)), name=f"studies_classifier_{name}")
            for name, view in (("photographs", picking.photographs), ("rendering", picking.rendering))
        ]
        return own + _pages(self, "classifier", **pages) + super().get_urls()

    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: Any = None) -> HttpResponse:
        image_sets = self.admin_site.get_model_admin(ImageSet).get_queryset(request)
        form = imports.bound(imports.ClassifierForm, request, image_sets=image_sets)
        return imports.add(self, request, form, "admin/studies/classifier/add.html", "Add a classifier")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Classifier]:
        return super().get_queryset(request).annotate(n_images=_count(Image.objects, "image_set"))

    @display(description="Classifier", ordering="name")
    def what(self, row: Classifier) -> str:
        pictures = strip([image.sha256 for image in sample(row.image_set.images, 5)])
        return format_html('<span class="desk-what">{}<strong>{}</strong></span>', pictures, row.name)

    @display(description="Network")
    def network(self, row: Classifier) -> str:
        return next((row.source[key] for key in ("torchvision", *LIBRARIES, "factory") if key in row.source), "")

    @display(description="Image set", ordering="image_set__name")
    def judged_on(self, row: Classifier) -> str:
        return format_html(
            '<a class="desk-link" href="{}">{}</a>',
            reverse("admin:studies_imageset_change", args=[row.image_set_id]),
            row.image_set.name,
        )

    @display(description="Images", ordering="n_images")
    def photographs(self, row: Classifier) -> str:
        return f"{row.n_images:,}"

    @display(description="Outputs", ordering="n_outputs")
    def outputs(self, row: Classifier) -> str:
        return f"{row.n_outputs:,}"

    def about(self, request: HttpRequest, row: Classifier) -> dict[str, Any]:
        titles = {one.index: one.title for one in row.image_set.classes.all()}
        return {
            "title": row.name,
            "check": evaluation.summary(row),
            "source": _source(row.source),
            "tried": row.checks,
            "doubts": list(judgement.of_classifier(row)),
            "digests": _digests(row),
            "preprocessing": _preprocessing(row.preprocessing),
            "n_classes": len(titles),
            "outputs": _outputs(row),
            "n_images": row.image_set.images.count(),
            "studies": Study.objects.visible_to(request.user).filter(design__classifier=row.name),
            "sample": [_shown(image, titles) for image in sample(row.image_set.images, SAMPLE // 2)],
        }


def _pages(admin: CatalogueAdmin, model: str, **views: Any) -> list:
    """Addresses of pages about one row, by the names of their views."""
    wrap = admin.admin_site.admin_view
    return [
        path(f"<int:pk>/{name}/", wrap(partial(view, admin)), name=f"studies_{model}_{name}")
        for name, view in views.items()
    ]


def _source(source: dict[str, Any]) -> list[tuple[str, str]]:
    """Where the network comes from, in words."""
    if "torchvision" in source:
        return [("Network", f"{source['torchvision']} (torchvision)"), ("Weights", source["weights"])]
    for key, title in LIBRARIES.items():
        if key in source:
            prompts = [("Prompts", "; ".join(source["prompts"]))] if "prompts" in source else []
            return [("Network", f"{source[key]} ({title})"), *prompts]
    given = [("It gives", "probabilities, whose logarithms are taken")] if "outputs_are" in source else []
    return [("Network", f"{source['factory']}, from an imported module"), *given]


def _digests(row: Classifier) -> list[tuple[str, str]]:
    """What the classifier's results depend on, by SHA-256."""
    digests = [
        ("Module", row.source.get("module_sha256")),
        ("Checkpoint", row.source.get("checkpoint_sha256")),
        ("Weights as loaded", row.state_digest),
        ("All of it, with the preprocessing", row.digest),
    ]
    return [(what, digest) for what, digest in digests if digest]


def _outputs(row: Classifier) -> dict[str, Any]:
    """Which output is which class, in the order of the outputs, and how many of them have no class."""
    known, classes = class_outputs(row), list(row.image_set.classes.order_by("index"))
    pairs = sorted(zip(known.of_classes, (one.title for one in classes), strict=True))
    return {"by": row.class_mapping.get("by", ""), "pairs": pairs, "without": row.n_outputs - len(pairs)}


def _preprocessing(settings: dict[str, Any]) -> list[tuple[str, str]]:
    """What is done to a photograph before the network sees it, in the order it is done."""
    resize, crop = settings["resize"], settings["crop"]
    return [
        ("Shorter side resized to", f"{resize} px" if resize else "not resized"),
        ("Centre cropped to", f"{crop} × {crop} px" if crop else "not cropped"),
        ("Mean (red, green, blue)", ", ".join(f"{value:g}" for value in settings["mean"])),
        ("Standard deviation", ", ".join(f"{value:g}" for value in settings["std"])),
    ]
