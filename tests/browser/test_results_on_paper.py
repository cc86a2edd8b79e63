"""The results page in Chromium: light, dark and on paper, wide and narrow."""

import pytest
from django.contrib.auth.models import User

from tests.factories import answered_study

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

COLOUR = "element => getComputedStyle(element).color"
PANEL = "() => getComputedStyle(document.querySelector('.desk-panel')).backgroundColor"


@pytest.fixture
def results(browse):
    def opened(**options):
        User.objects.create_superuser("researcher", password="pass")
        study = answered_study(40, 5, 20)
        page = browse(**options)
        page.goto("/admin/login/")
        page.fill("[name=username]", "researcher")
        page.fill("[name=password]", "pass")
        page.press("[name=password]", "Enter")
        page.wait_for_url("**/admin/")
        page.goto(f"/admin/studies/study/{study.pk}/results/")
        return page

    return opened


def test_a_dark_page_is_black_on_white_on_paper(results):
    page = results(color_scheme="dark")
    headline = page.locator(".desk-headline")
    assert headline.evaluate(COLOUR) != "rgb(0, 0, 0)"
    assert page.evaluate(PANEL) != "rgb(255, 255, 255)"
    page.emulate_media(media="print", color_scheme="dark")
    assert headline.evaluate(COLOUR) == "rgb(0, 0, 0)"
    assert page.evaluate(PANEL) == "rgb(255, 255, 255)"
    assert page.locator(".desk-figure svg").first.evaluate(COLOUR) == "rgb(0, 0, 0)"
    assert page.locator(".desk-button:visible").count() == 0


@pytest.mark.parametrize("width", [390, 1280])
def test_the_page_is_as_wide_as_the_screen_and_every_figure_has_its_table(width, results):
    page = results(viewport={"width": width, "height": 900})
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    figures = page.locator(".desk-figure")
    assert figures.count() >= 4
    for n in range(figures.count()):
        assert figures.nth(n).locator("svg[role=img] > title").count() == 1
        assert figures.nth(n).locator("details table").count() == 1
