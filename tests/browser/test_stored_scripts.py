"""Text that would run, stored in every place there is for text, and every page that shows it opened in a real browser.

Whatever ran, became an element, a link that runs or a request, is found; so is what template syntax was evaluated to.
Opened are pages that together show every place; with ALL_PAGES=1 every page of the desk that there is.
"""

import os
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from django.utils.safestring import mark_safe
from playwright.sync_api import Error

from studies import amending, lifecycle, participation, protocols
from studies.admin import preview
from studies.models import Check, Classifier, ImageClass, Import, Participant, Study, Tally
from studies.reports import tallying, telling
from studies.reports.results import result
from tests import cast, matrix, payloads
from tests.bench import made_up_study
from tests.examples import SESSION
from tests.factories import open_study

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

#: What a page is asked once it is there: elements, links and sums that came out of text, and whose text is on it.
LOOK = f"""() => {{
  const found = [...document.querySelectorAll("[{payloads.ELEMENT}]")].map((one) => "element " + one.outerHTML);
  for (const one of document.querySelectorAll("*"))
    for (const {{ name, value }} of one.attributes) {{
      const leads = ["href", "src", "action", "formaction", "xlink:href"].includes(name);
      if (leads && /^\\s*javascript:/i.test(value)) found.push("link " + one.outerHTML);
      if (/^(x-|@|on)/.test(name) && value.includes("{payloads.RAN}")) found.push("attribute " + one.outerHTML);
    }}
  const page = document.documentElement.outerHTML;
  if (page.includes("{payloads.SUM}")) found.push("template syntax");
  return [found.map((one) => one.slice(0, 200)), (page.match(/{payloads.TAG}/gi) ?? []).join(" ")];
}}"""
#: Whether the next page is there; a trial's when its picture is painted.
ANOTHER = """(signed) => document.querySelector("#code")
    || document.querySelector("main form:not(.trial), form.painted")
    && document.querySelector("main form [type=hidden]").value !== signed"""
TELL = """document.addEventListener("securitypolicyviolation", (event) =>
  window.__broke(`${event.violatedDirective} ${event.blockedURI} ${event.sample}`));"""


STUDY = "admin/studies/study/"
#: Between them they show whatever is shown.
TELLING = {
    "admin/",
    "admin/auth/user/",
    "admin/auth/group/",
    "admin/studies/imageset/<path:object_id>/change/",
    "admin/studies/imageset/<int:pk>/classes/",
    "admin/studies/imageset/<int:pk>/classes/<int:index>/",
    "admin/studies/classifier/<path:object_id>/change/",
    "admin/studies/classifier/<int:pk>/check/",
    "admin/studies/import/<path:object_id>/change/",
    "admin/studies/event/<path:object_id>/change/",
    STUDY,
    f"{STUDY}<path:object_id>/change/",
    f"{STUDY}<int:pk>/design/",
    f"{STUDY}<int:pk>/history/",
    f"{STUDY}<int:pk>/participants/",
    f"{STUDY}<int:pk>/stimuli/",
    f"{STUDY}<int:pk>/stimulus/",
    f"{STUDY}<int:pk>/results/",
    f"{STUDY}<int:pk>/amend/",
    f"{STUDY}<int:pk>/recruiting/postings/",
}
ALL_PAGES = bool(os.environ.get("ALL_PAGES"))


