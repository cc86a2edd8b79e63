"""Browsers that lack what is newer, scripts that do not load or that throw: people take part all the same.

Chromium with features taken away stands for browsers that are not to be had any more; real older ones are in
test_engines.
"""

import re

import pytest
from django.urls import reverse
from playwright.sync_api import expect

from studies import lifecycle
from studies.models import Participant, Trial
from tests.bench import made_up_study
from tests.browser.participant import answers, at, begin, join, kept, press
from tests.factories import open_study

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

#: Of what Safari 14, Chrome 86 and Firefox 79 lack, all that scripts could notice.
OLDER = """
delete AbortSignal.timeout;
delete AbortSignal.any;
delete SubmitEvent.prototype.submitter;
delete HTMLDialogElement.prototype.showModal;
delete HTMLSourceElement.prototype.width;
delete Element.prototype.replaceChildren;
delete window.visualViewport;
const listen = EventTarget.prototype.addEventListener;
EventTarget.prototype.addEventListener = function (type, listener, options) {
  return listen.call(this, type, listener, typeof options === "object" ? Boolean(options.capture) : options);
};
"""
#: What their styles do not know: a rule with such a selector is dropped, and so is such a property.
UNKNOWN = re.compile(r":(has|is|where)\(|\b(aspect-ratio|inset|gap|margin-inline|padding-block|text-wrap)(?=:)")


@pytest.fixture
def browse_older(browse):
    def fresh(**options):
        page = browse(**options)
        page.add_init_script(OLDER)

        def older(route):
            reply = route.fetch()
            route.fulfill(response=reply, body=UNKNOWN.sub("-unknown-", reply.text()))

        page.route("**/*.css", older)
        return page

    return fresh


# --- features that are missing ----------------------------------------------------------------------------------------


def test_a_whole_session_in_an_older_browser_follows_page_by_page(browse_older):
    page = browse_older(viewport={"width": 1200, "height": 800})
    begin(page, open_study(4))
    page.evaluate("window.here = true")
    press(page, "y", then=2)
    page.get_by_role("button", name="No").click()
    at(page, 3)
    assert page.evaluate("window.here") is True
    # A key that was for the page before is heard once, by the page that is there.
    press(page, "y", then=4)
    assert answers() == [(1, "yes"), (2, "no"), (3, "yes")]
    assert all(time >= 150 for time in Trial.objects.exclude(answered_at=None).values_list("response_ms", flat=True))


def test_an_older_browser_keeps_an_answer_while_the_connection_is_away(browse_older):
    page = browse_older()
    begin(page, open_study(3))
    page.context.set_offline(True)
    page.keyboard.press("y")
    expect(page.get_by_text("The connection is interrupted")).to_be_visible()
    assert len(kept(page)) == 1
    page.context.set_offline(False)
    at(page, 2)
    assert kept(page) == []
    assert answers() == [(1, "yes")]


def test_pictures_have_the_same_size_in_older_and_newer_browsers_whatever_the_window(browse, browse_older):
    study = open_study(2, side=32)
    newer, older = browse(), browse_older()
    for page in (newer, older):
        begin(page, study)
    for width, height in ((1200, 800), (390, 620), (320, 568), (1200, 560)):
        sizes = []
        for page in (newer, older):
            page.set_viewport_size({"width": width, "height": height})
            page.wait_for_timeout(100)
            box = page.locator(".stimulus img").bounding_box()
            sizes.append((box["width"], box["height"]))
        assert sizes[0] == sizes[1], (width, height)
        assert sizes[0][0] % 32 == 0


def test_groups_of_pictures_are_laid_out_and_enlarged_alike(browse, browse_older):
    study = made_up_study("class_assignment", {"rounds": 3, "min_seconds": 0}, n_images=96)
    lifecycle.open_study(study)
    widths = "Array.from(document.querySelectorAll('.view img'), (one) => one.getBoundingClientRect().width)"
    found = []
    for page in (browse(), browse_older()):
        page.set_viewport_size({"width": 1200, "height": 800})
        begin(page, study)
        dialog = page.locator(".enlarged")
        expect(dialog).to_be_hidden()
        page.keyboard.press("Tab")
        page.keyboard.press("Enter")
        expect(dialog).to_be_visible()
        page.keyboard.press("ArrowRight")
        found.append((page.evaluate(widths), dialog.locator("img").bounding_box()["width"]))
        page.keyboard.press("b")
        page.keyboard.press("Escape")
        expect(dialog).to_be_hidden()
        expect(page.get_by_role("link", name="Group A, image 1: enlarge")).to_be_focused()
        page.keyboard.press("b")
        at(page, 2)
    assert found[0] == found[1]
    assert found[0][0] == [128] + 36 * [64]
    assert [value for _, value in answers()] == ["B", "B"]


