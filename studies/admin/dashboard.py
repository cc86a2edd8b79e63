"""The desk's first page and its sidebar."""

from typing import Any

from django.db.models import Case, IntegerField, Value, When
from django.http import HttpRequest
from django.urls import reverse

from studies import protocols
from studies.models import Classifier, ImageSet, Study
from studies.preparation import progress as preparation_progress

from . import documentation
from .study.attention import needs
from .study.progress import counted, progress

State = Study.State
#: What runs comes first, then what waits for the researcher, then what is done.
ORDER = (State.OPEN, State.PAUSED, State.READY, State.PREPARING, State.DRAFT, State.CLOSED)
SHOWN = 30


def sidebar(request: HttpRequest) -> list[dict[str, Any]]:
    items = [{"title": "Desk", "icon": "grid_view", "link": reverse("admin:index")}]
    for title, icon, app, model in (
        ("Studies", "lab_profile", "studies", "study"),
        ("Image sets", "photo_library", "studies", "imageset"),
        ("Classifiers", "hub", "studies", "classifier"),
        ("Users", "person", "auth", "user"),
    ):
        if request.user.has_perms([f"{app}.view_{model}"]):
            items.append({"title": title, "icon": icon, "link": reverse(f"admin:{app}_{model}_changelist")})
        if model == "classifier" and request.user.has_perm("studies.add_imageset"):
            items.append({"title": "Imports", "icon": "upload", "link": reverse("admin:studies_import_changelist")})
        if model == "study" and request.user.has_perm("studies.view_study"):
            items.append({"title": "Planning", "icon": "grid_on", "link": reverse("admin:studies_study_plan")})
    return [{"items": items}]


def with_studies(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """What the index shows besides Django's: the studies by state and what they need, the workers, what studies are
    made of, and the first steps.
    """
    may = request.user.has_perm
    context["tutorial"] = documentation.address("tutorial/first-study")
    context |= {"may_add": may("studies.add_study"), "sees_studies": may("studies.view_study")}
    if context["sees_studies"]:
        order = Case(*(When(state=state, then=Value(n)) for n, state in enumerate(ORDER)), output_field=IntegerField())
        studies = (
            counted(Study.objects.visible_to(request.user)).filter(archived_at=None).order_by(order, "-created_at")
        )
        rows = [
            {"study": study, "kind": protocols.get(study.protocol), "progress": progress(study)}
            for study in studies[: SHOWN + 1]
        ]
        context |= {"rows": rows[:SHOWN], "more": len(rows) > SHOWN}
        context["needs"] = needs(row["study"] for row in rows[:SHOWN])
    if context["sees_studies"] or may("studies.view_artifact"):
        context["work"] = preparation_progress.worker_activity()
    if may("studies.view_imageset"):
        context["n_image_sets"] = ImageSet.objects.visible_to(request.user).count()
    if may("studies.view_classifier"):
        context["n_classifiers"] = Classifier.objects.visible_to(request.user).count()
    return context
