"""The first trials of every protocol in Firefox, WebKit and two old Chromiums: answers, times, and what is seen."""

import json
import os
import time
from datetime import timedelta

import pytest
from django.urls import reverse

from studies import lifecycle, protocols
from studies.models import Participant, Study, Trial
from studies.simulation import age
from tests.bench import made_up_study
from tests.browser.engines import ENGINES
from tests.browser.https_servers import certificate, framing_site, this_site
from tests.factories import open_study

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

PATIENCE = 60
WIDTH, HEIGHT = 1200, 800
#: In CSS pixels at that size of the window, whatever the engine: pictures of 32 pixels by whole multiples.
SHOWN = {"class_assignment": [128] + 36 * [64], "distinction": [256] + 4 * [224], "preference": [256, 256]}
ALONE = [320]
#: What makes it short: of the sessions of these protocols only the first trials are played.
DESIGNS = {"class_assignment": {"rounds": 3, "min_seconds": 0, "names": "classes"}}
#: A folder to look at the pages in, where one is named.
PICTURES = os.environ.get("TEST_PICTURES")


#: The newest of each kind: what their privacy settings say of frames and storage is different from Chromium's.
NEWEST = ["firefox", "webkit"]


@pytest.fixture(scope="module", params=ENGINES)
def engine(request):
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"
    browser = ENGINES[request.param]()
    browser.name = request.param
    browser.resize(WIDTH, HEIGHT)
    yield browser
    browser.close()


def until(engine, condition: str) -> None:
    """Wait for a condition in the page; pages come and go meanwhile."""
    end = time.monotonic() + PATIENCE
    while not engine.js(f"document.readyState === 'complete' && Boolean({condition})"):
        assert time.monotonic() < end, (engine.name, condition, engine.js("document.body.innerText.slice(0, 300)"))
        time.sleep(0.05)


def look(engine, name: str) -> None:
    if PICTURES:
        with open(f"{PICTURES}/{name}-{engine.name}.png", "wb") as file:
            file.write(engine.picture())


def begin(engine, address: str, study: Study) -> None:
    engine.open(address + reverse("studies:join", args=[study.link]))
    engine.click("main form .button")
    until(engine, "document.querySelector('main form [name=trial]')")
    engine.click("main form .button")
    at(engine, 1)


def at(engine, number: int) -> None:
    until(
        engine,
        f"document.querySelector('form.painted') && /^{number} /.test(document.querySelector('.count').innerText)",
    )


def answers() -> list[str]:
    return list(Trial.objects.exclude(answered_at=None).order_by("position").values_list("answer", flat=True))


@pytest.mark.parametrize("protocol", list(protocols.available()))
def test_the_first_trials_are_answered_and_timed_and_their_pictures_are_of_one_size(protocol, engine, live_server):
    study = made_up_study(protocol, {"trials_per_participant": 3, **DESIGNS.get(protocol, {})}, n_images=96)
    lifecycle.open_study(study)
    begin(engine, live_server.url, study)
    look(engine, protocol)
    widths = "Array.from(document.querySelectorAll('form img'), (one) => one.getBoundingClientRect().width)"
    assert engine.js(widths) == SHOWN.get(protocol, ALONE)
    values = "Array.from(document.querySelectorAll('[data-key]'), (one) => one.value)"
    first = engine.js(values)[0]
    engine.js("window.here = true")
    engine.press(engine.js("document.querySelector('[data-key]').dataset.key"))
    at(engine, 2)
    # Another trial may offer other answers.
    second = engine.js(values)[1]
    engine.click(f"button[value={json.dumps(second)}]")
    at(engine, 3)
    # One page took the place of the other; nothing was loaded.
    assert engine.js("window.here") is True
    assert answers() == [first, second]
    for trial in Trial.objects.exclude(answered_at=None):
        # Not before the picture could be seen, and not longer than the server saw it.
        assert 150 <= trial.response_ms <= 1000 * (trial.answered_at - trial.presented_at).total_seconds() + 1
        assert trial.hidden_count == 0
    assert Participant.objects.count() == 1


@pytest.mark.parametrize("engine", NEWEST, indirect=True)
def test_a_second_visit_begins_where_the_first_one_led(engine, live_server):
    study = made_up_study("adversarial_trials", {"threshold": 1, "trials_per_participant": 1, "washout_days": 3})
    lifecycle.open_study(study)
    begin(engine, live_server.url, study)
    engine.press("y")
    until(engine, "document.querySelector('#code')")
    look(engine, "come-back")
    assert "Please come back" in engine.js("document.querySelector('h1').innerText")
    way_back = engine.js("document.querySelector('.address a').href")
    age(Participant.objects.get(), timedelta(days=3))
    engine.open(way_back)
    assert engine.js("document.querySelector('h1').innerText") == "Welcome back"
    engine.click("main form .button")
    at(engine, 1)
    engine.press("n")
    until(engine, "document.querySelector('#code')")
    assert list(Trial.objects.order_by("pk").values_list("visit", "answer")) == [(1, "yes"), (2, "no")]


@pytest.mark.parametrize("engine", NEWEST, indirect=True)
def test_a_session_is_played_in_the_frame_of_a_recruiters_site(engine, settings, tmp_path):
    tls = certificate(tmp_path)
    settings.SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    study = open_study(2)
    with framing_site(tls) as port:
        recruiter = f"https://recruiter.localhost:{port}"
        settings.FRAME_ANCESTORS = [recruiter]
        with this_site(tls) as ours:
            engine.open(f"{recruiter}/?{ours}{reverse('studies:join', args=[study.link])}")
            engine.into_frame()
            until(engine, "document.querySelector('main form .button')")
            engine.click("main form .button")
            until(engine, "document.querySelector('main form [name=trial]')")
            engine.click("main form .button")
            at(engine, 1)
            engine.click("button[value=yes]")
            at(engine, 2)
            engine.press("n")
            until(engine, "document.querySelector('#code')")
            assert engine.js("document.querySelector('#code').innerText") == Participant.objects.get().completion_code
            engine.open("about:blank")
    assert answers() == ["yes", "no"]