def test_a_browser_that_cannot_lay_pictures_out_is_told_so_before_it_enrols(browse):
    study = open_study(2)
    page = browse()
    page.goto(reverse("studies:join", args=[study.link]))
    too_old = page.get_by_text("This browser is too old")
    expect(too_old).to_be_hidden()
    expect(page.get_by_text("Works in Safari 14, Chrome or Edge 86, Firefox 79")).to_be_visible()

    def without_grid(route):
        reply = route.fetch()
        route.fulfill(response=reply, body=reply.text().replace("(display: grid)", "(display: of-tomorrow)"))

    page.route("**/participant.css", without_grid)
    page.goto(reverse("studies:join", args=[study.link]))
    expect(too_old).to_be_visible()
    expect(page.get_by_role("button", name="I agree")).to_be_hidden()
    assert not Participant.objects.exists()


# --- scripts that are not there, or fail ------------------------------------------------------------------------------


@pytest.mark.parametrize("script", ["consent", "outbox", "pages", "trial", "thanks"])
def test_a_script_that_does_not_load_leaves_the_pages_working(script, browse):
    page = browse()
    page.route(f"**/{script}.js", lambda route: route.abort())
    join(page, open_study(2))
    page.get_by_role("button", name="Begin").click()
    for number, name in ((1, "Yes"), (2, "No")):
        at(page, number, painted=script not in ("pages", "trial"))
        page.get_by_role("button", name=name).click()
    page.locator("#code").wait_for()
    assert answers() == [(1, "yes"), (2, "no")]


def test_an_image_opens_by_itself_where_the_script_that_enlarges_it_does_not_load(browse):
    study = made_up_study("class_assignment", {"rounds": 2, "min_seconds": 0}, n_images=96)
    lifecycle.open_study(study)
    page = browse()
    page.route("**/class_assignment.js", lambda route: route.abort())
    begin(page, study)
    with page.context.expect_page() as opened:
        page.get_by_role("link", name="Group B, image 1: enlarge").click()
    assert "/pictures/artifacts/" in opened.value.url
    page.locator("button[value=E]").click()
    at(page, 2)
    assert [value for _, value in answers()] == ["E"]


#: What is missing or throws, and whether the pages are still timed.
BROKEN = {
    "no fetch": ("delete window.fetch", True),
    "no requests": ("window.Request = class { constructor() { throw new TypeError('not this one') } }", True),
    "no form data": ("window.FormData = class { constructor() { throw new TypeError('not this one') } }", True),
    "no parser": ("DOMParser.prototype.parseFromString = () => { throw new TypeError('not this one') }", True),
    "no importing": ("Document.prototype.importNode = () => { throw new TypeError('not this one') }", True),
    "no controllers": ("delete window.AbortController", False),
    "no frames": ("window.requestAnimationFrame = () => { throw new TypeError('not this one') }", False),
    "no decoding": ("delete HTMLImageElement.prototype.decode", True),
    "decoding that fails": (
        "HTMLImageElement.prototype.decode = () => Promise.reject(new Error('not this one'))",
        True,
    ),
    "no storage": (
        "for (const name of ['localStorage', 'sessionStorage'])"
        " Object.defineProperty(window, name, { get() { throw new DOMException('not here', 'SecurityError') } })",
        True,
    ),
}


@pytest.mark.parametrize("broken", BROKEN)
def test_whatever_throws_leads_back_to_the_plain_form(broken, browse):
    script, timed = BROKEN[broken]
    page = browse()
    page.add_init_script(script)
    join(page, open_study(2))
    page.get_by_role("button", name="Begin").click()
    for number, name in ((1, "Yes"), (2, "No")):
        at(page, number, painted=timed)
        page.get_by_role("button", name=name).click()
    page.locator("#code").wait_for()
    assert answers() == [(1, "yes"), (2, "no")]
    assert Participant.objects.count() == 1
    assert all((time is not None) is timed for time in Trial.objects.values_list("response_ms", flat=True))


