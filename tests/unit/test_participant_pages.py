"""Participants' pages, one behaviour at a time; whole sessions in a real browser are in tests/browser."""

import gzip
import io
import time
from pathlib import Path

import lxml.html
import pytest
from django.conf import settings
from django.core import signing
from django.core.files.storage import default_storage
from django.test import Client
from django.urls import reverse
from PIL import Image

from studies import lifecycle, participation
from studies.models import Image as ImageRow
from studies.models import Participant, Stimulus, Study, Trial
from studies.views import FORM_AGE
from tests.factories import make_study, open_study

pytestmark = pytest.mark.django_db


class Visitor:
    """Somebody with a browser: follows links and sends the forms of the pages they are shown."""

    def __init__(self, study: Study):
        self.study = study
        self.client = Client(enforce_csrf_checks=True)
        self.responses = []
        self.path = reverse("studies:join", args=[study.link])

    def get(self, path: str = ""):
        self.path = path or self.path
        response = self.client.get(self.path)
        self.responses.append(response)
        return response

    def form(self) -> dict[str, str]:
        """The fields of the form on the page this person is at."""
        return dict(lxml.html.fromstring(self.get().content).forms[0].form_values())

    def post(self, fields: dict[str, str]):
        response = self.client.post(self.path, fields)
        self.responses.append(response)
        return response

    def send(self, **values: str):
        """Fill in the form of the current page, send it, and stand on the page it leads to."""
        response = self.post(self.form() | values)
        assert response.status_code == 303
        self.path = response.headers["Location"]
        return response

    def begin(self) -> "Visitor":
        self.send()
        self.send()
        return self

    @property
    def participant(self) -> Participant:
        return participation.find(self.path.rstrip("/").rpartition("/")[2])

    @property
    def trial(self) -> Trial | None:
        return Trial.objects.filter(participant=self.participant, presented_at__isnull=False, answered_at=None).first()

    def finish(self) -> None:
        while self.trial:
            self.send(answer="yes")


@pytest.fixture
def visitor():
    return Visitor(open_study(4, 2))


def text(response) -> str:
    return " ".join(lxml.html.fromstring(response.content).find("body").text_content().split())


def heading(response) -> str:
    return lxml.html.fromstring(response.content).findtext(".//h1")


def stored() -> list:
    return list(Trial.objects.order_by("pk").values_list("answer", "answered_at", "counted"))


# --- the way through --------------------------------------------------------------------------------------------------


def test_a_person_goes_from_the_link_to_the_completion_code(visitor):
    consent = visitor.get()
    assert "voluntary" in text(consent)
    visitor.send()
    person = visitor.participant
    assert person.consent.text == visitor.study.consent_text
    assert person.consented_at
    assert person.started_at is None
    assert "at most 4 pictures" in text(visitor.get())
    visitor.send()
    for number in range(1, 5):
        page = visitor.get()
        assert f"{number} of 4" in text(page)
        assert f"Is {visitor.trial.stimulus.shown['ask']} relevant for this image?" in text(page)
        visitor.send(answer="no", response_ms="1234")
    end = visitor.get()
    assert person.completion_code in text(end)
    assert "You answered 4 questions" in text(end)
    assert set(Trial.objects.values_list("answer", "response_ms", "counted")) == {("no", 1234, True)}


def test_each_choice_is_a_button_with_its_key(visitor):
    page = lxml.html.fromstring(visitor.begin().get().content)
    buttons = [(button.get("name"), button.get("value"), button.get("data-key")) for button in page.iter("button")]
    assert buttons == [("answer", "yes", "y"), ("answer", "no", "n")]


def test_the_next_picture_is_named_for_loading_ahead(visitor):
    visitor.begin()
    upcoming = participation.upcoming_trial(visitor.participant)
    (form,) = lxml.html.fromstring(visitor.get().content).forms
    assert form.get("data-ahead") == reverse("studies:picture", args=[upcoming.stimulus.shown["picture"]["file"]])


def test_the_last_trial_has_nothing_to_load_ahead():
    visitor = Visitor(open_study(1)).begin()
    (form,) = lxml.html.fromstring(visitor.get().content).forms
    assert form.get("data-ahead") == ""


def test_the_home_page_says_what_this_is_and_leads_to_the_admin(client):
    page = client.get(reverse("studies:home"))
    assert "people judge an image classifier" in text(page)
    assert reverse("admin:index") in page.content.decode()


# --- nothing is done twice --------------------------------------------------------------------------------------------


def test_agreeing_twice_enrols_one_participant(visitor):
    form = visitor.form()
    first, second = visitor.post(form), visitor.post(form)
    assert first.headers["Location"] == second.headers["Location"]
    assert Participant.objects.count() == 1


def test_every_visit_to_the_link_is_somebody_new(visitor):
    form, other = visitor.form(), visitor.form()
    assert visitor.post(form).headers["Location"] != visitor.post(other).headers["Location"]


def test_agreeing_again_after_the_study_closed_still_leads_to_ones_page(visitor):
    form = visitor.form()
    first = visitor.post(form)
    lifecycle.close_study(visitor.study)
    assert visitor.post(form).headers["Location"] == first.headers["Location"]


