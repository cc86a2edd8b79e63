"""Who tries the addresses of the site, and what there is to try them on: own, shared and foreign."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

from django.contrib.auth.hashers import make_password
from django.contrib.auth.models import Group, User
from django.contrib.contenttypes.models import ContentType
from django.test import Client

from studies import lifecycle, participation
from studies.accounts import roles
from studies.lib import storage
from studies.models import Access, Classifier, ImageSet, Import, ImportedFile, Share, Study
from studies.recruitment import arrivals
from tests.factories import make_picture, make_study, open_study

PASSWORD = "a password of five words"
#: What a classifier and its image set are called, for addresses and forms that name them.
CLASSIFIER, IMAGE_SET = "net", "photographs"


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
    """Two researchers with an import and a study each, in the state a row is about; one of them shares her study."""

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
        classifier = Classifier.objects.get(name=first.design["classifier"])
        Classifier.objects.filter(pk=classifier.pk).update(name=CLASSIFIER)
        Study.objects.filter(pk=first.pk).update(design=first.design | {"classifier": CLASSIFIER})
        ImageSet.objects.filter(pk=classifier.image_set_id).update(name=IMAGE_SET)
        classifier.image_set.classes.filter(index=0).update(example=classifier.image_set.images.filter(label=0)[0])
        self.imports = {name: self.under_review(users[name]) for name in ("ada", "bob")}
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
        if state == "recruiting":
            arrivals.choose(study, "framing", {"place": "sandbox"})
        if state in ("open", "begun", "recruiting", "closed", "archived"):
            lifecycle.open_study(study)
        if state == "begun":
            participation.enrol(study, consent=participation.current_consent(study))
        if state in ("closed", "archived"):
            lifecycle.close_study(study)
        if state == "archived":
            lifecycle.archive_study(study)
        if state == "preparing":
            Study.objects.filter(pk=study.pk).update(state=state)
        study.refresh_from_db()
        return study

    def under_review(self, owner: User) -> Import:
        """One file was taken, another refused: it waits for a decision."""
        run = Import.objects.create(
            kind=Import.Kind.IMAGES,
            name=f"import-of-{owner}",
            owner=owner,
            source={"upload": f"uploads/{owner}.zip", "called": f"zip-of-{owner}.zip"},
            state=Import.State.REVIEW,
        )
        file = storage.store("images", make_picture(run.pk), ".png")
        size = {"file": file, "sha256": file.split("/")[-1].removesuffix(".png"), "width": 32, "height": 32}
        ImportedFile.objects.create(run=run, number=0, path="fish/1.png", label="fish", **size)
        ImportedFile.objects.create(run=run, number=1, path=f"fish/of-{owner}.png", label="fish", refused="no image")
        return run

    def sees_import(self, person: Person, owner: str) -> bool:
        return person.role in ("operator", "superuser") or person.name == owner

    def foreign(self, person: Person) -> Iterator[tuple[str, str]]:
        """Words that nobody should read who does not see what they are about: what, and the words."""
        for owner, study in self.studies.items():
            if self.access(person, owner) == "none":
                yield from ((f"the study of {owner}", word) for word in (study.title, study.slug))
        for owner, run in self.imports.items():
            if not self.sees_import(person, owner):
                yield from ((f"the import of {owner}", word) for word in (run.name, f"-of-{owner}."))

    def access(self, person: Person, owner: str) -> str:
        """What somebody may do with the study of `owner`, by the cast's own rules."""
        if person.role == "superuser" or person.name == owner:
            return Access.OWN
        return {("eve", "ada"): Access.EDIT, ("ida", "ada"): Access.RESULTS}.get((person.name, owner), "none")

    def objects(self, about: str) -> list[tuple[str, str]]:
        """What there is of a kind: the address's variable part, and whose it is."""
        if about in ("import", "any import"):
            return [(str(run.pk), owner) for owner, run in self.imports.items()]
        if about == "picture of an import":
            taken = ((run.files.filter(refused="").first().sha256, run, owner) for owner, run in self.imports.items())
            return [(f"{run.pk}/thumbnail/{sha256}", owner) for sha256, run, owner in taken]
        classifier = Classifier.objects.get(name=CLASSIFIER)
        image_set = classifier.image_set
        by_owner: dict[str, Callable[[Study], Any]] = {
            "study": lambda study: study.pk,
            "any study": lambda study: study.pk,
            "study by another way": lambda study: f"+{study.pk}",
            "event": lambda study: study.events.first().pk,
            "any event": lambda study: study.events.first().pk,
        }
        if about in by_owner:
            return [(str(by_owner[about](study)), owner) for owner, study in self.studies.items()]
        one: dict[str, Any] = {
            "": "",
            "link": self.open_study.link,
            "token": self.token,
            "picture": self.studies["ada"].stimuli.first().shown["picture"]["file"],
            "content": f"{ContentType.objects.get_for_model(Study).pk}/{self.studies['ada'].pk}",
            "app": "studies",
            "anything": "no-such-page",
            "docs": "index.html",
            "recruiter": "prolific",
            "account": self.account.pk,
            "group": self.group.pk,
            "imageset": image_set.pk,
            "class": f"{image_set.pk}/classes/0",
            "photograph": f"{image_set.pk}/images/{image_set.images.first().pk}",
            "classifier": classifier.pk,
            "image": image_set.images.first().sha256,
        }
        return [(str(one[about.removeprefix("any ")]), "")]


@cache
def hashed() -> str:
    """Argon2 takes its time: one hash for everybody."""
    return make_password(PASSWORD)