@dataclass
class Watch:
    """A browser page that notices what text should never do, and where."""

    page: object
    home: str
    at: str = ""
    found: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        context = self.page.context
        context.expose_binding(payloads.RAN, lambda _source, *_: self._note("something ran"))
        context.expose_binding("__broke", lambda _source, what: self._note(f"against the policy: {what}"))
        context.add_init_script(TELL)
        # Looks are most of the work on a page of the desk, and no way for text to run.
        session = context.new_cdp_session(self.page)
        session.send("Network.enable")
        session.send("Network.setBlockedURLs", {"urls": ["*.css", "*.woff2"]})
        self.page.on("dialog", self._dialog)
        self.page.on("request", self._request)

    def _note(self, what: str) -> None:
        self.found.append(f"{self.at}: {what}")

    def _dialog(self, dialog) -> None:
        self._note(f"a dialog: {dialog.message}")
        dialog.dismiss()

    def _request(self, request) -> None:
        parts = urlsplit(request.url)
        elsewhere = parts.scheme not in ("data", "blob") and f"{parts.scheme}://{parts.netloc}" != self.home
        if elsewhere or parts.path == "/ran":
            self._note(f"a request: {request.url}")

    def look(self) -> str:
        """Whose text is on the page as it is now; what became of it is noted."""
        found, tags = self.page.evaluate(LOOK)
        for what in found:
            self._note(what)
        return tags

    def open(self, address: str) -> str:
        self.at = address
        try:
            response = self.page.goto(address)
        except Error as error:
            # Nothing that a browser would show.
            if "Download is starting" in str(error):
                return ""
            raise
        if response.status >= 400:
            self._note(f"status {response.status}")
        return self.look()


class Stage:
    """Rows of every kind, and a study in each state that a page of the desk is about."""

    def __init__(self) -> None:
        self.world = cast.World("ready")
        self.root = next(person for person in self.world.people if person.name == "root")
        self.root.user.first_name, self.root.user.last_name, self.root.user.email = "R", "S", "r@example.org"
        self.root.user.save()
        states = {row.state for row in matrix.TABLE.values()} - {"ready"}
        self.studies = {"ready": self.world.studies["ada"]} | {state: self._study(state) for state in states}
        for study in self.studies.values():
            Study.objects.filter(pk=study.pk).update(problem="why not")
        amending.amend_study(self.studies["closed"], reason="we knew better", changes={"threshold": 1})
        runs = self.studies["open"]
        somebody, _token = participation.enrol(runs, consent=participation.current_consent(runs))
        participation.exclude(somebody, reason="too fast")
        Participant.objects.update(background={"a question": "an answer"}, comments="a comment")
        ImageClass.objects.filter(gloss="").update(gloss="what it means")
        for row in Classifier.objects.all():
            Check.objects.create(classifier=row, state=Check.State.FAILED, problem="it cannot be looked at")
        review, refused = self.world.imports.values()
        review.files.filter(refused="").update(left_out="another file")
        Import.objects.filter(pk=refused.pk).update(state=Import.State.REFUSED, problem="something is missing")
        self.large = [
            self.studies["archived"],
            self.world.study(self.world.user("owner-of-failed", "researcher"), "closed"),
        ]
        told, failed = self.large
        counted = {"key": tallying.key_of(told), "told": telling.told(result(told)), "counted_at": timezone.now()}
        Tally.objects.create(study=told, state=Tally.State.DONE, asked_at=timezone.now(), **counted)
        Tally.objects.create(study=failed, state=Tally.State.FAILED, asked_at=timezone.now(), problem="it stopped")

    def _study(self, state: str) -> Study:
        return self.world.study(self.world.user(f"owner-of-{state}", "researcher"), state)

    def addresses(self) -> list[str]:
        """Pages of the desk that somebody may GET, about the study in the state that each is for."""
        found = []
        for route, row in matrix.TABLE.items():
            if not route.startswith("admin/") or row.get in (matrix.REFUSED, matrix.NOTHING, matrix.NOBODY):
                continue
            # Of anything at all: that leads to a page which is among these.
            if row.about.startswith("any ") or (route not in TELLING and not ALL_PAGES):
                continue
            if row.about.startswith("study"):
                things = [f"{'+' if 'way' in row.about else ''}{self.studies[row.state].pk}"]
            else:
                things = [what for what, _owner in self.world.objects(row.about)]
            found += [matrix.address(route, what) + row.query for what in things]
        return found + [reverse("admin:studies_study_results", args=[study.pk]) for study in self.large]


