"""Amending the analysis of a study that was opened."""

from django import forms
from django.contrib import messages
from django.contrib.admin import ModelAdmin
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from unfold import widgets

from studies import protocols
from studies.admin.pages import as_sentence, get_object_or_404_for, page
from studies.admin.widgets import with_theme_widgets
from studies.designs import amendments
from studies.designs.choices import catalogue
from studies.lib.errors import StudyError
from studies.models import Study


class AmendmentForm(forms.Form):
    """A reason, and the settings of the analysis as they are now."""

    reason = forms.CharField(
        widget=widgets.UnfoldAdminTextareaWidget(attrs={"rows": 4}),
        help_text="Reason and content of the change, part of every export.",
    )

    def __init__(self, *args: object, study: Study, **kwargs: object):
        super().__init__(*args, **kwargs)
        kind, design = protocols.get(study.protocol), amendments.amended_design(study)
        fields = kind.form(catalogue=catalogue()).fields
        for name in kind.amendable:
            self.fields[name] = fields[name]
            self.fields[name].initial = design[name]
        with_theme_widgets(self)


def amend(admin: ModelAdmin, request: HttpRequest, pk: int) -> HttpResponse:
    """GET shows what can be amended, POST adds the amendment; what was frozen stays as it is."""
    study = get_object_or_404_for(admin, request, pk, "change")
    if study.opened_at is None:
        messages.error(request, f"Study {study.slug} is {study.state}: change its design instead.")
        return redirect(admin.address(study))
    form = AmendmentForm(request.POST if request.method == "POST" else None, study=study)
    if form.is_valid():
        changes = {name: form.cleaned_data[name] for name in form.fields if name != "reason"}
        reason = form.cleaned_data["reason"]
        try:
            made = amendments.amend_study(study, reason=reason, changes=changes, actor=request.user)
        except StudyError as error:
            form.add_error(None, as_sentence(error))
        else:
            messages.success(request, f"Amendment {made.number} is added. The registered analysis is reported first.")
            return redirect(admin.address(study, "results"))
    context = {"form": form, "study": study, "original": study, "back": admin.address(study, "results")}
    return page(admin, request, "admin/studies/study/amend.html", title="Amend", **context)
