"""A browser that notices what text should never do, and a desk at which there is something of every kind."""

import os
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from django.urls import reverse
from django.utils import timezone
from playwright.sync_api import Error

from studies import participation
from studies.designs import amendments
from studies.models import (
    Classifier,
    ClassifierEvaluation,
    ExplanationMeasurement,
    ImageClass,
    Import,
    Participant,
    ResultCache,
    Study,
    Trial,
)
from studies.results import cache, page_data
from studies.results.result import result
from tests import permission_matrix, permission_users, xss_payloads

#: What a page is asked once it is there: elements, links and sums that came out of text, and whose text is on it.
LOOK = f"""() => {{
  // A form's own properties are hidden by fields of their names, as the setting `attributes` is.
  const attributes = Object.getOwnPropertyDescriptor(Element.prototype, "attributes").get;
  const found = [...document.querySelectorAll("[{xss_payloads.ELEMENT}]")].map((one) => "element " + one.outerHTML);
  for (const one of document.querySelectorAll("*"))
    for (const {{ name, value }} of attributes.call(one)) {{
      const leads = ["href", "src", "action", "formaction", "xlink:href"].includes(name);
      if (leads && /^\\s*javascript:/i.test(value)) found.push("link " + one.outerHTML);
      if (/^(x-|@|on)/.test(name) && value.includes("{xss_payloads.RAN}")) found.push("attribute " + one.outerHTML);
    }}
  const page = document.documentElement.outerHTML;
  if (page.includes("{xss_payloads.SUM}")) found.push("template syntax");
  return [found.map((one) => one.slice(0, 200)), (page.match(/{xss_payloads.TAG}/gi) ?? []).join(" ")];
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
    "admin/studies/classifier/<int:pk>/explanations/",
    STUDY,
    f"{STUDY}<path:object_id>/change/",
    f"{STUDY}<int:pk>/consent/",
    f"{STUDY}<int:pk>/design/",
    f"{STUDY}<int:pk>/history/",
    f"{STUDY}<int:pk>/participants/",
    f"{STUDY}<int:pk>/stimuli/",
    f"{STUDY}<int:pk>/stimulus/",
    f"{STUDY}<int:pk>/results/",
    f"{STUDY}<int:pk>/amend/",
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
        context.expose_binding(xss_payloads.RAN, lambda _source, *_: self._note("something ran"))
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


def _review(sample: str) -> dict[str, Any]:
    """What an import would become, and why it cannot be imported yet."""
    classes = [{"name": "a", "title": "b", "output": 0, "wordnet_id": "n01440764", "n": 1, "samples": [sample]}]
    return {"problem": "two levels", "lost": ["lost"], "classes": classes, "levels": [], "level": 1}


class Stage:
    """Rows of every kind, and a study in each state that a page of the desk is about."""

    def __init__(self) -> None:
        self.world = permission_users.World("ready")
        self.root = next(person for person in self.world.people if person.name == "root")
        self.root.user.first_name, self.root.user.last_name, self.root.user.email = "R", "S", "r@example.org"
        self.root.user.save()
        states = {row.state for row in permission_matrix.TABLE.values()} - {"ready"}
        self.studies = {"ready": self.world.studies["ada"]} | {state: self._study(state) for state in states}
        for study in self.studies.values():
            Study.objects.filter(pk=study.pk).update(problem="why not")
        Study.objects.filter(pk=self.studies["ready"].pk).update(consent_text="Our own words.")
        amendments.amend_study(self.studies["closed"], reason="we knew better", changes={"threshold": 1})
        runs = self.studies["open"]
        somebody, _token = participation.enrol(runs, consent=participation.current_consent(runs))
        participation.start(somebody)
        participation.exclude(somebody, reason="too fast")
        Trial.objects.update(parts={"why": "a reason"})
        Participant.objects.update(background={"a question": "an answer"}, comments="a comment")
        ImageClass.objects.filter(gloss="").update(gloss="what it means")
        for row in Classifier.objects.all():
            ClassifierEvaluation.objects.update_or_create(
                classifier=row,
                defaults={"state": ClassifierEvaluation.State.FAILED, "problem": "it cannot be looked at"},
            )
            ExplanationMeasurement.objects.update_or_create(
                classifier=row,
                defaults={
                    "state": ExplanationMeasurement.State.FAILED,
                    "problem": "it cannot be measured",
                    "settings": {"explainers": ["gradients"], "measures": ["faithfulness"], "sample": 2, "seed": 0},
                },
            )
            row.class_mapping = {
                "classes": list(range(row.image_set.classes.count())),
                "names": ["an output"] * row.n_outputs,
                "by": "by a list",
            }
            row.checks = [{"check": "small", "ok": False, "consequence": "doubt", "line": "a doubt"}]
            row.save(update_fields=["class_mapping", "checks"])
        review, refused = self.world.imports.values()
        sample = review.files.filter(refused="").first()
        review.files.filter(refused="").update(left_out="another file")
        review.files.create(number=900, path="a/taken.gif", note="the first of its pictures", sha256="0" * 64)
        review.files.create(number=901, path="a/broken.png", problem="cut short", refused="cut short")
        Import.objects.filter(pk=review.pk).update(review=_review(sample.sha256))
        Import.objects.filter(pk=refused.pk).update(state=Import.State.REFUSED, problem="something is missing")
        self.large = [
            self.studies["archived"],
            self.world.study(self.world.user("owner-of-failed", "researcher"), "closed"),
        ]
        told, failed = self.large
        counted = {
            "key": cache.key_of(told),
            "page_data": page_data.page_data(result(told)),
            "computed_at": timezone.now(),
        }
        ResultCache.objects.create(study=told, state=ResultCache.State.DONE, requested_at=timezone.now(), **counted)
        ResultCache.objects.create(
            study=failed, state=ResultCache.State.FAILED, requested_at=timezone.now(), problem="it stopped"
        )

    def _study(self, state: str) -> Study:
        return self.world.study(self.world.user(f"owner-of-{state}", "researcher"), state)

    def addresses(self) -> list[str]:
        """Pages of the desk that somebody may GET, about the study in the state that each is for."""
        found = []
        for route, row in permission_matrix.TABLE.items():
            if not route.startswith("admin/") or row.get in (
                permission_matrix.REFUSED,
                permission_matrix.NOTHING,
                permission_matrix.NOBODY,
            ):
                continue
            # Of anything at all: that leads to a page which is among these.
            if row.about.startswith("any ") or (route not in TELLING and not ALL_PAGES):
                continue
            if row.about.startswith("study"):
                things = [f"{'+' if 'way' in row.about else ''}{self.studies[row.state].pk}"]
            else:
                things = [what for what, _owner in self.world.objects(row.about)]
            found += [permission_matrix.address(route, what) + row.query for what in things]
        return found + [reverse("admin:studies_study_results", args=[study.pk]) for study in self.large]


def sit_down(page, cookies) -> None:
    """At the desk, as whoever has these cookies."""
    given = [{"name": name, "value": one.value, "domain": "localhost", "path": "/"} for name, one in cookies.items()]
    page.context.add_cookies(given)
