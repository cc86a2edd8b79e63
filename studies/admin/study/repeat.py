"""Adding a study again from the zip of its export: what differs is shown before anything is made."""

from collections.abc import Sequence

from django import forms
from django.conf import settings
from django.contrib import messages
from django.contrib.admin import ModelAdmin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.defaultfilters import filesizeformat
from unfold import widgets

from studies.admin.pages import as_sentence, page
from studies.admin.widgets import with_theme_widgets
from studies.lib.errors import StudyError
from studies.models import Study
from studies.repeating import create, differences
from studies.repeating import folder as exports


class RepeatForm(forms.Form):
    """The zip of an export, and what the study is called here."""

    archive = forms.FileField(
        label="The zip of an export", widget=widgets.UnfoldAdminFileFieldWidget(attrs={"accept": ".zip"})
    )
    slug = forms.SlugField(max_length=100, label="Short name", help_text="It cannot be changed.")
    title = forms.CharField(
        max_length=200, required=False, help_text="As participants read it. Leave empty for the title in the export."
    )
    anyway = forms.BooleanField(
        required=False,
        label="Create it in spite of differences",
        help_text="Differences are named first. They are kept with the study.",
    )

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        with_theme_widgets(self)
        self.fields["archive"].help_text = f"At most {filesizeformat(settings.UPLOAD_MAX_BYTES)}."


def from_export(admin: ModelAdmin, request: HttpRequest) -> HttpResponse:
    """GET asks for the zip; POST reads it, names what differs, and makes the study where nothing does, or anyway."""
    if not admin.has_add_permission(request):
        raise PermissionDenied
    form = RepeatForm(*((request.POST, request.FILES) if request.method == "POST" else ()))
    lines: Sequence[str] = ()
    if form.is_valid():
        try:
            study, lines = _made(form, request)
        except StudyError as error:
            form.add_error(None, as_sentence(error))
        else:
            if study:
                messages.success(request, f"{study.title} is a draft now. Prepare it to see whether its stimuli agree.")
                return redirect(admin.address(study))
            form.add_error("anyway", "Something differs: nothing was made. Choose the zip again to go on.")
    return page(
        admin, request, "admin/studies/study/repeat.html", title="Add a study from an export", form=form, lines=lines
    )


def _made(form: RepeatForm, request: HttpRequest) -> tuple[Study | None, Sequence[str]]:
    """The study, or what differs."""
    file, slug, title, anyway = (form.cleaned_data[name] for name in ("archive", "slug", "title", "anyway"))
    with exports.opened_zip(file.open(), file.name) as folder:
        exported = exports.read(folder)
        compared = differences.compare(exported, request.user)
        if compared.words and not request.user.has_perm("studies.change_imageset"):
            compared.lines.append("words of classes differ here, and you may not change them")
            compared.words.clear()
        if compared.lines and not anyway:
            return None, compared.lines
        study = create.repeat_study(
            exported, compared, slug=slug, title=title, owner=request.user, actor=request.user, anyway=anyway
        )
    return study, ()
