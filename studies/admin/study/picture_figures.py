"""Figures of pictures of a closed study: its own, and one that is picked by filters; each to be downloaded."""

from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from django import forms
from django.contrib import messages
from django.contrib.admin import ModelAdmin
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.text import slugify

from studies import audit
from studies.admin.pages import get_object_or_404_for, page
from studies.admin.widgets import with_theme_widgets
from studies.export import file_formats
from studies.models import Study
from studies.protocols import Gallery
from studies.protocols.base.shown_stimuli import PICTURES, ShownStimulus
from studies.results import cache, picture_figures
from studies.results.result import result

PICKED = "picked"
ORDERS = {"number": "as numbered", "most": "most yes first", "fewest": "fewest yes first"}


class PickForm(forms.Form):
    """By GET; what is left empty does not matter."""

    title = forms.CharField(required=False, max_length=120, label="Title of the figure")
    condition = forms.ChoiceField(required=False)
    label = forms.CharField(required=False, max_length=200, label="Class asked about")
    yes_from = forms.IntegerField(required=False, min_value=0, label="Yes answers, from")
    yes_to = forms.IntegerField(required=False, min_value=0, label="Yes answers, to")
    order = forms.ChoiceField(required=False, choices=list(ORDERS.items()))
    pictures = forms.IntegerField(required=False, min_value=1, max_value=picture_figures.MOST)
    captions = forms.ChoiceField(required=False, choices=[("", "with captions"), ("none", "without captions")])

    def __init__(self, data: Any, *, shown: list[ShownStimulus]):
        super().__init__(data)
        names = sorted({one.condition for one in shown})
        self.fields["condition"].choices = [("", "any"), *((name, name) for name in names)]
        self.fields["pictures"].widget.attrs["placeholder"] = PICTURES
        self.fields["label"].widget.attrs["list"] = "labels"
        with_theme_widgets(self)


@dataclass(frozen=True)
class Offered:
    """A figure with what its address says of it."""

    key: str
    gallery: Gallery
    query: str


def figures(admin: ModelAdmin, request: HttpRequest, pk: int) -> HttpResponse:
    """The page; with `format` one of its figures as a file.  Of a study that is not closed nothing is told."""
    study = get_object_or_404_for(admin, request, pk, "view")
    if study.state != Study.State.CLOSED:
        messages.error(request, f"Study {study.slug} is {study.state}: figures are of a closed study.")
        return redirect(admin.address(study))
    audit.record_reading(study, "figures", request.user)
    shown = picture_figures.shown_stimuli(study)
    form = PickForm(request.GET, shown=shown)
    picked = _picked(form, shown) if form.is_valid() else None
    asked = {name: value for name, value in request.GET.items() if name in form.fields and value}
    if ending := request.GET.get("format"):
        return _file(study, request.GET.get("figure", ""), ending, picked)
    own = [Offered(str(at), gallery, f"figure={at}") for at, gallery in enumerate(_own(study))]
    context = {
        "study": study,
        "original": study,
        "form": form,
        "filtered": bool(asked),
        "labels": sorted({one.label for one in shown})[:400],
        "own": own,
        "picked": Offered(PICKED, picked, urlencode({**asked, "figure": PICKED})) if picked and picked.rows else None,
        "formats": [*picture_figures.FORMATS, "csv"],
    }
    return page(admin, request, "admin/studies/study/picture_figures.html", title="Figures", **context)


def _own(study: Study) -> list[Gallery]:
    """Those of the result, of a large study as a worker counted it, and those of its protocol."""
    if cache.large(study):
        told = cache.look_up(study).page_data or {}
        galleries = [Gallery(**gallery) for gallery in told.get("galleries", ())]
    else:
        summary = result(study).summary
        galleries = list(summary.galleries) if summary else []
    return [*(gallery for gallery in galleries if gallery.rows), *picture_figures.of_study(study)]


def _picked(form: PickForm, shown: list[ShownStimulus]) -> Gallery:
    """The pictures that the filters leave."""
    given = form.cleaned_data
    low, high = given["yes_from"] or 0, given["yes_to"]
    left = [
        one
        for one in shown
        if given["condition"] in ("", one.condition)
        and given["label"] in ("", one.label)
        and low <= one.yes
        and (high is None or one.yes <= high)
        and "picture" in one.shown
    ]
    sign = {"most": -1, "fewest": 1}.get(given["order"], 0)
    left.sort(key=lambda one: (sign * one.yes, one.number))
    captioned = given["captions"] != "none"
    rows = [
        (one.caption() if captioned else "", [one.shown["picture"]]) for one in left[: given["pictures"] or PICTURES]
    ]
    note = f"{len(rows)} of {len(left)} stimuli that fit the filters."
    return Gallery(given["title"] or "Pictures", ["picture"], rows, note)


def _file(study: Study, key: str, ending: str, picked: Gallery | None) -> HttpResponse:
    galleries = {str(at): gallery for at, gallery in enumerate(_own(study))} if key != PICKED else {PICKED: picked}
    gallery = galleries.get(key)
    if gallery is None or ending not in {*picture_figures.FORMATS, "csv"}:
        raise Http404
    name = f"{study.slug}-{slugify(gallery.title)}.{ending}"
    if ending == "csv":
        content: bytes | str = file_formats.csv_text(picture_figures.table(gallery))
        kind = "text/csv; charset=utf-8"
    else:
        content, kind = picture_figures.drawn(gallery, ending)[ending], picture_figures.FORMATS[ending]
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return HttpResponse(content, content_type=kind, headers=headers)
