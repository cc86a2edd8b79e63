"""Who may ask for what: every address of the site with who may GET and POST it.

tests/contracts/test_permissions.py goes through all of it with the cast of tests/permission_users.py.
An address without a row here fails it.
"""

import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from django.contrib.auth.models import Group, User
from django.urls import get_resolver
from django_otp.plugins.otp_static.models import StaticDevice
from django_otp.plugins.otp_totp.models import TOTPDevice

from studies.models import (
    Access,
    Amendment,
    ClassifierEvaluation,
    Event,
    ExplanationMeasurement,
    ImageClass,
    ImageObject,
    Import,
    Participant,
    Recruitment,
    ResultCache,
    Share,
    Study,
    Trial,
)
from tests.archives import packed, uploaded
from tests.permission_users import PASSWORD, Person, World

from . import permission_users

LEVELS = ("none", Access.RESULTS, Access.EDIT, Access.OWN)

RESEARCHERS, ANALYSTS, OPERATORS, ROOT = (
    frozenset({name}) for name in ("researcher", "analyst", "operator", "superuser")
)
STAFF = RESEARCHERS | ANALYSTS | OPERATORS | ROOT
CATALOGUE = RESEARCHERS | OPERATORS | ROOT
STUDIES = RESEARCHERS | ANALYSTS | ROOT
ACCOUNTS = OPERATORS | ROOT
NOBODY: frozenset[str] = frozenset()
#: Also somebody who is not logged in.
EVERYBODY = "everybody"
#: Not an address that takes this method.
REFUSED = "refused"
#: There is nothing there, for nobody.
NOTHING = "nothing"
#: Not for accounts at all: it asks for something else, which nobody of the cast has.
HIDDEN = "hidden"
#: The same, whatever the method: there is something for a service that was set up alone.
SIGNED = "signed"
#: Whose import it is, and who looks after the installation.
IMPORTER = "importer"
Needs = str | frozenset[str]


@dataclass(frozen=True)
class Row:
    """What GET and POST need: a role, or so much access to the study; what is posted, and whether that writes.

    What is posted may be a function of what its address is about, and is then made anew each time.
    """

    get: Needs
    post: Needs
    about: str = ""
    state: str = "ready"
    query: str = ""
    data: Mapping[str, Any] | Callable[[], Mapping[str, Any]] = field(default_factory=dict)
    writes: bool = False


#: Who sees a thing at all; for others it is not there.
SEEN_BY: dict[str, Needs] = {
    "study": Access.RESULTS,
    "event": ROOT,
    "account": ACCOUNTS,
    "group": ROOT,
    "imageset": CATALOGUE,
    "classifier": CATALOGUE,
    "class": CATALOGUE,
    "photograph": CATALOGUE,
    "import": IMPORTER,
    "picture of an import": IMPORTER,
}


def _read_only(about: str, needs: Needs, **options: Any) -> Row:
    """A page that does the same whatever the method."""
    return Row(needs, needs, about, **options)


def _crud(app: str, model: str, about: str, sees: Needs, changes: Needs = NOBODY, **data: Any) -> dict[str, Row]:
    """The addresses that Django's admin gives a model; nobody adds or deletes unless the rows are replaced."""
    at = f"admin/{app}/{model}/"
    return {
        at: Row(sees, sees),
        f"{at}add/": Row(NOBODY, NOBODY),
        f"{at}<path:object_id>/history/": _read_only(about, sees),
        f"{at}<path:object_id>/delete/": Row(NOBODY, NOBODY, about, data={"post": "yes"}),
        f"{at}<path:object_id>/change/": Row(sees, changes, about, **data),
        # Leads to the page above, whether there is something or not.
        f"{at}<path:object_id>/": Row(STAFF, STAFF, about=f"any {about}"),
    }


