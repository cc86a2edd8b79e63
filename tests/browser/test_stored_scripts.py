"""Text that would run, stored in every place there is for text, and every page that shows it opened in a real browser.

Whatever ran, became an element, a link that runs or a request, is found; so is what template syntax was evaluated to.
Opened are pages that together show every place; with ALL_PAGES=1 every page of the desk that there is.
"""

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse
from django.utils.safestring import mark_safe

from studies import lifecycle, protocols
from studies.models import Study
from studies.results import cache
from studies.views import every_page
from tests import xss_payloads
from tests.bench import made_up_study
from tests.browser.script_watcher import ALL_PAGES, Stage, Watch, sit_down
from tests.examples import SESSION
from tests.factories import open_study

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

#: Whether the next page is there; a trial's when its picture is painted.
ANOTHER = """(signed) => document.querySelector("#code")
    || document.querySelector("main form:not(.trial), form.painted")
    && document.querySelector("main form [type=hidden]").value !== signed"""


#: Rounds, sets of several phases, and checks that are shown nowhere else want more images than others.
IMAGES = {
    "attribute_annotation": 96,
    "class_assignment": 192,
    "simulatability": 192,
    "distinction": 192,
    "advice": 192,
    "two_choice": 192,
    "preference": 192,
}


def previews(study: Study) -> list[str]:
    """The design, and participants' pages as the desk previews them: some that show a stimulus, or all."""
    at = reverse("admin:studies_study_preview", args=[study.pk])
    keys = [one.key for one in every_page.pages(Study.objects.get(pk=study.pk))]
    own = [key for key in keys if key == "practice" or key.startswith("stimulus-")]
    more = [f"{at}?at={key}" for key in (keys if ALL_PAGES else own[:2])]
    return [reverse("admin:studies_study_design", args=[study.pk]), *more]


def make_up_what_came_before(study: Study) -> None:
    """What was counted of its selections, in a table with names of classes; and an export that it was made from."""
    table = {"title": "Images", "columns": ["class", "images"], "rows": [["a class", 12]], "note": "A note."}
    counts = {"design": "0" * 64, "tables": [table], "sampled": 10}
    repeats = {
        "study": "another",
        "stimuli_sha256": "0" * 64,
        "analysis": {"level": "low"},
        "pages": {"en": {"x": "0"}},
    }
    Study.objects.filter(pk=study.pk).update(selection_counts=counts, repeats=repeats)


def test_text_that_would_run_is_text_on_every_page(browse, live_server, monkeypatch):
    stage = Stage()
    # Of these a worker counts, or could not.
    monkeypatch.setattr(cache, "large", lambda study: study in stage.large)
    design = {**SESSION, "language": "en", "trials_per_participant": 2, "practice": 1, "gold": 0, "gold_rate": None}
    sessions = [made_up_study(key, design, n_images=IMAGES.get(key, 24), glossed=True) for key in protocols.available()]
    played = made_up_study("rectified_labeling", design, glossed=True)
    lifecycle.open_study(played)
    counted = next(study for study in sessions if study.protocol == "class_assignment")
    make_up_what_came_before(counted)
    filling = xss_payloads.Filling().everywhere()
    page = browse()
    watch, seen = Watch(page, live_server.url), set()
    sit_down(page, stage.root.cookies)
    addresses = stage.addresses()
    for study in sessions:
        addresses += previews(study)
    addresses.append(reverse("admin:studies_study_change", args=[counted.pk]))
    for address in addresses:
        seen |= filling.shown(watch.open(address))
    seen |= filling.shown(play(watch, played))
    assert watch.found == []
    assert set(filling.places) - seen == set(xss_payloads.NOT_ON_PAGES)


def play(watch: Watch, study: Study) -> str:
    """A whole session, in which whatever can be typed is typed; whose text its pages showed."""
    page, said = watch.page, watch.open(reverse("studies:join", args=[study.link]))
    while not page.locator("#code").count():
        for box in page.locator("main form").locator("input[type=text], textarea").all():
            box.fill(xss_payloads.text("typed", 1, 400))
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
    picture, drawing, ending = (xss_payloads.FRAGMENTS[n] for n in (1, 2, 6))
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