def test_leaving_the_instructions_twice_shows_one_trial(visitor):
    visitor.send()
    form = visitor.form()
    assert visitor.post(form).status_code == visitor.post(form).status_code == 303
    assert Trial.objects.filter(presented_at__isnull=False).count() == 1


def test_reloading_shows_the_same_trial(visitor):
    visitor.begin()
    pictures = {lxml.html.fromstring(visitor.get().content).find(".//img").get("src") for _ in range(3)}
    assert len(pictures) == 1
    assert Trial.objects.filter(presented_at__isnull=False).count() == 1


def test_an_answer_sent_twice_counts_once_and_leads_to_the_same_page(visitor):
    visitor.begin()
    form = visitor.form()
    first = visitor.post(form | {"answer": "yes"})
    after = stored()
    second = visitor.post(form | {"answer": "no"})
    assert (first.status_code, first.headers["Location"]) == (second.status_code, second.headers["Location"])
    assert stored() == after


def test_the_trial_of_an_older_tab_cannot_answer_the_current_one(visitor):
    visitor.begin()
    older = visitor.form()
    visitor.send(answer="yes")
    current = visitor.trial
    assert visitor.post(older | {"answer": "no"}).status_code == 303
    assert visitor.trial == current


# --- bad input --------------------------------------------------------------------------------------------------------


def tampered(form):
    number, rest = form["trial"].split(":", 1)
    return {"trial": f"{int(number) + 1}:{rest}"}


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(tampered, id="tampered"),
        pytest.param(lambda form: {"trial": form["trial"][:-1]}, id="cut short"),
        pytest.param(lambda form: {"trial": "1"}, id="unsigned"),
        pytest.param(lambda form: {"trial": ""}, id="empty"),
        pytest.param(lambda form: {"trial": "\x00é" * 50}, id="noise"),
        pytest.param(lambda form: {"answer": "maybe"}, id="an answer not offered"),
        pytest.param(lambda form: {"answer": ""}, id="no answer"),
        pytest.param(lambda form: {"answer": "yes\x00"}, id="an answer with a null"),
    ],
)
def test_a_form_that_was_changed_stores_nothing_and_says_how_to_go_on(visitor, change):
    visitor.begin()
    form, before = visitor.form() | {"answer": "yes"}, stored()
    refused = visitor.post(form | change(form))
    assert refused.status_code == 400
    assert heading(refused) == "That did not work"
    (onward,) = lxml.html.fromstring(refused.content).xpath("//main//a/@href")
    assert onward == visitor.path
    assert stored() == before


def test_a_form_without_its_fields_is_refused(visitor):
    visitor.begin()
    assert visitor.post({}).status_code == 400


def test_a_page_left_open_for_too_long_is_refused(visitor, monkeypatch):
    visitor.begin()
    with monkeypatch.context() as patch:
        then = int(time.time() - FORM_AGE.total_seconds() - 10)
        patch.setattr(signing.TimestampSigner, "timestamp", lambda self: signing.b62_encode(then))
        form = visitor.form()
    before = stored()
    refused = visitor.post(form | {"answer": "yes"})
    assert refused.status_code == 400
    assert "open for too long" in text(refused)
    assert stored() == before
    visitor.send(answer="yes")


def test_the_form_of_somebody_else_is_refused(visitor):
    visitor.begin()
    other = Visitor(visitor.study).begin()
    before = stored()
    assert visitor.post(other.form() | {"answer": "yes"}).status_code == 400
    assert stored() == before


def test_a_consent_form_that_was_changed_enrols_nobody_and_asks_again(visitor):
    form = visitor.form()
    for join in ("", form["join"][:-1], form["join"].swapcase()):
        refused = visitor.post({"join": join})
        assert refused.status_code == 400
        assert "agree once more" in text(refused)
    assert Participant.objects.count() == 0


def test_a_consent_form_of_another_study_enrols_nobody(visitor):
    assert visitor.post(Visitor(open_study()).form()).status_code == 400
    assert Participant.objects.count() == 0


def test_a_text_that_changed_meanwhile_is_shown_before_anybody_agrees_to_it(visitor):
    form = visitor.form()
    visitor.study.consents.create(version=2, text="Something else.", sha256="0" * 64)
    again = visitor.post(form)
    assert Participant.objects.count() == 0
    assert "Something else." in text(again)
    visitor.send()
    assert visitor.participant.consent.version == 2


@pytest.mark.parametrize("claimed", ["", "-1", "1.5", "NaN", "1e9", "99999999999", "²", "soon"])
def test_a_response_time_that_is_none_is_left_out_and_the_answer_kept(visitor, claimed):
    visitor.begin()
    trial = visitor.trial
    visitor.send(answer="yes", response_ms=claimed)
    trial.refresh_from_db()
    assert (trial.answer, trial.response_ms) == ("yes", None)