def sit_down(page, cookies) -> None:
    """At the desk, as whoever has these cookies."""
    given = [{"name": name, "value": one.value, "domain": "localhost", "path": "/"} for name, one in cookies.items()]
    page.context.add_cookies(given)


def previews(study: Study) -> list[str]:
    """The design, and participants' pages as the desk previews them: some that show a stimulus, or all."""
    at = reverse("admin:studies_study_preview", args=[study.pk])
    keys = [one.key for one in preview.pages(Study.objects.get(pk=study.pk))]
    own = [key for key in keys if key == "practice" or key.startswith("stimulus-")]
    more = [f"{at}?at={key}" for key in (keys if ALL_PAGES else own[:2])]
    return [reverse("admin:studies_study_design", args=[study.pk]), *more]


def test_text_that_would_run_is_text_on_every_page(browse, live_server, monkeypatch):
    stage = Stage()
    # Of these a worker counts, or could not.
    monkeypatch.setattr(tallying, "large", lambda study: study in stage.large)
    design = {**SESSION, "language": "en", "trials_per_participant": 2, "practice": 1, "gold": 0, "gold_rate": None}
    sessions = [
        # Rounds of a class assignment want many images of each class.
        made_up_study(key, design, n_images=192 if key == "class_assignment" else 24, glossed=True)
        for key in protocols.available()
    ]
    played = made_up_study("rectified_labeling", design, glossed=True)
    lifecycle.open_study(played)
    filling = payloads.Filling().everywhere()
    page = browse()
    watch, seen = Watch(page, live_server.url), set()
    sit_down(page, stage.root.cookies)
    addresses = stage.addresses()
    for study in sessions:
        addresses += previews(study)
    for address in addresses:
        seen |= filling.shown(watch.open(address))
    seen |= filling.shown(play(watch, played))
    assert watch.found == []
    assert set(filling.places) - seen == set(payloads.NOT_ON_PAGES)


def play(watch: Watch, study: Study) -> str:
    """A whole session, in which whatever can be typed is typed; whose text its pages showed."""
    page, said = watch.page, watch.open(reverse("studies:join", args=[study.link]))
    while not page.locator("#code").count():
        for box in page.locator("main form").locator("input[type=text], textarea").all():
            box.fill(payloads.text("typed", 1, 400))
        signed = page.locator("main form [type=hidden]").first.get_attribute("value")
        page.locator("main form button").first.click()
        page.wait_for_function(ANOTHER, arg=signed)
        page.wait_for_load_state()
        watch.at = page.locator("h1").text_content()
        said += watch.look()
    said += watch.open(f"{page.url}withdraw/")
    return said


def test_the_watch_sees_text_that_is_taken_for_markup(browse, live_server, monkeypatch):
    """A study's title is put into the pages as it is: at the desk it runs, at participants' the policy is broken."""
    study, root = open_study(1), User.objects.create_superuser("root")
    # One that ends whatever it stands in, one that asks for something, and one that runs by itself.
    picture, drawing, ending = (payloads.FRAGMENTS[n] for n in (1, 2, 6))
    Study.objects.update(title=ending + picture + drawing)
    load = Study.from_db.__func__

    def trusting(model, *row):
        study = load(model, *row)
        study.title = mark_safe(study.title)
        return study

    monkeypatch.setattr(Study, "from_db", classmethod(trusting))
    client = Client()
    client.force_login(root)
    page = browse()
    watch = Watch(page, live_server.url)
    watch.open(reverse("studies:join", args=[study.link]))
    of_participants, watch.found = watch.found, []
    assert any("against the policy" in one for one in of_participants)
    assert any("element" in one for one in of_participants)
    assert any("a request" in one for one in of_participants)
    assert not any("something ran" in one for one in of_participants)
    sit_down(page, client.cookies)
    watch.open(reverse("admin:studies_study_change", args=[study.pk]))
    assert any("something ran" in one for one in watch.found)
