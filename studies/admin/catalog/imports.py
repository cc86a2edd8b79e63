"""Bringing image sets and classifiers in: the forms, and a page for each import with what became of it."""

import csv
from collections.abc import Iterator
from functools import partial
from typing import Any

from django import forms
from django.conf import settings
from django.contrib import admin, messages
from django.contrib.admin import ModelAdmin as PlainAdmin
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import redirect
from django.template.defaultfilters import filesizeformat
from django.template.loader import render_to_string
from django.urls import path, reverse
from django.utils.formats import date_format
from unfold import widgets
from unfold.admin import ModelAdmin
from unfold.decorators import display

from explainers.normalisation import normalisation_problem
from studies.admin.log import Logged
from studies.admin.pages import Findable, as_sentence, get_object_or_404_for, page
from studies.admin.widgets import with_theme_widgets
from studies.catalog.importing import folders, jobs
from studies.catalog.importing import torchvision_models as models_of_torchvision
from studies.catalog.importing.entry_names import ENCODINGS
from studies.catalog.importing.image_classes import AUTOMATIC, CLASS_NAMES
from studies.catalog.output_lists import LARGEST_LIST, decode_list
from studies.catalog.output_mapping import ORDERS
from studies.lib.csv_files import FORMULA
from studies.lib.errors import StudyError
from studies.models import Event, Import

from . import import_review

State, Kind = Import.State, Import.Kind

LINES = 200
#: As `explainers.libraries` has them, which a web process does not import.
LIBRARIES = {
    "timm": "timm",
    "transformers": "Hugging Face transformers",
    "open_clip": "open_clip, by the classes’ titles",
}
NAME_HELP = "For designs and commands: letters, digits, hyphens and underscores. It cannot be changed."


# --- asking for it ----------------------------------------------------------------------------------------------------


class ImagesForm(forms.Form):
    """Photographs out of a zip, or out of a folder of the server."""

    name = forms.CharField(max_length=100, label="Short name", help_text=NAME_HELP)
    archive = forms.FileField(
        required=False, label="A zip archive", widget=widgets.UnfoldAdminFileFieldWidget(attrs={"accept": ".zip"})
    )
    folder = forms.ChoiceField(required=False, label="Or a folder on the server")
    class_names = forms.ChoiceField(
        choices=list(CLASS_NAMES.items()),
        required=False,
        label="What participants read of the classes",
        help_text="You can change each title later.",
    )
    part = forms.CharField(
        required=False,
        max_length=100,
        label="Part of the photographs",
        help_text="A value of the column split in labels.csv, such as train, or all. Leave it empty without one.",
    )
    names_encoding = forms.ChoiceField(
        choices=[("", "UTF-8"), *ENCODINGS.items()],
        required=False,
        label="Encoding of names in the zip",
        help_text="Change it only if names are refused because they are not UTF-8.",
    )

    def __init__(self, *args: Any, **kwargs: Any):
        super().__init__(*args, **kwargs)
        with_theme_widgets(self)
        limit = filesizeformat(settings.UPLOAD_MAX_BYTES)
        self.fields["archive"].help_text = (
            f"One folder a class, or a labels.csv with the columns file and label; at most {limit}. "
            "JPEG, PNG, WebP, HEIC, AVIF, BMP and TIFF, still images with 8 bits a channel; of a GIF the first frame."
        )
        offered = folders.image_folders()
        if offered:
            self.fields["folder"].choices = [("", "–"), *((path, path) for path in offered)]
            self.fields["folder"].help_text = "Below the folders that this server's administrator allows."
        else:
            del self.fields["folder"]

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean()
        if not self.errors and bool(cleaned["archive"]) == bool(cleaned.get("folder")):
            raise forms.ValidationError("Choose a zip archive, or a folder on the server.")
        return cleaned

    def request(self, owner: Any) -> Import:
        told = self.cleaned_data
        return jobs.request_images(
            told["name"],
            owner=owner,
            upload=told["archive"] or None,
            folder=told.get("folder", ""),
            names_encoding=told["names_encoding"] if told["archive"] else "",
            part=told["part"],
            class_names=told["class_names"] or AUTOMATIC,
        )