NEW_PASSWORD = {"password1": "another of five words", "password2": "another of five words"}
PERSON = {"username": "newcomer", "is_active": "on", "is_staff": "on", "first_name": "New"}
PERSON |= {"date_joined_0": "2026-01-01", "date_joined_1": "12:00:00"}
DESIGN = {"answers_per_stimulus": "5", "threshold": "2", "trials_per_participant": "50", "top_k": "1"}
DESIGN |= {"unequal_panels": "drop", "selection": "top1_errors", "asking": "one_question", "seed": "0"}
CLASSIFIER = {"classifier": permission_users.CLASSIFIER}
WORDS = {f"{index}-{name}": f"Changed {index}" for index in range(3) for name in ("title", "gloss")}
BROUGHT = {"name": "brought", "image_set": permission_users.IMAGE_SET, "torchvision": "resnet18"}
MEASURED = {"explainers": ["lime"], "measures": ["seed"], "sample": 4, "seed": 0}
FIRST_STEP = "?title=New&slug=new&protocol=rectified_labeling"
AT, IMPORTS = "admin/studies/study/", "admin/studies/import/"

TABLE: dict[str, Row] = {
    # Participants' pages: no account, no cookie; what they let in is tested with participants.
    "": Row(EVERYBODY, REFUSED),
    "s/<uuid:link>/": Row(EVERYBODY, EVERYBODY, "link", state="open"),
    "t/<str:token>/": Row(EVERYBODY, EVERYBODY, "token", state="open"),
    "s/<uuid:link>/withdraw/": Row(EVERYBODY, EVERYBODY, "link", state="open"),
    "t/<str:token>/consent/": Row(EVERYBODY, REFUSED, "token", state="open"),
    "t/<str:token>/withdraw/": Row(EVERYBODY, EVERYBODY, "token", state="open"),
    "pictures/<path:name>": Row(EVERYBODY, REFUSED, "picture"),
    # Signed by a recruiter's service, or not there.
    "recruiters/<slug:key>/messages/": Row(SIGNED, SIGNED, "recruiter"),
    # For whoever looks after the server.
    "healthz": Row(EVERYBODY, REFUSED),
    "readyz": Row(EVERYBODY, REFUSED),
    "metrics": Row(HIDDEN, HIDDEN),
    # The desk and the account.
    "admin/login/": Row(EVERYBODY, EVERYBODY),
    "admin/logout/": Row(REFUSED, STAFF),
    "admin/": Row(STAFF, STAFF),
    "admin/search/": Row(STAFF, STAFF, query="?s=stud&extended=1"),
    "admin/docs/<path:page>": Row(STAFF, STAFF, "docs"),
    "admin/account/": Row(STAFF, REFUSED),
    "admin/account/second-factor/": Row(STAFF, STAFF),
    "admin/account/second-factor/off/": Row(REFUSED, STAFF),
    "admin/account/recovery-codes/": Row(REFUSED, STAFF),
    "admin/password_change/": Row(
        STAFF,
        STAFF,
        data={"old_password": PASSWORD, "new_password1": "quite another one", "new_password2": "quite another one"},
        writes=True,
    ),
    "admin/password_change/done/": Row(STAFF, REFUSED),
    "admin/autocomplete/": Row(STUDIES, REFUSED, query="?app_label=studies&model_name=share&field_name=study&term="),
    "admin/jsi18n/": Row(STAFF, REFUSED),
    "admin/r/<path:content_type_id>/<path:object_id>/": Row(NOTHING, NOTHING, "content"),
    r"admin/^(?P<app_label>auth|studies)/$": Row(STAFF, STAFF, "app"),
    "admin/(?P<url>.*)$": Row(NOTHING, NOTHING, "anything"),
    # Accounts and groups.
    **_crud("auth", "user", "account", ACCOUNTS, ACCOUNTS, data=PERSON, writes=True),
    "admin/auth/user/add/": Row(
        ACCOUNTS, ACCOUNTS, data={"username": "one-more", "usable_password": "true", **NEW_PASSWORD}, writes=True
    ),
    "admin/auth/user/<id>/password/": Row(ACCOUNTS, ACCOUNTS, "account", data=NEW_PASSWORD, writes=True),
    "admin/auth/user/<path:object_id>/delete/": Row(ROOT, ROOT, "account", data={"post": "yes"}, writes=True),
    **_crud("auth", "group", "group", ROOT, ROOT, data={"name": "other"}, writes=True),
    "admin/auth/group/add/": Row(ROOT, ROOT, data={"name": "one more"}, writes=True),
    "admin/auth/group/<path:object_id>/delete/": Row(ROOT, ROOT, "group", data={"post": "yes"}, writes=True),
    # What studies are made of.
    **_crud("studies", "imageset", "imageset", CATALOGUE),
    **_crud("studies", "classifier", "classifier", CATALOGUE),
    "admin/studies/imageset/thumbnail/<slug:sha256>.png": Row(CATALOGUE, CATALOGUE, "image"),
    "admin/studies/imageset/add/": Row(
        CATALOGUE, CATALOGUE, data=lambda: {"name": "brought", "archive": uploaded(packed())}, writes=True
    ),
    "admin/studies/imageset/<int:pk>/classes/": Row(CATALOGUE, CATALOGUE, "imageset", data=WORDS, writes=True),
    "admin/studies/imageset/<int:pk>/classes/<int:index>/": Row(
        CATALOGUE, CATALOGUE, "class", data={"example": ""}, writes=True
    ),
    "admin/studies/imageset/<int:pk>/images/<int:image>/": Row(CATALOGUE, CATALOGUE, "photograph"),
    "admin/studies/imageset/<int:pk>/images/<int:image>/picture.png": Row(CATALOGUE, CATALOGUE, "photograph"),
    "admin/studies/classifier/add/": Row(CATALOGUE, CATALOGUE, data=BROUGHT, writes=True),
    "admin/studies/classifier/photographs/": _read_only("", CATALOGUE),
    "admin/studies/classifier/rendering/": _read_only("", CATALOGUE),
    "admin/studies/classifier/<int:pk>/check/": Row(CATALOGUE, CATALOGUE, "classifier", writes=True),
    "admin/studies/classifier/<int:pk>/checking/": _read_only("classifier", CATALOGUE),
    "admin/studies/classifier/<int:pk>/explanations/": Row(
        CATALOGUE, CATALOGUE, "classifier", data=MEASURED, writes=True
    ),
    "admin/studies/classifier/<int:pk>/explaining/": _read_only("classifier", CATALOGUE),
    # What is being brought in.
    **_crud("studies", "import", "import", IMPORTER),
    IMPORTS: Row(CATALOGUE, CATALOGUE),
    f"{IMPORTS}<int:pk>/progress/": _read_only("import", IMPORTER),
    f"{IMPORTS}<int:pk>/decide/": Row(IMPORTER, IMPORTER, "import", data={"decision": "confirm"}, writes=True),
    f"{IMPORTS}<int:pk>/report.csv": _read_only("import", IMPORTER),
    f"{IMPORTS}<int:pk>/thumbnail/<slug:sha256>.png": _read_only("picture of an import", IMPORTER),
    **_crud("studies", "event", "event", ROOT),
    # Studies.
    **_crud("studies", "study", "study", Access.RESULTS),
    AT: Row(STUDIES, STUDIES),
    f"{AT}add/": Row(RESEARCHERS | ROOT, RESEARCHERS | ROOT),
    f"{AT}add/design/": Row(
        RESEARCHERS | ROOT, RESEARCHERS | ROOT, query=FIRST_STEP, data=DESIGN | CLASSIFIER, writes=True
    ),
    f"{AT}add/consequences/": Row(
        REFUSED, RESEARCHERS | ROOT, query="?protocol=rectified_labeling", data=DESIGN | CLASSIFIER
    ),
    f"{AT}add/from-export/": Row(RESEARCHERS | ROOT, RESEARCHERS | ROOT),
    f"{AT}plan/": Row(STUDIES, STUDIES),
    f"{AT}<path:object_id>/change/": Row(
        Access.RESULTS, Access.EDIT, "study", data={"title": "Changed", "consent_text": "Changed"}, writes=True
    ),
    f"{AT}<path:object_id>/delete/": Row(Access.OWN, Access.OWN, "study", data={"post": "yes"}, writes=True),
    f"{AT}<path:object_id>/history/": _read_only("study by another way", Access.RESULTS),
    f"{AT}<int:pk>/design/": Row(Access.EDIT, Access.EDIT, "study", data=DESIGN | CLASSIFIER, writes=True),
    f"{AT}<int:pk>/consequences/": Row(REFUSED, Access.EDIT, "study", data=DESIGN | CLASSIFIER),
    f"{AT}<int:pk>/people/": Row(
        Access.RESULTS, Access.OWN, "study", data={"username": "una", "may": "results"}, writes=True
    ),
    f"{AT}<int:pk>/checklist/": _read_only("study", Access.RESULTS),
    f"{AT}<int:pk>/checklist/board.md": _read_only("study", Access.RESULTS),
    f"{AT}<int:pk>/consent/": Row(Access.RESULTS, Access.EDIT, "study", data={"institution": "Another"}, writes=True),
    f"{AT}<int:pk>/recruiting/": Row(
        Access.RESULTS,
        Access.EDIT,
        "study",
        data={"recruiter": "prolific", "completed": "CDONE1"},
        writes=True,
    ),
    f"{AT}<int:pk>/recruiting/due/": Row(REFUSED, Access.EDIT, "study", state="recruiting", writes=True),
    f"{AT}<int:pk>/recruiting/postings/": Row(Access.EDIT, Access.OWN, "study"),
    f"{AT}<int:pk>/recruiting/payments.csv": Row(REFUSED, Access.EDIT, "study", state="recruiting", writes=True),
    f"{AT}<int:pk>/history/": _read_only("study", Access.RESULTS),
    f"{AT}<int:pk>/history/log.csv": _read_only("study", Access.RESULTS),
    f"{AT}<int:pk>/preparing/": _read_only("study", Access.RESULTS),
    f"{AT}<int:pk>/archive/": Row(Access.EDIT, Access.EDIT, "study", state="closed", writes=True),
    f"{AT}<int:pk>/unarchive/": Row(Access.EDIT, Access.EDIT, "study", state="archived", writes=True),
    f"{AT}<int:pk>/duplicate/": Row(
        Access.EDIT, Access.EDIT, "study", data={"title": "Again", "slug": "again"}, writes=True
    ),
    f"{AT}<int:pk>/preregistration/": _read_only("study", Access.RESULTS, query="?as=json"),
    f"{AT}<int:pk>/running/": _read_only("study", Access.RESULTS, state="open"),
    f"{AT}<int:pk>/running/charts/": _read_only("study", Access.RESULTS, state="open"),
    f"{AT}<int:pk>/participants/": _read_only("study", Access.RESULTS, state="open"),
    f"{AT}<int:pk>/exclude/": Row(
        Access.EDIT,
        Access.EDIT,
        "study",
        state="begun",
        query="?number=1",
        data={"reason": "why"},
        writes=True,
    ),
    f"{AT}<int:pk>/preview/": _read_only("study", Access.RESULTS),
    f"{AT}<int:pk>/stimuli/": _read_only("study", Access.RESULTS),
    f"{AT}<int:pk>/stimulus/": _read_only("study", Access.RESULTS, query="?number=1"),
    f"{AT}<int:pk>/results/": _read_only("study", Access.RESULTS, state="closed", writes=True),
    f"{AT}<int:pk>/results/export/": _read_only("study", Access.RESULTS, state="closed", writes=True),
    f"{AT}<int:pk>/figures/": _read_only("study", Access.RESULTS, state="closed", writes=True),
    f"{AT}<int:pk>/count/": Row(REFUSED, Access.EDIT, "study"),
    f"{AT}<int:pk>/checks/": Row(Access.EDIT, Access.EDIT, "study"),
    f"{AT}<int:pk>/amend/": Row(
        Access.EDIT, Access.EDIT, "study", state="closed", data={"reason": "why", "threshold": "1"}, writes=True
    ),
    f"{AT}<int:pk>/prepare/": Row(Access.EDIT, Access.EDIT, "study", writes=True),
    f"{AT}<int:pk>/cancel/": Row(Access.EDIT, Access.EDIT, "study", state="preparing", writes=True),
    f"{AT}<int:pk>/open/": Row(Access.EDIT, Access.EDIT, "study", writes=True),
    f"{AT}<int:pk>/pause/": Row(Access.EDIT, Access.EDIT, "study", state="open", writes=True),
    f"{AT}<int:pk>/close/": Row(Access.EDIT, Access.EDIT, "study", state="open", writes=True),
}
SEEN_BY["study by another way"] = SEEN_BY["study"]


