"""Six groups and one image in a real browser: all in sight, everything by keyboard, any image enlarged."""

import re

import pytest
from django.urls import reverse
from playwright.sync_api import expect

from studies import lifecycle
from studies.models import Participant, Study, Trial
from tests.bench import made_up_study

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def open_rounds(**design) -> Study:
    study = made_up_study("class_assignment", {"rounds": 3, "min_seconds": 0, **design}, n_images=96)
    lifecycle.open_study(study)
    return study


def begin(page, study) -> None:
    page.goto(reverse("studies:join", args=[study.link]))
    page.get_by_role("button", name="I agree").press("Enter")
    page.get_by_role("button", name="Begin").press("Enter")
    at(page, 1)


def at(page, number: int) -> None:
    expect(page.locator(".count")).to_have_text(re.compile(rf"^{number} of 3$"))
    page.locator("form.painted").wait_for()


def answers() -> list[str]:
    return list(Trial.objects.exclude(answered_at=None).order_by("position").values_list("answer", flat=True))


def test_a_whole_session_by_keyboard_on_a_laptop(browse):
    page = browse(viewport={"width": 1280, "height": 800})
    complaints = []
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    begin(page, open_rounds())
    for number, key in enumerate("afc", start=1):
        at(page, number)
        page.keyboard.press(key)
    person = Participant.objects.get()
    expect(page.get_by_role("status", name="Your completion code")).to_have_text(person.completion_code)
    assert answers() == ["A", "F", "C"]
    assert complaints == []


def test_any_image_is_enlarged_by_keyboard_and_nothing_is_answered_meanwhile(browse):
    page = browse(viewport={"width": 1280, "height": 800})
    begin(page, open_rounds())
    dialog = page.get_by_role("dialog")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    large = dialog.get_by_role("img", name="The image")
    box = large.bounding_box()
    assert (box["width"], box["height"]) == (320, 320)  # ten times its 32 pixels
    page.keyboard.press("ArrowRight")
    expect(dialog.get_by_role("img", name="Group A, image 1")).to_be_visible()
    page.keyboard.press("ArrowDown")
    expect(dialog.get_by_role("img", name="Group A, image 4")).to_be_visible()
    page.keyboard.press("b")
    assert answers() == []
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    expect(page.get_by_role("link", name="Group A, image 4: enlarge")).to_be_focused()
    page.keyboard.press("b")
    at(page, 2)
    assert answers() == ["B"]


def test_one_click_chooses_and_an_image_is_enlarged_by_another(browse):
    page = browse(viewport={"width": 1280, "height": 800})
    begin(page, open_rounds(names="classes", roles="marked"))
    page.get_by_role("link", name="Group C, image 2: enlarge").click()
    page.get_by_role("button", name="Close").click()
    expect(page.get_by_role("dialog")).to_be_hidden()
    page.locator("button[value=D]").click()
    at(page, 2)
    assert answers() == ["D"]


@pytest.mark.parametrize("marked", ["unmarked", "marked"])
@pytest.mark.parametrize(("width", "height"), [(1366, 768), (1280, 800), (1280, 720), (1024, 768), (768, 1024)])
def test_everything_is_in_sight_without_scrolling(browse, width, height, marked):
    page = browse(viewport={"width": width, "height": height})
    design = {"roles": marked, "conditions": ["mmd-prototypes-criticisms"], "names": "classes"}
    begin(page, open_rounds(**design))
    assert page.evaluate("document.documentElement.scrollHeight <= innerHeight")
    assert all(box["y"] + box["height"] <= height for box in parts(page, width))
    assert page.locator(".legend").count() == (marked == "marked")


@pytest.mark.parametrize(("width", "height"), [(390, 844), (360, 640), (320, 568)])
def test_a_phone_scrolls_one_way_and_keeps_the_image_in_question_in_sight(browse, width, height):
    page = browse(viewport={"width": width, "height": height})
    begin(page, open_rounds(names="classes"))
    parts(page, width)
    page.locator("button[value=F]").scroll_into_view_if_needed()
    target = page.get_by_role("link", name="The image: enlarge").bounding_box()
    assert 0 <= target["y"] < height / 2
    page.locator("button[value=F]").click()
    at(page, 2)
    assert answers() == ["F"]


def parts(page, width: int) -> list[dict[str, float]]:
    """Where the 37 images and the six answers are: none beside the window, none too small for a finger, and of every
    image each pixel a whole number of pixels wide."""
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    images, buttons = page.locator(".view img").all(), page.locator("button[data-key]").all()
    assert (len(images), len(buttons)) == (37, 6)
    for image in images:
        box = image.bounding_box()
        assert box["width"] == box["height"]
        assert box["width"] % 32 == 0
    boxes = [part.bounding_box() for part in [*images, *buttons]]
    for box in boxes:
        assert min(box["width"], box["height"]) >= 44
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= width
    return boxes


def test_without_javascript_it_can_be_answered_and_images_open_by_themselves(browse):
    page = browse(java_script_enabled=False)
    page.goto(reverse("studies:join", args=[open_rounds().link]))
    page.get_by_role("button", name="I agree").click()
    page.get_by_role("button", name="Begin").click()
    link = page.get_by_role("link", name="Group B, image 1: enlarge")
    assert re.fullmatch(r"/pictures/artifacts/[0-9a-f]{2}/[0-9a-f]{64}\.png", link.get_attribute("href"))
    page.locator("button[value=E]").click()
    expect(page.locator(".count")).to_have_text("2 of 3")
    assert answers() == ["E"]
