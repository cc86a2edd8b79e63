"""The people of a study: whose it is, with whom it is shared, and sharing it."""

from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.admin import ModelAdmin
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied, ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from unfold import widgets

from studies.accounts import sharing
from studies.admin.pages import as_sentence, get_object_or_404_for, page
from studies.lib.errors import StudyError
from studies.models import Share


class ShareForm(forms.Form):
    """A colleague by name: whoever may share a study is not shown a list of all accounts for it."""

    username = forms.CharField(
        max_length=150,
        label="User name",
        help_text="User name. The person needs an account on this installation.",
        widget=widgets.UnfoldAdminTextInputWidget(attrs={"autocomplete": "off", "spellcheck": "false"}),
    )
    may = forms.ChoiceField(
        label="They may",
        choices=Share._meta.get_field("may").choices,
        widget=widgets.UnfoldAdminSelectWidget,
    )

    def clean_username(self) -> str:
        name = self.cleaned_data["username"].strip()
        self.user = User.objects.filter(username=name).first()
        if self.user is None:
            raise ValidationError("Nobody here has this user name.")
        return name


def people(admin: ModelAdmin, request: HttpRequest, pk: int) -> HttpResponse:
    """GET shows who sees the study, POST adds a colleague or (`remove`) takes a share back; the owner's to do."""
    study = get_object_or_404_for(admin, request, pk, "view")
    may_share = admin.has_share_permission(request, study)
    if request.method == "POST" and not may_share:
        raise PermissionDenied
    form = ShareForm(request.POST if request.method == "POST" and "remove" not in request.POST else None)
    if "remove" in request.POST:
        share = get_object_or_404(study.shares, user__username=request.POST["remove"])
        sharing.unshare_study(study, share.user, actor=request.user)
        messages.success(request, f"{share.user.get_username()} no longer sees this study.")
        return redirect(admin.address(study, "people"))
    if form.is_valid():
        try:
            share = sharing.share_study(study, form.user, form.cleaned_data["may"], actor=request.user)
        except StudyError as error:
            form.add_error("username", as_sentence(error))
        else:
            may = share.get_may_display()
            messages.success(request, f"{form.user.get_username()} may {may} now.")
            return redirect(admin.address(study, "people"))
    context: dict[str, Any] = {
        "study": study,
        "original": study,
        "form": form,
        "shares": study.shares.select_related("user"),
        "may_share": may_share,
    }
    return page(admin, request, "admin/studies/study/people.html", title="People", **context)