def addresses(patterns: Any = None, before: str = "") -> Iterator[str]:
    """The route of every address the resolver knows."""
    for pattern in get_resolver().url_patterns if patterns is None else patterns:
        route = before + str(pattern.pattern)
        if hasattr(pattern, "url_patterns"):
            yield from addresses(pattern.url_patterns, route)
        else:
            yield route


def address(route: str, what: str) -> str:
    """The route with its variable parts filled in."""
    for variable in (
        "<path:content_type_id>/<path:object_id>",
        "<int:pk>/classes/<int:index>",
        "<int:pk>/images/<int:image>",
        "<int:pk>/thumbnail/<slug:sha256>",
        "<path:object_id>",
        "<int:pk>",
        "<id>",
        "<slug:sha256>",
        "<uuid:link>",
        "<str:token>",
        "<path:name>",
        "<slug:key>",
        "<path:page>",
        "^(?P<app_label>auth|studies)/$",
        "(?P<url>.*)$",
    ):
        route = route.replace(variable, f"{what}/" if variable.startswith("^") else what)
    return f"/{route}"


# --- what should happen, and what did ---------------------------------------------------------------------------------


def expected(world: World, row: Row, method: str, person: Person, owner: str) -> str:
    needs = row.get if method == "get" else row.post
    if needs == EVERYBODY or (needs == REFUSED and row.get == EVERYBODY):
        return needs
    if needs == SIGNED:
        return NOTHING
    if needs == HIDDEN:
        return NOTHING if method == "get" else REFUSED
    if person.role not in STAFF:
        return "login"
    if needs in (REFUSED, NOTHING):
        return needs
    if row.about in SEEN_BY and not _meets(world, person, SEEN_BY[row.about], owner):
        return NOTHING
    return "yes" if _meets(world, person, needs, owner) else "forbidden"


