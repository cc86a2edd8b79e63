"""The checks that a researcher names: pictures picked by looking at them, each with its right answers."""

from typing import Any

from django.contrib import messages
from django.contrib.admin import ModelAdmin
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect

from studies import lifecycle, protocols
from studies.admin.pages import as_sentence, get_object_or_404_for, page
from studies.admin.thumbnails import thumbnail_url
from studies.lib.errors import StudyError
from studies.models import Classifier, Image, Study
from studies.protocols import classifiers_of
from studies.protocols.base.named_checks import NO, ROLES, YES, NamedCheck, parse

ON_A_PAGE = 60
SAYS = [("", "–"), (YES, "yes"), (NO, "no")]
USES = [("", "any check"), *((role, role) for role in ROLES)]


def checks(admin: ModelAdmin, request: HttpRequest, pk: int) -> HttpResponse:
    """Sixty pictures of a class at a time; what is said of them is stored, and of the others stays as it is."""
    study = get_object_or_404_for(admin, request, pk, "change")
    asked = protocols.get(study.protocol).named_checks(study.design)
    editable = study.state in lifecycle.EDITABLE
    # Of a line that no longer fits the attributes nothing is kept: its right answers are not known any more.
    named = {one.image: one for one in _parsed(study, asked)} if asked else {}
    row = Classifier.objects.select_related("image_set").get(name=classifiers_of(study.design)[0])
    classes = list(row.image_set.classes.order_by("index").values_list("name", "title"))
    class_name = request.GET.get("class") or study.design.get("class_name") or (classes[0][0] if classes else "")
    pictures = row.image_set.images.filter(path__in=named) if class_name == "named" else _of_class(row, class_name)
    shown = Paginator(pictures.order_by("path"), ON_A_PAGE).get_page(request.GET.get("p"))
    problem = ""
    if request.method == "POST" and asked:
        try:
            said = dict(named)
            for image in shown:
                said |= _said(request, image, asked)
                if not any(request.POST.get(_field(image, at)) for at in range(len(asked))):
                    said.pop(image.path, None)
            _store(study, list(said.values()), request)
        except (StudyError, ValueError) as error:
            problem = as_sentence(error)
        else:
            return redirect(request.get_full_path())
    cards = [
        {
            "image": image,
            "picture": thumbnail_url(image.sha256),
            "fields": [
                (_field(image, at), attribute, named[image.path].answers[attribute] if image.path in named else "")
                for at, attribute in enumerate(asked)
            ],
            "use": (_field(image, "use"), named[image.path].role if image.path in named else ""),
        }
        for image in shown
    ]
    wanted = protocols.get(study.protocol).control_trials(study.design)
    context = {
        "study": study,
        "original": study,
        "asked": asked,
        "editable": editable,
        "cards": cards,
        "shown": shown,
        "classes": classes,
        "class_name": class_name,
        "named": list(named.values()),
        "lost": len(study.design.get("checks", ())) - len(named),
        "wanted": wanted,
        "lacking": max(sum(wanted.values()) - len(named), 0),
        "says": SAYS,
        "uses": USES,
        "problem": problem,
    }
    return page(admin, request, "admin/studies/study/checks.html", title="Checks", **context)


def _parsed(study: Study, asked: tuple[str, ...]) -> list[NamedCheck]:
    found = []
    for line in study.design.get("checks", ()):
        try:
            found += parse([line], asked)
        except ValueError:
            continue
    return found


def _of_class(row: Classifier, class_name: str) -> Any:
    index = row.image_set.classes.filter(name=class_name).values_list("index", flat=True).first()
    return row.image_set.images.filter(label=index) if index is not None else row.image_set.images.none()


def _field(image: Image, what: int | str) -> str:
    return f"image-{image.pk}-{what}"


def _said(request: HttpRequest, image: Image, asked: tuple[str, ...]) -> dict[str, NamedCheck]:
    """What the form says of a picture, by its path; nothing where it says nothing.  ValueError for half of it."""
    answers = {one: request.POST.get(_field(image, at), "") for at, one in enumerate(asked)}
    if not any(answers.values()):
        return {}
    if missing := [one for one, answer in answers.items() if answer not in (YES, NO)]:
        raise ValueError(f"{image.path}: say yes or no for {missing[0]!r} too, or for none")
    use = request.POST.get(_field(image, "use"), "")
    return {image.path: NamedCheck(image.path, answers, use if use in ROLES else "")}


def _store(study: Study, named: list[NamedCheck], request: HttpRequest) -> None:
    lines = [one.line() for one in named]
    if lines == study.design["checks"]:
        messages.info(request, "The checks are unchanged.")
        return
    lifecycle.change_design(study, {**study.design, "checks": lines}, actor=request.user)
    messages.success(request, f"{len(lines)} checks are named. Prepare the study before opening it.")