class Three(forms.CharField):
    """Three numbers with commas or blanks between them, for red, green and blue."""

    def clean(self, value: str) -> list[float] | None:
        text = super().clean(value)
        if not text:
            return None
        try:
            numbers = [float(part) for part in text.replace(",", " ").split()]
        except ValueError:
            numbers = []
        if len(numbers) != 3 or not all(abs(number) < 1e6 for number in numbers):
            raise forms.ValidationError("Three numbers with commas or blanks between them, as 0.485, 0.456, 0.406.")
        return numbers


class ClassifierForm(forms.Form):
    """One of a library's networks by name, or a module and a checkpoint from a folder of the server."""

    name = forms.CharField(max_length=100, label="Short name", help_text=NAME_HELP)
    image_set = forms.ChoiceField(label="Image set", help_text="What it is judged on.")
    torchvision = forms.CharField(
        required=False,
        max_length=60,
        label="A network of torchvision",
        help_text="With its preprocessing. The weights are downloaded by a worker, or lie in its cache.",
    )
    weights = forms.CharField(
        required=False, max_length=60, help_text="torchvision’s name for them; empty: IMAGENET1K_V1."
    )
    library = forms.ChoiceField(
        choices=[("", "–"), *((key, title) for key, title in LIBRARIES.items())],
        required=False,
        label="Or another library",
        help_text="Its files must be in the cache of the workers; nothing is downloaded.",
    )
    library_name = forms.CharField(
        required=False,
        max_length=200,
        label="Its name there",
        help_text="resnet50.a1_in1k in timm, microsoft/resnet-50, or ViT-B-32:laion2b_s34b_b79k in open_clip.",
    )
    prompt = forms.CharField(
        required=False,
        max_length=200,
        help_text="What open_clip is told of each class; {} is its title. Empty: a photo of a {}.",
    )
    module = forms.ChoiceField(
        required=False,
        label="Or a module on the server",
        help_text="A Python file. It runs with the rights of a worker: choose only what you would run yourself.",
    )
    factory = forms.CharField(
        required=False, max_length=100, help_text="The function or class in it that returns the network."
    )
    checkpoint = forms.ChoiceField(
        required=False, help_text="Its weights as safetensors; pickles (.pth, .pt) run code when read and are refused."
    )
    outputs_are = forms.ChoiceField(
        choices=[
            ("logits", "logits, or their log-softmax"),
            ("probabilities", "probabilities, whose logarithms are taken"),
        ],
        initial="logits",
        required=False,
        label="What the module’s network gives",
    )
    resize = forms.IntegerField(
        required=False, min_value=1, max_value=4096, help_text="Pixels of the shorter side; empty: not resized."
    )
    crop = forms.IntegerField(
        required=False, min_value=1, max_value=4096, help_text="Pixels of the square cut from the centre; empty: none."
    )
    mean = Three(required=False, max_length=100, help_text="Subtracted from pixels in [0, 1]: red, green, blue.")
    std = Three(required=False, max_length=100, label="Standard deviation", help_text="What is left is divided by it.")

    expected_accuracy = forms.FloatField(
        required=False,
        min_value=1,
        max_value=100,
        help_text="Percentage of the images it should be right on, if you know it; you are told where it is not.",
    )
    output_order = forms.ChoiceField(
        choices=[("", "as the names, numbers or the list below say"), *ORDERS.items()],
        required=False,
        label="Which output is which class",
        help_text="Leave it where the network’s names, the classes’ numbers or equal counts make it certain.",
    )
    output_list = forms.FileField(
        required=False,
        label="Or a list of the outputs",
        widget=widgets.UnfoldAdminFileFieldWidget(attrs={"accept": ".txt,.csv,.json"}),
        help_text="A line for each output, CSV with the columns class and index, or JSON as class_to_idx or id2label.",
    )

    OWN = ("module", "factory", "checkpoint")
    #: Under one heading each, in the order of the page.
    PARTS = {
        "The classifier": ("name", "image_set", "expected_accuracy"),
        "Either: a published network": ("torchvision", "weights", "library", "library_name", "prompt"),
        "Or: a network of your own": (*OWN, "outputs_are"),
        "Preprocessing of your own network": ("resize", "crop", "mean", "std"),
        "Outputs and classes": ("output_order", "output_list"),
    }

    def parts(self) -> list[tuple[str, list[forms.BoundField]]]:
        """The fields that there are, by heading."""
        return [(title, [self[name] for name in names if name in self.fields]) for title, names in self.PARTS.items()]

    def __init__(self, *args: Any, image_sets: QuerySet, **kwargs: Any):
        super().__init__(*args, **kwargs)
        names = image_sets.order_by("name").values_list("name", flat=True)
        self.fields["image_set"].choices = [(name, name) for name in names]
        for name, suffix in (("module", ".py"), ("checkpoint", ".safetensors")):
            self.fields[name].choices = [("", "–"), *((path, path) for path in folders.module_files(suffix))]
        if len(self.fields["module"].choices) == 1:
            for name in self.OWN:
                del self.fields[name]
        with_theme_widgets(self)
        self.fields["torchvision"].widget.attrs["list"] = "published"

    @property
    def published(self) -> list[str]:
        return models_of_torchvision.NETWORKS

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean()
        if self.errors:
            return cleaned
        own = [name for name in self.OWN if cleaned.get(name)]
        if [bool(cleaned["torchvision"]), bool(cleaned["library"]), bool(own)].count(True) != 1:
            raise forms.ValidationError(
                "Name a network of torchvision or of another library, or choose a module with its checkpoint."
            )
        if bool(cleaned["library"]) != bool(cleaned["library_name"]):
            self.add_error("library_name", "A network of another library needs both: the library, and its name there.")
        if cleaned["prompt"] and cleaned["library"] != "open_clip":
            self.add_error("prompt", "Only open_clip is told of classes.")
        if cleaned["outputs_are"] == "probabilities" and not own:
            self.add_error("outputs_are", "Networks of libraries give logits.")
        self._check_normalisation(cleaned)
        for name in self.OWN:
            if own and not cleaned.get(name):
                self.add_error(name, "A module needs all three: file, factory and checkpoint.")
        if cleaned.get("factory") and not cleaned["factory"].isidentifier():
            self.add_error("factory", "The name of a function or class.")
        if own and cleaned["weights"]:
            self.add_error("weights", "Only torchvision’s networks have these; a module has a checkpoint.")
        if cleaned["output_order"] and cleaned.get("output_list"):
            self.add_error("output_list", "Choose an order above or a list, not both.")
        return cleaned

    def _check_normalisation(self, cleaned: dict[str, Any]) -> None:
        given = [name for name in ("mean", "std") if cleaned[name]]
        if len(given) == 1:
            self.add_error(given[0], "Give both mean and standard deviation, or neither.")
        for name in given:
            if name in cleaned and (problem := normalisation_problem(name, cleaned[name])):
                self.add_error(name, as_sentence(problem))

    def clean_output_list(self) -> tuple[str, str] | None:
        """The list's text and the file's name."""
        file = self.cleaned_data["output_list"]
        if not file:
            return None
        try:
            return decode_list(file.read(LARGEST_LIST + 1), file.name), file.name
        except StudyError as error:
            raise forms.ValidationError(as_sentence(error)) from None

    def request(self, owner: Any) -> Import:
        told = self.cleaned_data
        outputs, called = told["output_list"] or (told["output_order"], "--outputs")
        source = {
            "outputs": outputs,
            "outputs_called": called,
            "image_set": told["image_set"],
            "preprocessing": {name: told[name] for name in ("resize", "crop", "mean", "std")},
        }
        if told["expected_accuracy"]:
            source["expected_accuracy"] = told["expected_accuracy"] / 100
        if told["torchvision"]:
            source |= {"torchvision": told["torchvision"], "weights": told["weights"] or "IMAGENET1K_V1"}
        elif told["library"]:
            source |= {told["library"]: told["library_name"], **({"prompt": told["prompt"]} if told["prompt"] else {})}
        else:
            source |= {"module": f"{told['module']}:{told['factory']}", "checkpoint": told["checkpoint"]}
            if told["outputs_are"] == "probabilities":
                source["outputs_are"] = told["outputs_are"]
        return jobs.request_classifier(told["name"], owner=owner, **source)