def _meets(world: World, person: Person, needs: Needs, owner: str) -> bool:
    if needs == IMPORTER:
        return world.sees_import(person, owner)
    if isinstance(needs, frozenset):
        return person.role in needs
    return LEVELS.index(world.access(person, owner)) >= LEVELS.index(needs)


def happened(response: Any) -> str:
    status, to = response.status_code, response.headers.get("Location", "")
    if status == 302 and (to.startswith("/admin/login/") or to == "/admin/"):
        return "login"
    return {403: "forbidden", 404: NOTHING, 405: REFUSED}.get(status, "yes" if status < 500 else str(status))


def stored() -> str:
    """A digest of everything that somebody without the right could have changed."""
    rows = [
        Study.objects.order_by("pk").values_list(),
        Share.objects.order_by("pk").values_list(),
        Event.objects.order_by("pk").values_list("pk"),
        Recruitment.objects.order_by("pk").values_list(),
        Amendment.objects.order_by("pk").values_list("pk"),
        Participant.objects.order_by("pk").values_list("pk"),
        Trial.objects.order_by("pk").values_list("pk", "answer"),
        User.objects.order_by("pk").values_list("pk", "username", "password", "first_name", "is_staff", "is_superuser"),
        User.groups.through.objects.order_by("pk").values_list(),
        Group.objects.order_by("pk").values_list(),
        Group.permissions.through.objects.order_by("pk").values_list(),
        TOTPDevice.objects.order_by("pk").values_list("pk"),
        StaticDevice.objects.order_by("pk").values_list("pk"),
        Import.objects.order_by("pk").values_list(),
        ImageClass.objects.order_by("pk").values_list(),
        ClassifierEvaluation.objects.order_by("pk").values_list(),
        ExplanationMeasurement.objects.order_by("pk").values_list(),
        ImageObject.objects.order_by("pk").values_list(),
        ResultCache.objects.order_by("pk").values_list(),
    ]
    return hashlib.sha256(repr([list(one) for one in rows]).encode()).hexdigest()
