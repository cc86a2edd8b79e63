"""Each page of the desk links to what the documentation says of it, and that is there."""

import copy
from pathlib import Path
from urllib.parse import urljoin

import lxml.html
import pytest
from django.test import Client
from django.urls import resolve, reverse

from studies.admin import documentation
from tests import desk_pages
from tests.large_study import large_classifier, large_study
from tests.logged_in_users import researcher

pytestmark = pytest.mark.django_db

DOCS = Path(__file__).parents[3] / "docs"


def rendered(page: str) -> lxml.html.HtmlElement:
    response = researcher().get(f"/admin/docs/{page}.html")
    assert response.status_code == 200
    return lxml.html.fromstring(response.content.decode()).xpath("//article")[0]


@pytest.mark.parametrize("where", sorted(set(documentation.PAGES.values())))
def test_what_a_page_links_to_is_in_the_documentation(where):
    page, _, place = where.partition("#")
    article = rendered(page)
    assert not place or article.xpath(f".//*[@id='{place}']"), f"{page} has no heading for #{place}"
    assert not article.xpath(".//*[@id='no-such-heading']")


@pytest.mark.parametrize(
    "page", sorted(path.relative_to(DOCS).with_suffix("").as_posix() for path in DOCS.rglob("*.md"))
)
def test_links_and_pictures_of_every_page_lead_to_something_that_is_served(page):
    client, base = researcher(), f"/admin/docs/{page}.html"
    article = rendered(page)
    assert article.xpath(".//h1")
    prose = copy.deepcopy(article)
    for code in prose.xpath(".//pre | .//code"):
        code.text = ""
        code[:] = []
    assert "**" not in prose.text_content()
    for target in article.xpath(".//a/@href | .//img/@src"):
        address, _, place = urljoin(base, target).partition("#")
        if not address.startswith("/admin/docs/"):
            assert "://" in target or address.startswith("mailto:"), f"{page} links to {target}, which is not served"
            continue
        assert client.get(address).status_code == 200, f"{page} links to {target}"
        if place:
            there = rendered(address.removeprefix("/admin/docs/").removesuffix(".html"))
            assert there.xpath(f".//*[@id='{place}']"), f"{page} links to {target}"


def test_what_stands_in_a_page_is_never_run(monkeypatch, tmp_path):
    (tmp_path / "bad.md").write_text(
        "# Bad\n\n<script>alert(1)</script> [x](javascript:alert(1)) <img src=x onerror=alert(1)>"
    )
    monkeypatch.setattr(documentation, "SOURCES", tmp_path)
    monkeypatch.setattr(documentation, "CONTENTS", {})
    article = rendered("bad")
    assert not article.xpath(".//script | .//img | .//a[starts-with(@href, 'javascript')]")


def test_every_address_of_the_desk_has_a_page_about_it():
    study = large_study(6, 1, large_classifier(6))
    names = {resolve(page.address.partition("?")[0]).url_name for page in desk_pages.pages(study)}
    # What is left to the first page of the documentation has none of its own, or is no page.
    assert {name for name in names if documentation.about(name) == "index"} == {
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
        where, _, place = documentation.about(f"studies_study_{name}").partition("#")
        assert page.xpath("//a[@class='desk-help']/@href") == [f"/admin/docs/{where}.html#{place}"]


@pytest.mark.parametrize("page", ["../README.html", "nothing.html", "how-to/../../README.html", "%2e%2e/README.html"])
def test_nothing_beside_the_documentation_is_shown(page):
    assert researcher().get(f"/admin/docs/{page}").status_code == 404


def test_a_site_elsewhere_is_linked_to(settings):
    settings.DOCS_URL = "https://docs.example"
    content = researcher().get("/admin/").content.decode()
    assert 'href="https://docs.example/how-to/run-a-study.html#the-first-page"' in content
    assert Client().get(reverse("admin:help", args=["index.html"])).status_code == 302
