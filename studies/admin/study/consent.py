"""What a study's participants agree to: the details it needs, the composed text, and one's own beside its claims."""

from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.admin import ModelAdmin
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils import translation
from unfold import widgets

from studies import lifecycle
from studies.admin.pages import as_sentence, get_object_or_404_for, page
from studies.admin.widgets import with_theme_widgets
from studies.designs import consent as texts
from studies.designs.consent_details import SAYS, ConsentDetailsForm
from studies.lib.errors import StudyError
from studies.models import Study


class ConsentForm(ConsentDetailsForm):
    """The details, and a text of one's own."""

    consent_text = forms.CharField(
        label="Consent text of your own",
        required=False,
        max_length=50_000,
        widget=widgets.UnfoldAdminTextareaWidget(attrs={"rows": 12}),
        help_text=(
            "Text in place of the composed one, in one language. Leave empty to use the composed text. Lines that "
            "begin with “# ” are headings."
        ),
    )


def consent(admin: ModelAdmin, request: HttpRequest, pk: int) -> HttpResponse:
    """GET shows the text as participants read it and what it is made from; POST changes that until the study opens."""
    study = get_object_or_404_for(admin, request, pk, "change" if request.method == "POST" else "view")
    initial = {**study.consent_details, "consent_text": study.consent_text}
    form = with_theme_widgets(ConsentForm(request.POST if request.method == "POST" else None, initial=initial))
    if form.is_valid():
        details = {name: form.cleaned_data[name] for name in ConsentDetailsForm.base_fields}
        says = [key for key in request.POST.getlist(SAYS) if key in _keys(study)]
        try:
            lifecycle.change_texts(
                study,
                title=study.title,
                consent_text=form.cleaned_data["consent_text"],
                details={**details, SAYS: says},
                actor=request.user,
            )
        except StudyError as error:
            messages.error(request, as_sentence(error))
        else:
            messages.success(request, "The consent text is saved.")
        return redirect(admin.address(study, "consent"))
    editable = study.state in lifecycle.NOT_YET_OPEN and admin.has_change_permission(request, study)
    context = {
        "study": study,
        "original": study,
        "form": form,
        "own": form["consent_text"],
        "details": [form[name] for name in ConsentDetailsForm.base_fields],
        "listed": texts.listed(study),
        "texts": shown(study),
        "untold": "" if study.opened_at else as_sentence(texts.untold(study)) if texts.untold(study) else "",
        "editable": editable,
    }
    return page(admin, request, "admin/studies/study/consent.html", title="Consent", **context)


def _keys(study: Study) -> set[str]:
    return {one.claim.key for one in texts.listed(study)}


def shown(study: Study) -> list[dict[str, Any]]:
    """The text in each language that its pages can have, as it is frozen or would be."""
    if study.opened_at:
        rows = study.consents.order_by("-version", "pk")
        return [{"language": _called(row.language), "text": row.text, "sha256": row.sha256} for row in rows]
    return [{"language": _called(code), "text": text} for code, text in texts.consent_texts(study).items()]


def _called(code: str) -> str:
    return translation.get_language_info(code)["name_local"] if code else "As it stands"
