"""The words participants read: titles and glosses of the classes of an image set, and an example image of each."""

from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.admin import ModelAdmin
from django.core.paginator import Paginator
from django.db.models import Min
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from unfold import widgets

from studies.admin.pages import as_sentence, get_object_or_404_for, page
from studies.admin.thumbnails import thumbnail_url
from studies.catalog import class_descriptions
from studies.lib.errors import StudyError
from studies.models import ImageClass, ImageSet, Study

CLASSES = 50
CANDIDATES = 60


class WordsForm(forms.ModelForm):
    """One class's title and gloss."""

    class Meta:
        model = ImageClass
        fields = ["title", "gloss"]
        widgets = {"title": widgets.UnfoldAdminTextInputWidget, "gloss": widgets.UnfoldAdminTextInputWidget}

    def __init__(self, *args: Any, **kwargs: Any):
        super().__init__(*args, **kwargs)
        for name, field in self.fields.items():
            field.widget.attrs["aria-label"] = f"{name.capitalize()} of {self.instance.name}"
        # On a narrow screen the columns have no heads.
        self.fields["gloss"].widget.attrs["placeholder"] = "Gloss, in a few words"


def classes(admin: ModelAdmin, request: HttpRequest, pk: int) -> HttpResponse:
    """Fifty classes a page, with what participants read of them."""
    image_set = get_object_or_404_for(admin, request, pk, "word")
    shown = Paginator(image_set.classes.select_related("example").order_by("index"), CLASSES).get_page(
        request.GET.get("page")
    )
    data = request.POST if request.method == "POST" else None
    forms_ = [WordsForm(data, instance=one, prefix=str(one.index)) for one in shown]
    problem = ""
    # A list: every form is to say its mistakes, not the first one alone.
    if data is not None and all([form.is_valid() for form in forms_]):  # noqa: C419
        words = {form.instance.index: form.cleaned_data for form in forms_}
        try:
            _change(request, image_set, words)
        except StudyError as error:
            problem = as_sentence(error)
        else:
            return redirect(request.get_full_path())
    first = dict(
        image_set.images.filter(label__in=[one.index for one in shown])
        .order_by()
        .values("label")
        .annotate(first=Min("sha256"))
        .values_list("label", "first")
    )
    rows = [
        {
            "form": form,
            "row": form.instance,
            "thumbnail": thumbnail_url(sha256) if sha256 else "",
            "example": reverse("admin:studies_imageset_example", args=[image_set.pk, index]),
        }
        for form in forms_
        for index in [form.instance.index]
        for sha256 in [form.instance.example.sha256 if form.instance.example else first.get(index)]
    ]
    context = {"image_set": image_set, "original": image_set, "rows": rows, "shown": shown, "problem": problem}
    return page(admin, request, "admin/studies/imageset/classes.html", title="Words for participants", **context)


def example(admin: ModelAdmin, request: HttpRequest, pk: int, index: int) -> HttpResponse:
    """Choose the image of a class that is shown with its gloss, or none."""
    image_set = get_object_or_404_for(admin, request, pk, "word")
    one = image_set.classes.select_related("example").filter(index=index).first()
    if one is None:
        raise Http404
    candidates = list(image_set.images.filter(label=index).order_by("sha256")[:CANDIDATES])
    if one.example and one.example not in candidates:
        candidates.insert(0, one.example)
    problem = ""
    if request.method == "POST":
        chosen = next((image for image in candidates if str(image.pk) == request.POST.get("example")), None)
        try:
            _change(request, image_set, {index: {"example": chosen}})
        except StudyError as error:
            problem = as_sentence(error)
        else:
            where = reverse("admin:studies_imageset_classes", args=[image_set.pk])
            return redirect(f"{where}?page={index // CLASSES + 1}")
    pictures = [{"image": image, "thumbnail": thumbnail_url(image.sha256)} for image in candidates]
    context = {"image_set": image_set, "original": image_set, "class": one, "pictures": pictures, "problem": problem}
    return page(admin, request, "admin/studies/imageset/example.html", title=f"An example of {one.title}", **context)


def _change(request: HttpRequest, image_set: ImageSet, words: dict[int, Any]) -> None:
    again = class_descriptions.change_words(image_set, words, actor=request.user)
    messages.success(request, "The class descriptions are saved and used in studies prepared from now on.")
    if again:
        seen = Study.objects.visible_to(request.user).filter(pk__in=[study.pk for study in again])
        names = [study.slug for study in seen[:5]]
        if hidden := len(again) - len(names):
            names.append(f"{hidden} more")
        messages.warning(request, f"Prepared with the old words, and drafts again: {', '.join(names)}.")
