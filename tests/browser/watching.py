"""A browser that notices what text should never do, and a desk at which there is something of every kind."""

import os
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from django.urls import reverse
from django.utils import timezone
from playwright.sync_api import Error

from studies import amending, participation
from studies.models import Check, Classifier, ImageClass, Import, Participant, Study, Tally
from studies.reports import tallying, telling
from studies.reports.results import result
from tests import cast, matrix, payloads

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
