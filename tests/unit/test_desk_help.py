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


def test_every_page_of_the_desk_links_to_its_own():
    client = researcher()
    study = large_study(6, 1, large_classifier(6))
    frames = 0
    for page in desk_pages.pages(study):
        desk_pages.put(study, page.state)
        content = client.get(page.address).content
        # Fragments, pictures and pages as participants see them have no frame of the desk.
        if b'id="nav-sidebar"' not in content and b"unfold" not in content:
            continue
        links = lxml.html.fromstring(content.decode()).xpath("//a[@class='desk-help']/@href")
        name = resolve(page.address.partition("?")[0]).url_name
        assert links == [help.link(_request(name))], page.name
        frames += 1
    assert frames > 45


def _request(name: str):
    class Request:
        class resolver_match:  # noqa: N801
            url_name = name

    return Request


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
