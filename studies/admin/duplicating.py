"""Duplicating a study: a draft with its design, to be changed."""

from typing import TYPE_CHECKING

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.text import slugify
from unfold import widgets

from studies import lifecycle
from studies.errors import StudyError
from studies.models import Study

from .describing import settings_of
from .pages import page, row, sentence

if TYPE_CHECKING:
    from .studies import StudyAdmin


class DuplicateForm(forms.ModelForm):
    """What the copy is called."""

    class Meta:
        model = Study
        fields = ["title", "slug"]
        widgets = {"title": widgets.UnfoldAdminTextInputWidget, "slug": widgets.UnfoldAdminTextInputWidget}
        labels = {"slug": "Short name"}
        help_texts = {"title": "As participants read it.", "slug": "It cannot be changed."}
        error_messages = {"slug": {"unique": "There is already a study with this short name."}}


def duplicate(admin: "StudyAdmin", request: HttpRequest, pk: int) -> HttpResponse:
    """GET says what a copy has and asks for its name, POST makes it."""
    study = row(admin, request, pk, "view")
    if not (admin.has_add_permission(request) and admin.has_change_permission(request, study)):
        raise PermissionDenied
    initial = {"title": f"{study.title[:190]} (copy)", "slug": f"{slugify(study.slug)[:90]}-copy"}
    form = DuplicateForm(request.POST if request.method == "POST" else None, initial=initial)
    if form.is_valid():
        try:
            copy = lifecycle.duplicate_study(study, **form.cleaned_data, actor=request.user)
        except StudyError as error:
            form.add_error(None, sentence(error))
        else:
            messages.success(request, f"{copy.title} is a draft now. Change its design, then prepare it.")
            return redirect(admin.address(copy))
    context = {"form": form, "study": study, "original": study, "design": settings_of(study)}
    return page(admin, request, "admin/studies/study/duplicate.html", title="Duplicate", **context)
