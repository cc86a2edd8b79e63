"""What participants' pages, headers and pictures tell, and what they must not."""

import io

import lxml.html
import pytest
from django.core.files.storage import default_storage
from django.urls import reverse
from PIL import Image

from studies import lifecycle
from studies.models import Image as ImageRow
from studies.models import Stimulus, Study
from tests.factories import open_study
from tests.participant_client import Visitor

pytestmark = pytest.mark.django_db


@pytest.fixture
def visitor():
    return Visitor(open_study(4, 2))


# --- what a page tells ------------------------------------------------------------------------------------------------


def every_page(study: Study) -> list:
    """All responses of one person's session with its mishaps."""
    visitor = Visitor(study)
    visitor.begin()
    while visitor.trial:
        visitor.post({"trial": "x"})
        visitor.post(visitor.form() | {"answer": "maybe"})
        visitor.send(answer="yes")
    visitor.get()
    lifecycle.pause_study(study)
    own, link = visitor.path, reverse("studies:join", args=[study.link])
    visitor.get(link)
    lifecycle.close_study(study)
    for path in (own, link, "/t/nobody/"):
        visitor.get(path)
    return visitor.responses


def whole(response) -> str:
    headers = "\n".join(f"{name}: {value}" for name, value in response.headers.items())
    return f"{headers}\n{response.content.decode()}".casefold()


def secrets_of(stimulus: Stimulus) -> set[str]:
    """What nobody who sees this stimulus may read: its condition and its truth, but for the label that is asked."""
    truth = dict(stimulus.truth)
    asked = truth.pop("label")
    words = {str(value) for value in truth.values()} | {stimulus.condition.key, stimulus.digest}
    words |= {word.replace("_", " ") for word in words} - {asked}
    return {word.casefold() for word in words}


def leaks(response, stimulus: Stimulus) -> set[str]:
    return {secret for secret in secrets_of(stimulus) if secret in whole(response)}


def shown_on(response) -> Stimulus | None:
    """Which stimulus a page shows, by its picture."""
    if not response.headers["Content-Type"].startswith("text/html") or not response.content:
        return None
    picture = lxml.html.fromstring(response.content).find(".//img")
    if picture is None:
        return None
    (found,) = [s for s in Stimulus.objects.all() if picture.get("src").endswith(s.shown["picture"]["file"])]
    return found


def test_no_page_tells_the_truth_the_condition_or_the_true_class():
    trials = 0
    for response in every_page(open_study(6)):
        stimulus = shown_on(response)
        if stimulus is None:
            everything = set().union(*(secrets_of(each) for each in Stimulus.objects.all()))
            assert {secret for secret in everything if secret in whole(response)} == set()
        else:
            trials += 1
            assert leaks(response, stimulus) == set()
    assert trials >= 6


def test_the_test_above_can_tell():
    visitor = Visitor(open_study(1))
    stimulus = Stimulus.objects.get()
    Stimulus.objects.update(shown=stimulus.shown | {"ask": f"{stimulus.truth['true_label']} ({stimulus.condition})"})
    page = visitor.begin().get()
    assert leaks(page, stimulus) == {stimulus.truth["true_label"], "errors"}


def test_the_address_of_a_picture_tells_nothing_but_the_digest_of_its_bytes():
    visitor = Visitor(open_study(6)).begin()
    for stimulus in Stimulus.objects.all():
        response = visitor.client.get(reverse("studies:picture", args=[stimulus.shown["picture"]["file"]]))
        assert response.status_code == 200
        headers = "\n".join(f"{name}: {value}" for name, value in response.headers.items()).casefold()
        assert {secret for secret in secrets_of(stimulus) if secret in headers} == set()
        with Image.open(io.BytesIO(response.content)) as opened:
            opened.load()
            assert opened.info == {}


# --- headers ----------------------------------------------------------------------------------------------------------


def test_no_response_sets_a_cookie_and_every_one_has_its_headers():
    for response in every_page(open_study(2)):
        assert not response.cookies
        assert "Cookie" not in response.headers.get("Vary", "")
        policy = response.headers["Content-Security-Policy"]
        assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self';")
        assert "unsafe" not in policy
        assert response.headers["Referrer-Policy"] == "no-referrer"
        assert response.headers["X-Frame-Options"] == "DENY"
        assert response.headers["X-Content-Type-Options"] == "nosniff"


def test_no_participants_page_is_kept_by_caches_and_the_consent_only_for_going_back(visitor):
    assert visitor.get().headers["Cache-Control"] == "private, max-age=0"
    visitor.begin()
    visitor.finish()
    own = [response for response in visitor.responses if response.request["PATH_INFO"].startswith("/t/")]
    assert {response.headers["Cache-Control"] for response in own} == {"no-store"}


def test_no_page_holds_inline_script_or_style():
    for response in every_page(open_study(2)):
        if not response.content:
            continue
        page = lxml.html.fromstring(response.content)
        assert page.xpath("//style | //*[@style] | //script[not(@src)]") == []
        assert not [name for element in page.iter() for name in element.attrib if name.startswith("on")]
        assert not [url for url in page.xpath("//@src | //@href | //@srcset") if not url.startswith("/") and url]


# --- pictures ---------------------------------------------------------------------------------------------------------


def stored_picture() -> str:
    return open_study(1).stimuli.get().shown["picture"]["file"]


def test_a_picture_is_served_as_its_own_bytes_and_for_good(client):
    name = stored_picture()
    response = client.get(reverse("studies:picture", args=[name]))
    assert response.content == default_storage.open(name).read()
    assert response.headers["Content-Type"] == "image/png"
    assert "immutable" in response.headers["Cache-Control"]
    assert "max-age=31536000" in response.headers["Cache-Control"]
    assert response.headers["X-Content-Type-Options"] == "nosniff"


def test_a_photograph_as_imported_is_never_served(client):
    open_study(1)
    file = ImageRow.objects.first().file
    assert default_storage.exists(file)
    assert client.get(f"/pictures/{file}").status_code == 404


def test_nothing_but_pictures_of_studies_is_served(client):
    name = stored_picture()
    for other in (f"{name[:-4]}.npy", "artifacts/none.png", "secret.png"):
        default_storage.save(other, default_storage.open(name))
        assert client.get(f"/pictures/{other}").status_code == 404


@pytest.mark.parametrize("around", ["../{}", "artifacts/../{}", "{}/..", "/{}", "{}\n", "{}%0a", "./{}", "{}?", "x{}"])
def test_a_name_around_a_picture_is_not_found(client, around):
    path = "/pictures/" + around.format(stored_picture()).replace("?", "%3f").replace("\n", "%0a")
    assert client.get(path).status_code == 404


# --- sizes of pictures ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("side", "widths"),
    [(32, [320, 256, 192]), (96, [384, 288, 192]), (128, [384, 256, 128]), (224, [448, 224]), (500, [500])],
)
def test_pictures_are_offered_in_whole_multiples(side, widths):
    page = lxml.html.fromstring(Visitor(open_study(1, side=side)).begin().get().content)
    offered = [int(width) for width in page.xpath("//picture//@width")]
    assert offered == widths
    assert [int(height) for height in page.xpath("//picture//@height")] == widths
    assert all(width % side == 0 for width in offered)
