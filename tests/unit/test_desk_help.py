"""Each page of the desk links to what the documentation says of it, and that is there."""

import re
from pathlib import Path

import lxml.html
import pytest
from django.test import Client
from django.urls import resolve, reverse

from studies.admin import help
from tests import desk_pages
from tests.large import large_classifier, large_study
from tests.staff import researcher, text

pytestmark = pytest.mark.django_db

DOCS = Path(__file__).parent.parent.parent / "docs"


def anchors(page: str) -> set[str]:
    """As mkdocs makes them of headings."""
    headings = re.findall(r"^#+ (.*)$", (DOCS / f"{page}.md").read_text(), re.MULTILINE)
    return {re.sub(r"[\s-]+", "-", re.sub(r"[^\w\s-]", "", heading).strip().lower()) for heading in headings}


@pytest.mark.parametrize("where", sorted(set(help.PAGES.values())))
def test_what_a_page_links_to_is_in_the_documentation(where):
    page, _, place = where.partition("#")
    assert (DOCS / f"{page}.md").is_file()
    assert not place or place in anchors(page)


def test_a_place_that_is_not_there_would_be_noticed():
    assert "no-such-heading" not in anchors("how-to/run-a-study")


def test_every_address_of_the_desk_has_a_page_about_it():
    study = large_study(6, 1, large_classifier(6))
    names = {resolve(page.address.partition("?")[0]).url_name for page in desk_pages.pages(study)}
    # What is left to the first page of the documentation has none of its own, or is no page.
    assert {name for name in names if help.about(name) == "index"} == {
        "app_list",
        "help",
        "jsi18n",
        "search",
        "autocomplete",
    }
    client = researcher()
    for name in ("change", "running", "stimuli", "design"):
        address = reverse(f"admin:studies_study_{name}", args=[study.pk])
        desk_pages.put(study, "open" if name == "running" else "ready")
        page = lxml.html.fromstring(client.get(address).content.decode())
        where, _, place = help.about(f"studies_study_{name}").partition("#")
        assert page.xpath("//a[@class='desk-help']/@href") == [f"/admin/docs/{where}.html#{place}"]


@pytest.fixture
def unbuilt(monkeypatch, tmp_path):
    monkeypatch.setattr(help, "SITE", tmp_path)
    return tmp_path


def test_pages_are_shown_as_they_are_written_and_built_ones_as_they_are(unbuilt):
    client, address = researcher(), reverse("admin:help", args=["how-to/run-a-study.html"])
    assert "Run a study at the desk" in text(client.get(address))
    (unbuilt / "index.html").write_text("<p>the site")
    (unbuilt / "how-to").mkdir()
    (unbuilt / "how-to" / "run-a-study.html").write_text("<p>built")
    assert client.get(address).getvalue() == b"<p>built"


@pytest.mark.parametrize("page", ["../README.html", "nothing.html", "how-to/../../README.html", "%2e%2e/README.html"])
def test_nothing_beside_the_documentation_is_shown(unbuilt, page):
    assert researcher().get(f"/admin/docs/{page}").status_code == 404


def test_a_site_elsewhere_is_linked_to(settings):
    settings.DOCS_URL = "https://docs.example"
    content = researcher().get("/admin/").content.decode()
    assert 'href="https://docs.example/how-to/run-a-study.html#the-first-page"' in content
    assert Client().get(reverse("admin:help", args=["index.html"])).status_code == 302