def add(admin: PlainAdmin, request: HttpRequest, form: Any, template: str, title: str) -> HttpResponse:
    """The form, and where it is valid an import that a worker begins with; nothing is read here but the archive's list.

    The image sets and classifiers themselves are added by nobody but workers.
    """
    if not request.user.has_perm(f"studies.add_{admin.opts.model_name}"):
        raise PermissionDenied
    if form.is_valid():
        try:
            run = form.request(request.user)
        except StudyError as error:
            form.add_error(None, as_sentence(error))
        else:
            return redirect(reverse("admin:studies_import_change", args=[run.pk]))
    return page(admin, request, template, title=title, form=form)


def bound(form: type[forms.Form], request: HttpRequest, **kwargs: Any) -> forms.Form:
    return form(request.POST, request.FILES, **kwargs) if request.method == "POST" else form(**kwargs)


# --- what became of it ------------------------------------------------------------------------------------------------


@admin.register(Import)
class ImportAdmin(Findable, Logged, ModelAdmin):
    """Imports of one's own; operators see all of them.  Nobody adds or edits one but by the forms above."""

    list_display = ["name", "kind_label", "state_label", "owner", "begun"]
    list_select_related = ["owner"]
    list_filter = ["kind", "state"]
    search_fields = ["name"]
    actions = None

    def events(self, run: Import) -> QuerySet[Event]:
        return Event.objects.filter(about=run.kind, slug=run.name, details__import=run.pk)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Import]:
        # A review may be of a thousand classes.
        return super().get_queryset(request).visible_to(request.user).defer("review")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Import | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Import | None = None) -> bool:
        return False

    def has_view_permission(self, request: HttpRequest, obj: Import | None = None) -> bool:
        kinds = [obj.kind] if obj else [Kind.IMAGES, Kind.CLASSIFIER]
        needed = {Kind.IMAGES: "studies.add_imageset", Kind.CLASSIFIER: "studies.add_classifier"}
        may = request.user.has_perm
        return may("studies.view_import") or any(may(needed[kind]) for kind in kinds)

    def has_module_permission(self, request: HttpRequest) -> bool:
        return self.has_view_permission(request)

    @display(description="What", ordering="kind")
    def kind_label(self, run: Import) -> str:
        return run.get_kind_display().capitalize()

    @display(description="State", ordering="state")
    def state_label(self, run: Import) -> str:
        return STATES[run.state]

    @display(description="Begun", ordering="created_at")
    def begun(self, run: Import) -> str:
        return date_format(run.created_at, "j M Y, H:i")

    def get_urls(self) -> list:
        def at(route: str, view: Any, name: str) -> Any:
            return path(route, self.admin_site.admin_view(partial(view, self)), name=f"studies_import_{name}")

        own = [
            at("<int:pk>/progress/", progress, "progress"),
            at("<int:pk>/decide/", decide, "decide"),
            at("<int:pk>/report.csv", report, "report"),
            at("<int:pk>/thumbnail/<slug:sha256>.png", import_review.thumbnail, "thumbnail"),
        ]
        return own + super().get_urls()

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        run = self.get_object(request, object_id)
        about = self._about(request, run) if run is not None and self.has_view_permission(request, run) else {}
        return super().change_view(request, object_id, form_url, {**(extra_context or {}), **about})

    def _about(self, request: HttpRequest, run: Import) -> dict[str, Any]:
        lines = run.files.exclude(refused="", left_out="", note="")
        return {
            "title": run.name,
            "run": run,
            "state": STATES[run.state],
            "under_way": run.state in run.TO_DO,
            "may_discard": run.state in jobs.UNDER_WAY,
            "source": _source(run),
            "refused": run.files.exclude(refused="").count(),
            "left_out": run.files.exclude(left_out="").count(),
            "accepted": run.files.filter(refused="", left_out="").count(),
            **import_review.shown(run),
            "lines": Paginator(lines.order_by("number"), LINES).get_page(request.GET.get("page")),
        }


