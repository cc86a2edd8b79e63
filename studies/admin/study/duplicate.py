"""Duplicating a study: a draft with its design, to be changed."""

from django import forms
from django.contrib import messages
from django.contrib.admin import ModelAdmin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.text import slugify
from unfold import widgets

from studies import lifecycle
from studies.admin.pages import as_sentence, get_object_or_404_for, page
from studies.lib.errors import StudyError
from studies.models import Study

from .descriptions import settings_of


class DuplicateForm(forms.ModelForm):
    """What the copy is called."""

    class Meta:
        model = Study
        fields = ["title", "slug"]
        widgets = {"title": widgets.UnfoldAdminTextInputWidget, "slug": widgets.UnfoldAdminTextInputWidget}
        labels = {"slug": "Short name"}
        help_texts = {"title": "As participants read it.", "slug": "It cannot be changed."}
        error_messages = {"slug": {"unique": "There is already a study with this short name."}}


def duplicate(admin: ModelAdmin, request: HttpRequest, pk: int) -> HttpResponse:
    """GET says what a copy has and asks for its name, POST makes it."""
    study = get_object_or_404_for(admin, request, pk, "view")
    if not (admin.has_add_permission(request) and admin.has_change_permission(request, study)):
        raise PermissionDenied
    initial = {"title": f"{study.title[:190]} (copy)", "slug": f"{slugify(study.slug)[:90]}-copy"}
    form = DuplicateForm(request.POST if request.method == "POST" else None, initial=initial)
    if form.is_valid():
        try:
            copy = lifecycle.duplicate_study(study, **form.cleaned_data, actor=request.user)
        except StudyError as error:
            form.add_error(None, as_sentence(error))
        else:
            messages.success(request, f"{copy.title} is a draft now. Change its design, then prepare it.")
            return redirect(admin.address(copy))
    context = {"form": form, "study": study, "original": study, "design": settings_of(study)}
    return page(admin, request, "admin/studies/study/duplicate.html", title="Duplicate", **context)