@pytest.mark.parametrize(
    "path",
    [
        "/s/00000000-0000-4000-8000-000000000000/",
        "/s/not-a-link/",
        "/t/nobody/",
        "/t/%00/",
        "/nothing",
        "/pictures/artifacts/00/none.png",
    ],
)
def test_an_unknown_address_says_so_calmly(path):
    response = Client().get(path)
    assert response.status_code == 404
    assert heading(response) == "There is nothing at this address"


@pytest.mark.parametrize("method", ["put", "delete", "patch"])
def test_other_methods_are_refused(visitor, method):
    visitor.begin()
    assert getattr(visitor.client, method)(visitor.path).status_code == 405


def test_what_a_researcher_wrote_is_text_and_no_markup(visitor):
    visitor.study.consents.update(text="One.\n\n<script>alert(1)</script>")
    Study.objects.update(title="<b>bold</b>")
    page = visitor.get()
    assert "<b>bold</b>" in text(page)
    assert "<script>alert" in text(page)
    Stimulus.objects.update(shown={**Stimulus.objects.first().shown, "ask": "<i>cat</i>"})
    visitor.begin()
    assert "Is <i>cat</i> relevant" in text(visitor.get())


# --- the states of a study --------------------------------------------------------------------------------------------


def put(study: Study, state: str) -> None:
    Study.objects.filter(pk=study.pk).update(state=state)


@pytest.mark.parametrize(
    ("state", "status", "says"),
    [
        ("draft", 403, "This study has not begun yet"),
        ("preparing", 403, "This study has not begun yet"),
        ("ready", 403, "This study has not begun yet"),
        ("paused", 200, "This study is paused"),
        ("closed", 410, "This study has ended"),
    ],
)
def test_a_study_that_is_not_open_says_so_and_enrols_nobody(visitor, state, status, says):
    form = visitor.form()
    put(visitor.study, state)
    for response in (visitor.get(), visitor.post(form), visitor.post({})):
        assert (response.status_code, heading(response)) == (status, says)
    assert Participant.objects.count() == 0


def test_a_study_that_was_never_opened_says_so():
    response = Visitor(make_study()).get()
    assert (response.status_code, heading(response)) == (403, "This study has not begun yet")


def test_a_full_study_asks_nobody_to_consent():
    study = open_study(1, 1)
    visitor, late = Visitor(study).begin(), Visitor(study)
    assert heading(late.get()) == "There is nothing to do just now"
    visitor.send(answer="yes")
    assert heading(late.post({})) == "There is nothing to do just now"
    assert Participant.objects.count() == 1


def test_whoever_finds_every_place_taken_after_consenting_is_told_so():
    study = open_study(1, 1)
    first, second = Visitor(study), Visitor(study)
    first.send()
    second.send()
    first.send()
    first.send(answer="yes")
    second.send()
    end = second.get()
    assert "Others were faster" in text(end)
    assert second.participant.completion_code not in text(end)


def test_a_pause_takes_the_answer_on_screen_and_keeps_the_place(visitor):
    visitor.begin()
    lifecycle.pause_study(visitor.study)
    assert "relevant for this image" in text(visitor.get())
    visitor.send(answer="yes")
    page = visitor.get()
    assert (page.status_code, heading(page)) == (200, "This study is paused")
    lifecycle.open_study(visitor.study)
    assert "2 of 4" in text(visitor.get())


def test_a_pause_before_the_instructions_are_left_shows_no_trial(visitor):
    visitor.send()
    form = visitor.form()
    lifecycle.pause_study(visitor.study)
    assert heading(visitor.get()) == "This study is paused"
    assert visitor.post(form).status_code == 303
    assert heading(visitor.get()) == "This study is paused"
    assert Trial.objects.count() == 0


def test_a_closed_study_takes_no_answer_and_gives_the_code_to_whoever_answered(visitor):
    visitor.begin()
    visitor.send(answer="yes")
    form, before = visitor.form(), stored()
    lifecycle.close_study(visitor.study)
    refused = visitor.post(form | {"answer": "yes"})
    assert (refused.status_code, heading(refused)) == (410, "This study has ended")
    assert "was not stored" in text(refused)
    assert visitor.participant.completion_code in text(visitor.get())
    assert stored() == before


def test_a_study_that_closed_before_the_first_answer_gives_no_code(visitor):
    visitor.begin()
    lifecycle.close_study(visitor.study)
    page = visitor.get()
    assert page.status_code == 410
    assert visitor.participant.completion_code not in text(page)


def test_whoever_is_done_sees_the_code_also_after_the_study_closed(visitor):
    visitor.begin().finish()
    lifecycle.close_study(visitor.study)
    page = visitor.get()
    assert page.status_code == 200
    assert visitor.participant.completion_code in text(page)


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


# --- size -------------------------------------------------------------------------------------------------------------


def test_a_trials_page_with_its_script_and_style_is_under_thirty_kilobytes():
    visitor = Visitor(open_study()).begin()
    page = visitor.get()
    parts = [page.content]
    for url in lxml.html.fromstring(page.content).xpath("//script/@src | //link/@href"):
        parts.append((Path(settings.BASE_DIR) / url.removeprefix("/")).read_bytes())
    assert len(parts) == 4
    assert sum(len(gzip.compress(part)) for part in parts) < 30_000


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