STATES = {
    State.WAITING: "Being looked at",
    State.REVIEW: "Waits for you",
    State.CONFIRMED: "Being written",
    State.DONE: "There",
    State.REFUSED: "Refused",
    State.DISCARDED: "Discarded",
}


def _source(run: Import) -> str:
    """Where it comes from, in words."""
    told = run.source
    if "called" in told:
        return told["called"] or "a zip archive"
    if "folder" in told:
        return told["folder"]
    return next(told[key] for key in ("torchvision", *LIBRARIES, "module") if key in told)


def progress(admin: ImportAdmin, request: HttpRequest, pk: int) -> HttpResponse:
    """The line an import's page asks for again and again; then it has the page loaded anew."""
    run = get_object_or_404_for(admin, request, pk, "view")
    if run.state not in run.TO_DO:
        return HttpResponse(headers={"HX-Refresh": "true"})
    return HttpResponse(render_to_string("admin/studies/import/progress.html", {"run": run}))


def decide(admin: ImportAdmin, request: HttpRequest, pk: int) -> HttpResponse:
    """By POST: import what was accepted, have it judged again in another way, or forget all of it."""
    run = get_object_or_404_for(admin, request, pk, "view")
    address = reverse("admin:studies_import_change", args=[run.pk])
    if request.method != "POST":
        return redirect(address)
    try:
        if request.POST.get("decision") == "confirm":
            jobs.confirm(run, actor=request.user)
            done = "A worker writes the image set."
        elif request.POST.get("decision") == "again":
            jobs.review_again(run, **import_review.chosen(request), actor=request.user)
            done = "A worker judges the files again."
        else:
            jobs.discard(run, actor=request.user)
            done = "Discarded. Nothing of it was kept."
    except StudyError as error:
        messages.error(request, as_sentence(error))
    else:
        messages.success(request, done)
    return redirect(address)


class _Echo:
    """A file that gives back what is written to it."""

    def write(self, value: str) -> str:
        return value


def report(admin: ImportAdmin, request: HttpRequest, pk: int) -> HttpResponse:
    """A CSV file of what was refused, left out or taken with a word, a line each."""
    run = get_object_or_404_for(admin, request, pk, "view")
    writer = csv.writer(_Echo(), lineterminator="\n")

    def lines() -> Iterator[str]:
        yield writer.writerow(["file", "class", "became", "reason"])
        rows = run.files.exclude(refused="", left_out="", note="").order_by("number")
        for one in rows.iterator(chunk_size=2000):
            became = "refused" if one.refused else "left out" if one.left_out else "taken"
            yield writer.writerow(map(_plain, (one.path, one.label, became, one.refused or one.left_out or one.note)))

    name = f"{run.name}-import-{run.pk}.csv"
    return StreamingHttpResponse(
        lines(),
        content_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="{name}"', "X-Content-Type-Options": "nosniff"},
    )


def _plain(text: str) -> str:
    """Names are other people's: none is a formula for a spreadsheet."""
    return f"'{text}" if text.startswith(FORMULA) else text
