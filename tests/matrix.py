"""Who may ask for what: every address of the site with who may GET and POST it, and the cast that tries.

tests/contracts/test_permissions.py goes through all of it.  An address without a row here fails it.
"""

import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from django.contrib.auth.hashers import make_password
from django.contrib.auth.models import Group, User
from django.contrib.contenttypes.models import ContentType
from django.test import Client
from django.urls import get_resolver
from django_otp.plugins.otp_static.models import StaticDevice
from django_otp.plugins.otp_totp.models import TOTPDevice

from studies import lifecycle, participation, roles
from studies.models import (
    Access,
    Amendment,
    Classifier,
    Event,
    Participant,
    Share,
    Study,
    Trial,
)
from tests.factories import make_study, open_study

PASSWORD = "a password of five words"
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
Needs = str | frozenset[str]


@dataclass(frozen=True)
class Row:
    """What GET and POST need: a role, or so much access to the study; what is posted, and whether that writes."""

    get: Needs
    post: Needs
    about: str = ""
    state: str = "ready"
    query: str = ""
    data: Mapping[str, Any] = field(default_factory=dict)
    writes: bool = False


#: Who sees a thing at all; for others it is not there.
SEEN_BY: dict[str, Needs] = {
    "study": Access.RESULTS,
    "event": ROOT,
    "account": ACCOUNTS,
    "group": ROOT,
    "imageset": CATALOGUE,
    "classifier": CATALOGUE,
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
CLASSIFIER = {"classifier": "net"}
FIRST_STEP = "?title=New&slug=new&protocol=rectified_labeling"
AT = "admin/studies/study/"

TABLE: dict[str, Row] = {
    # Participants' pages: no account, no cookie; what they let in is tested with participants.
    "": Row(EVERYBODY, REFUSED),
    "s/<uuid:link>/": Row(EVERYBODY, EVERYBODY, "link", state="open"),
    "t/<str:token>/": Row(EVERYBODY, EVERYBODY, "token", state="open"),
    "s/<uuid:link>/withdraw/": Row(EVERYBODY, EVERYBODY, "link", state="open"),
    "t/<str:token>/withdraw/": Row(EVERYBODY, EVERYBODY, "token", state="open"),
    "pictures/<path:name>": Row(EVERYBODY, REFUSED, "picture"),
    # For whoever looks after the server.
    "healthz": Row(EVERYBODY, REFUSED),
    "readyz": Row(EVERYBODY, REFUSED),
    "metrics": Row(HIDDEN, HIDDEN),
    # The desk and the account.
    "admin/login/": Row(EVERYBODY, EVERYBODY),
    "admin/logout/": Row(REFUSED, STAFF),
    "admin/": Row(STAFF, STAFF),
    "admin/search/": Row(STAFF, STAFF, query="?s=stud&extended=1"),
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
    **_crud("studies", "event", "event", ROOT),
    # Studies.
    **_crud("studies", "study", "study", Access.RESULTS),
    AT: Row(STUDIES, STUDIES),
    f"{AT}add/": Row(RESEARCHERS | ROOT, RESEARCHERS | ROOT),
    f"{AT}add/design/": Row(
        RESEARCHERS | ROOT, RESEARCHERS | ROOT, query=FIRST_STEP, data=DESIGN | CLASSIFIER, writes=True
    ),
    f"{AT}plan/": Row(STUDIES, STUDIES),
    f"{AT}<path:object_id>/change/": Row(
        Access.RESULTS, Access.EDIT, "study", data={"title": "Changed", "consent_text": "Changed"}, writes=True
    ),
    f"{AT}<path:object_id>/delete/": Row(Access.OWN, Access.OWN, "study", data={"post": "yes"}, writes=True),
    f"{AT}<path:object_id>/history/": _read_only("study by another way", Access.RESULTS),
    f"{AT}<int:pk>/design/": Row(Access.EDIT, Access.EDIT, "study", data=DESIGN | CLASSIFIER, writes=True),
    f"{AT}<int:pk>/people/": Row(
        Access.RESULTS, Access.OWN, "study", data={"username": "una", "may": "results"}, writes=True
    ),
    f"{AT}<int:pk>/history/": _read_only("study", Access.RESULTS),
    f"{AT}<int:pk>/history/log.csv": _read_only("study", Access.RESULTS),
    f"{AT}<int:pk>/preparing/": _read_only("study", Access.RESULTS),
    f"{AT}<int:pk>/results/": _read_only("study", Access.RESULTS, state="closed", writes=True),
    f"{AT}<int:pk>/results/export/": _read_only("study", Access.RESULTS, state="closed", writes=True),
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


# --- the cast ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Person:
    name: str
    role: str = ""
    user: User | None = None
    cookies: Any = None

    def client(self) -> Client:
        client = Client(raise_request_exception=True)
        if self.cookies:
            client.cookies = self.cookies
        return client


class World:
    """Two researchers with a study each in the state a row is about; one of them shares hers."""

    def __init__(self, state: str):
        roles.set_up_roles()
        # Nobody, somebody who takes part, and an account that may not sit at the desk.
        self.people = [Person("somebody"), Person("participant")]
        self.people.append(self.logged_in(Person("visitor", "none", self.user("visitor"))))
        for name, role in (
            ("ada", "researcher"),
            ("bob", "researcher"),
            ("eve", "researcher"),
            ("ida", "analyst"),
            ("una", "analyst"),
            ("otto", "operator"),
            ("root", "superuser"),
        ):
            self.people.append(self.logged_in(Person(name, role, self.user(name, role))))
        self.account = self.user("newcomer", "researcher")
        self.group = Group.objects.get(name="analyst")
        users = {person.name: person.user for person in self.people}
        self.studies = {name: self.study(users[name], state) for name in ("ada", "bob")}
        Share.objects.create(study=self.studies["ada"], user=users["eve"], may=Access.EDIT)
        Share.objects.create(study=self.studies["ada"], user=users["ida"], may=Access.RESULTS)
        first = self.studies["ada"]
        Classifier.objects.filter(name=first.design["classifier"]).update(name=CLASSIFIER["classifier"])
        Study.objects.filter(pk=first.pk).update(design=first.design | CLASSIFIER)
        self.open_study = open_study(1, 1, slug="in-between", threshold=1)
        _participant, self.token = participation.enrol(
            self.open_study, consent=participation.current_consent(self.open_study)
        )

    def user(self, name: str, role: str = "") -> User:
        rights = {"is_staff": bool(role), "is_superuser": role == "superuser"}
        user = User.objects.create(username=name, password=hashed(), **rights)
        if role in roles.NAMES:
            user.groups.add(Group.objects.get(name=role))
        return user

    def logged_in(self, person: Person) -> Person:
        client = Client()
        client.force_login(person.user)
        return Person(person.name, person.role, person.user, client.cookies)

    def study(self, owner: User, state: str) -> Study:
        """Its words are found nowhere else."""
        study = make_study(3, 1, slug=f"slug-of-{owner}", threshold=1)
        study.title, study.owner = f"Title of {owner}", owner
        study.save(update_fields=["title", "owner"])
        if state in ("open", "closed"):
            lifecycle.open_study(study)
        if state == "closed":
            lifecycle.close_study(study)
        if state == "preparing":
            Study.objects.filter(pk=study.pk).update(state=state)
        study.refresh_from_db()
        return study

    def access(self, person: Person, owner: str) -> str:
        """What somebody may do with the study of `owner`, by the cast's own rules."""
        if person.role == "superuser" or person.name == owner:
            return Access.OWN
        return {("eve", "ada"): Access.EDIT, ("ida", "ada"): Access.RESULTS}.get((person.name, owner), "none")

    def objects(self, row: Row) -> list[tuple[str, str]]:
        """What a row can be asked about: the address's variable part, and whose study it is about."""
        classifier = Classifier.objects.get(name=CLASSIFIER["classifier"])
        image_set = classifier.image_set
        by_owner: dict[str, Callable[[Study], Any]] = {
            "study": lambda study: study.pk,
            "any study": lambda study: study.pk,
            "study by another way": lambda study: f"+{study.pk}",
            "event": lambda study: study.events.first().pk,
            "any event": lambda study: study.events.first().pk,
        }
        if row.about in by_owner:
            return [(str(by_owner[row.about](study)), owner) for owner, study in self.studies.items()]
        one: dict[str, Any] = {
            "": "",
            "link": self.open_study.link,
            "token": self.token,
            "picture": self.studies["ada"].stimuli.first().shown["picture"]["file"],
            "content": f"{ContentType.objects.get_for_model(Study).pk}/{self.studies['ada'].pk}",
            "app": "studies",
            "anything": "no-such-page",
            "account": self.account.pk,
            "group": self.group.pk,
            "imageset": image_set.pk,
            "classifier": classifier.pk,
            "image": image_set.images.first().sha256,
        }
        return [(str(one[row.about.removeprefix("any ")]), "")]


@cache
def hashed() -> str:
    """Argon2 takes its time: one hash for everybody."""
    return make_password(PASSWORD)


def address(route: str, what: str) -> str:
    """The route with its variable parts filled in."""
    for variable in (
        "<path:content_type_id>/<path:object_id>",
        "<path:object_id>",
        "<int:pk>",
        "<id>",
        "<slug:sha256>",
        "<uuid:link>",
        "<str:token>",
        "<path:name>",
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
        Amendment.objects.order_by("pk").values_list("pk"),
        Participant.objects.order_by("pk").values_list("pk"),
        Trial.objects.order_by("pk").values_list("pk", "answer"),
        User.objects.order_by("pk").values_list("pk", "username", "password", "first_name", "is_staff", "is_superuser"),
        User.groups.through.objects.order_by("pk").values_list(),
        Group.objects.order_by("pk").values_list(),
        Group.permissions.through.objects.order_by("pk").values_list(),
        TOTPDevice.objects.order_by("pk").values_list("pk"),
        StaticDevice.objects.order_by("pk").values_list("pk"),
    ]
    return hashlib.sha256(repr([list(one) for one in rows]).encode()).hexdigest()
