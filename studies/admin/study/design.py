"""Adding a study in two steps, and changing the design of one that is not open yet."""

from typing import Any, TypeVar

from django import forms
from django.contrib import messages
from django.contrib.admin import ModelAdmin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from unfold import widgets

from studies import lifecycle, protocols
from studies.admin.pages import as_sentence, get_object_or_404_for, page
from studies.admin.widgets import with_theme_widgets
from studies.designs.choices import catalogue
from studies.lib.errors import StudyError
from studies.models import Study
from studies.protocols.base.field_help import PAPER as PAPER_IS

from . import estimates
from .field_help import parts, starting

Form = TypeVar("Form", bound=forms.Form)

#: What a design is filled in from at first.
DEFAULTS, PAPER = "defaults", "paper"


class FirstStepForm(forms.ModelForm):
    """What a study is called, and what kind of study it is."""

    protocol = forms.ChoiceField(widget=forms.RadioSelect)
    start = forms.ChoiceField(
        widget=forms.RadioSelect,
        required=False,
        choices=[(DEFAULTS, "the defaults"), (PAPER, f"as in the paper, {PAPER_IS}")],
        initial=DEFAULTS,
        label="Fill in",
    )

    class Meta:
        model = Study
        fields = ["title", "slug", "protocol"]
        widgets = {"title": widgets.UnfoldAdminTextInputWidget, "slug": widgets.UnfoldAdminTextInputWidget}
        labels = {"slug": "Short name"}
        help_texts = {
            "title": "As participants read it at the top of their pages.",
            "slug": "For commands and file names: letters, digits, hyphens and underscores. It cannot be changed.",
        }
        error_messages = {"slug": {"unique": "There is already a study with this short name."}}

    def __init__(self, *args: Any, **kwargs: Any):
        super().__init__(*args, **kwargs)
        self.fields["protocol"].choices = [(key, kind.title) for key, kind in protocols.available().items()]

    def kinds(self) -> list[tuple[Any, str]]:
        """The radio buttons with their protocols' descriptions."""
        described = protocols.available().values()
        return list(zip(self["protocol"], [kind.description for kind in described], strict=True))


def first_step(admin: ModelAdmin, request: HttpRequest) -> HttpResponse:
    """Title and protocol.  Nothing is stored yet: the second step's address carries them."""
    if not admin.has_add_permission(request):
        raise PermissionDenied
    form = FirstStepForm(request.POST or None, initial={"protocol": _only(protocols.available()), **request.GET.dict()})
    if form.is_valid():
        query = {name: form.cleaned_data[name] for name in ("title", "slug", "protocol")}
        if form.cleaned_data["start"] == PAPER:
            query["start"] = PAPER
        return redirect(reverse("admin:studies_study_add_design", query=query))
    return page(admin, request, "admin/studies/study/add.html", title="Add a study", form=form)


def _only(kinds: dict[str, Any]) -> str | None:
    return next(iter(kinds)) if len(kinds) == 1 else None


def second_step(admin: ModelAdmin, request: HttpRequest) -> HttpResponse:
    """The protocol's own form; a valid one makes the study."""
    if not admin.has_add_permission(request):
        raise PermissionDenied
    query = request.GET.dict()
    start_key = query.pop("start", DEFAULTS)
    first = FirstStepForm(query)
    if not first.is_valid():
        for errors in first.errors.values():
            messages.error(request, errors[0])
        return redirect(reverse("admin:studies_study_add", query=request.GET))
    kind = protocols.get(first.cleaned_data["protocol"])
    start = starting(kind, start_key)
    data = request.POST if request.method == "POST" else None
    form = with_theme_widgets(
        kind.form(data, catalogue=catalogue(request.user), initial=dict(start.design) if start else None)
    )
    if form.is_valid() and estimates.WORK_OUT not in request.POST:
        try:
            given = {name: first.cleaned_data[name] for name in ("title", "slug", "protocol")}
            given |= {"design": _design(form)}
            study = lifecycle.create_study(**given, owner=request.user, actor=request.user)
        except StudyError as error:
            form.add_error(None, as_sentence(error))
        else:
            messages.success(request, f"{study.title} is a draft now. Prepare it next.")
            return redirect(admin.address(study))

    def from_(key: str) -> str:
        return reverse("admin:studies_study_add_design", query=query | ({"start": key} if key != DEFAULTS else {}))

    starts = [{"title": "the defaults", "address": from_(DEFAULTS), "here": start is None}]
    starts += [{"title": one.title, "address": from_(one.key), "here": one is start} for one in kind.papers]
    context = {
        "study": first.cleaned_data,
        "back": reverse("admin:studies_study_add", query=request.GET),
        "button": "Create the study",
        "starts": starts,
        "worked_out_at": reverse("admin:studies_study_add_consequences", query={"protocol": kind.key}),
    }
    return _design_page(admin, request, kind, form, context, start=start)


def change_design(admin: ModelAdmin, request: HttpRequest, pk: int) -> HttpResponse:
    """The same form for a study that is not open yet."""
    study = get_object_or_404_for(admin, request, pk, "change")
    if study.state not in lifecycle.EDITABLE:
        messages.error(request, f"Study {study.slug} is {study.state}: its design can no longer be changed.")
        return redirect(admin.address(study))
    kind = protocols.get(study.protocol)
    data = request.POST if request.method == "POST" else None
    form = with_theme_widgets(kind.form(data, catalogue=catalogue(request.user), initial=study.design))
    if form.is_valid() and estimates.WORK_OUT not in request.POST:
        before = study.design
        try:
            lifecycle.change_design(study, _design(form), actor=request.user)
        except StudyError as error:
            form.add_error(None, as_sentence(error))
        else:
            if study.design == before:
                messages.info(request, "The design is unchanged.")
            else:
                messages.success(request, "The design is changed. Prepare the study before opening it.")
            return redirect(admin.address(study))
    context = {
        "study": study,
        "original": study,
        "back": admin.address(study),
        "button": "Save the design",
        "worked_out_at": admin.address(study, "consequences"),
    }
    return _design_page(admin, request, kind, form, context)


def _design_page(
    admin: ModelAdmin,
    request: HttpRequest,
    kind: protocols.Protocol,
    form: protocols.DesignForm,
    context: dict[str, Any],
    *,
    start: protocols.PublishedDesign | None = None,
) -> HttpResponse:
    """The form with what it comes to; a browser with scripts asks for that itself."""
    context |= {"form": form, "kind": kind, "parts": parts(kind, form, start), "start": start}
    context["prices"] = estimates.PriceForm(kind)
    if request.method == "POST":
        context |= estimates.told(request, kind, form, context.get("original"))
    return page(admin, request, "admin/studies/study/design.html", title="Design", **context)


def _design(form: forms.Form) -> dict[str, Any]:
    return dict(form.cleaned_data)