def test_a_browser_whose_requests_never_arrive_is_not_kept_waiting_for_a_connection(browse):
    """Such as one with an extension that blocks them: pictures and forms arrive."""
    page = browse()
    page.add_init_script("window.fetch = () => Promise.reject(new TypeError('Failed to fetch'))")
    # Nobody has to press the button, it is faster.  The page presses it: it may be gone before a test's click arrives.
    page.add_init_script(
        """setInterval(() => {
          const again = document.querySelector(".kept button");
          if (again && !document.querySelector(".count")) again.click();
        }, 50)"""
    )
    join(page, open_study(2))
    page.get_by_role("button", name="Begin").click()
    at(page, 1)
    page.get_by_role("button", name="Yes").click()
    # From now on nothing is tried in vain.
    expect(page.get_by_role("button", name="Try again now")).to_be_hidden()
    at(page, 2)
    assert answers() == [(1, "yes")]


# --- keys and fingers that are too fast -------------------------------------------------------------------------------


def test_a_key_that_bounces_answers_once_and_never_before_the_picture_can_be_seen(browse):
    page = browse()
    begin(page, open_study(6))
    page.evaluate(
        """async () => {
          for (let n = 0; n < 12; n += 1) {
            for (const type of ["keydown", "keyup"]) {
              document.body.dispatchEvent(new KeyboardEvent(type, { key: "y", bubbles: true }));
            }
            await new Promise((resolve) => setTimeout(resolve, 25));
          }
        }"""
    )
    at(page, 2)
    assert answers() == [(1, "yes")]
    press(page, "n", then=3)
    press(page, "n", then=4)
    assert answers() == [(1, "yes"), (2, "no"), (3, "no")]
    assert all(time >= 150 for time in Trial.objects.exclude(answered_at=None).values_list("response_ms", flat=True))


def test_what_is_pressed_within_the_first_moment_of_a_picture_answers_nothing(browse):
    page = browse()
    begin(page, open_study(4))
    # The second press comes as soon as the next picture is there at all.
    page.evaluate(
        """() => {
          const press = () => document.querySelector("[value=yes]").click();
          const first = document.querySelector("main");
          new MutationObserver(() => {
            if (document.querySelector("main") !== first) press();
          }).observe(document.body, { childList: true });
          press();
        }"""
    )
    at(page, 2)
    assert answers() == [(1, "yes")]


# --- the code at the end ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("command", "says"), [("true", "Copied"), ("false", "Please copy the selected code yourself")])
def test_a_refused_clipboard_is_not_silent(command, says, browse):
    page = browse()
    refuse = "navigator.clipboard.writeText = () => Promise.reject(new DOMException('no', 'NotAllowedError'));"
    page.add_init_script(f"{refuse} Document.prototype.execCommand = () => {command};")
    begin(page, open_study(1))
    page.keyboard.press("y")
    button = page.locator(".copy button")
    button.click()
    expect(button).to_have_text(says)
    assert page.evaluate("() => getSelection().toString().trim()") == Participant.objects.get().completion_code


# --- how pictures were shown ------------------------------------------------------------------------------------------


def test_the_size_of_pictures_is_recorded_where_the_consent_text_says_so(browse):
    page = browse(viewport={"width": 1200, "height": 800}, device_scale_factor=2)
    study = open_study(2, record_display=True)
    page.goto(reverse("studies:join", args=[study.link]))
    expect(page.get_by_text("the size at which its picture was shown on your screen")).to_be_visible()
    begin(page, study)
    press(page, "y", then=2)
    trial = Trial.objects.get(position=1)
    assert (trial.shown_width, trial.shown_height, trial.smallest_width) == (320, 320, 320)
    assert (trial.pixel_ratio, trial.zoom) == (2, 1)
    assert re.fullmatch(r"(Headless ?)?Chrom\w+ \d+, Linux", trial.browser), trial.browser


def test_nothing_of_the_kind_is_recorded_where_it_does_not(browse):
    page = browse()
    begin(page, open_study(2))
    press(page, "y", then=2)
    trial = Trial.objects.get(position=1)
    assert trial.response_ms is not None
    assert (trial.shown_width, trial.pixel_ratio, trial.zoom, trial.browser) == (None, None, None, "")
