"""The preregistration of a study: its page, and its files to download."""

from django.contrib import messages
from django.contrib.admin import ModelAdmin
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect

from studies.admin.pages import as_sentence, get_object_or_404_for, page
from studies.lib.errors import StudyError
from studies.registration import files
from studies.registration.answers import registration

#: What can be downloaded, by its suffix: the type, and what makes it.
FILES = {
    "md": ("text/markdown; charset=utf-8", files.markdown),
    "pdf": ("application/pdf", files.pdf),
    "json": ("application/json", files.as_json),
}


def preregistration(admin: ModelAdmin, request: HttpRequest, pk: int) -> HttpResponse:
    """The questions of OSF and AsPredicted with their answers; with `as`, one of FILES."""
    study = get_object_or_404_for(admin, request, pk, "view")
    try:
        registered = registration(study)
    except StudyError as error:
        messages.error(request, as_sentence(error))
        return redirect(admin.address(study))
    if (suffix := request.GET.get("as")) in FILES:
        kind, made = FILES[suffix]
        named = {"Content-Disposition": f'attachment; filename="{study.slug}-preregistration.{suffix}"'}
        return HttpResponse(made(registered), content_type=kind, headers=named)
    context = {"study": study, "original": study, "registered": registered, "suffixes": list(FILES)}
    return page(admin, request, "admin/studies/study/preregistration.html", title="Preregistration", **context)
