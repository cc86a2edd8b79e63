"""Every page of the desk that somebody can open, from the table of all addresses (tests/permission_matrix.py)."""

from collections.abc import Iterator
from dataclasses import dataclass

from django.contrib.auth.models import Group, User

from studies.models import Classifier, Import, Recruitment, ResultCache, Study
from studies.results import cache
from tests.large_study import prepared_like
from tests.permission_matrix import HIDDEN, NOBODY, NOTHING, REFUSED, TABLE

from . import permission_matrix

#: Files to be kept, not pages to be read; they are as large as the study.
FILES = {
    "admin/studies/study/<int:pk>/results/export/",
    "admin/studies/study/<int:pk>/history/log.csv",
    "admin/studies/import/<int:pk>/report.csv",
    "admin/studies/import/<int:pk>/thumbnail/<slug:sha256>.png",
    "admin/studies/imageset/<int:pk>/images/<int:image>/picture.png",
}
#: What leads on to another page.
ELSEWHERE = {
    "admin/login/",
    "admin/studies/import/<int:pk>/decide/",
}
State = Study.State
#: What the states of the table come to; `begun` is a study that somebody answers.
STATES = {
    "ready": State.READY,
    "open": State.OPEN,
    "begun": State.OPEN,
    "recruiting": State.OPEN,
    "closed": State.CLOSED,
    "archived": State.CLOSED,
    "preparing": State.PREPARING,
    "counted": State.CLOSED,
    "open and counted": State.OPEN,
}
#: In which a worker has counted the answers.
COUNTED = {"counted", "open and counted"}
#: Pages that a study has in several states, and further ones of the same address.
ALSO = {
    "admin/studies/study/<path:object_id>/change/": [("open", ""), ("closed", "")],
    "admin/studies/study/<int:pk>/results/": [("counted", ""), ("open", ""), ("open and counted", "")],
    "admin/studies/study/<int:pk>/preview/": [("ready", "?number={last}")],
    "admin/studies/study/<int:pk>/stimuli/": [
        ("ready", "?p=100000"),
        ("ready", "?label=saxophone&r2_from=0.03&flip_step_to=3"),
    ],
    "admin/studies/study/<int:pk>/stimulus/": [("ready", "?number={last}")],
    "admin/studies/study/<int:pk>/participants/": [("open", "?p=100000"), ("open", "?q=1")],
    "admin/studies/study/<int:pk>/history/": [("open", "?p=100000")],
    "admin/studies/study/": [("open", "?q=large"), ("open", "?state__exact=open&o=3")],
    "admin/studies/study/plan/": [("ready", "?study={pk}")],
    "admin/studies/imageset/<int:pk>/classes/": [("ready", "?page=100000")],
    "admin/studies/classifier/<int:pk>/check/": [("ready", "?page=100000"), ("ready", "?label=0&predicted=1")],
    "admin/studies/import/<path:object_id>/change/": [("ready", "?page=100000")],
}
#: Only of a study that nobody has answered.
DELETING = "admin/studies/study/<path:object_id>/delete/"
#: Draft designs differ by protocol.
DESIGNS = ("adversarial_trials", "attribute_annotation", "class_assignment")


@dataclass(frozen=True)
class Page:
    """name: the route, with what is asked of it.  state: that the study is in, for this page."""

    name: str
    route: str
    state: str
    address: str


def pages(study: Study) -> Iterator[Page]:
    """About this study, the classifier it names with its images, and their import."""
    about = _things(study)
    numbers = {"pk": study.pk, "last": study.stimuli.order_by("-number").values_list("number", flat=True)[0]}
    for route, row in TABLE.items():
        if not route.startswith("admin/") or row.get in (REFUSED, NOTHING, HIDDEN, NOBODY):
            continue
        if route in FILES | ELSEWHERE or row.about.startswith("any ") or row.about not in about:
            continue
        variants = [(row.state, row.query), *ALSO.get(route, [])]
        if route == "admin/studies/study/add/design/":
            query = permission_matrix.FIRST_STEP.replace("rectified_labeling", "{}")
            variants += [("ready", query.format(key)) for key in DESIGNS]
        for state, query in variants:
            query = query.format(**numbers)
            name = f"{route.removeprefix('admin/')}{query} {state if 'study' in row.about else ''}".strip() or "start"
            thing = about["prepared"] if route == DELETING else about[row.about]
            yield Page(name, route, state, permission_matrix.address(route, thing) + query)


def _things(study: Study) -> dict[str, str]:
    classifier = Classifier.objects.get(name=study.design["classifier"])
    images = classifier.image_set
    account, _ = User.objects.get_or_create(username="ada", is_staff=True)
    return {
        "": "",
        "study": str(study.pk),
        "prepared": str(prepared_like(study).pk),
        "study by another way": f"+{study.pk}",
        "app": "studies",
        "docs": "index.html",
        "imageset": str(images.pk),
        "class": f"{images.pk}/classes/0",
        "classifier": str(classifier.pk),
        "image": images.images.first().sha256,
        "photograph": f"{images.pk}/images/{images.images.first().pk}",
        "import": str(Import.objects.get(name=images.name).pk),
        "event": str(study.events.first().pk),
        "account": str(account.pk),
        "group": str(Group.objects.get_or_create(name="analyst")[0].pk),
    }


def put(study: Study, state: str) -> None:
    """The study into a state of the table; nothing else is changed but how its people come, and what is counted."""
    opened = None if state in ("ready", "preparing") else study.opened_at
    archived = study.opened_at if state == "archived" else None
    Study.objects.filter(pk=study.pk).update(state=STATES[state], opened_at=opened, archived_at=archived)
    Recruitment.objects.filter(study=study).delete()
    ResultCache.objects.filter(study=study).delete()
    if state == "recruiting":
        Recruitment.objects.create(study=study, recruiter="framing", settings={"framing": {"place": "sandbox"}})
    if state in COUNTED:
        cache.count(cache.ask(study).pk)
