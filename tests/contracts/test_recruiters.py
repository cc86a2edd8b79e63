"""Whatever is registered as a recruiter keeps what the interface promises, whoever comes and however they leave."""

from urllib.parse import urlsplit

import pytest
from django.test import Client

from studies import recruiters
from studies.lib.errors import StudyError
from studies.models import Arrival, Participant, Slot, Trial
from studies.recruiters import NotFromHere, VisitOutcome
from studies.recruitment import arrivals
from tests import recruiters as recruited
from tests.factories import open_study
from tests.participant_client import heading
from tests.recruiters import COMES, SETTINGS, address, comes, recruits

pytestmark = pytest.mark.django_db

KEYS = list(recruiters.available())
NAMING = [key for key, one in recruiters.available().items() if one.names_people]
DESIGN = {"completion_url": ""}
LINK = "https://studies.example.org/s/0/"


@pytest.fixture(params=KEYS)
def recruiter(request) -> recruiters.Recruiter:
    return recruiters.get(request.param)


def test_every_recruiter_has_its_example_and_the_default_is_one_of_them():
    assert [recruiters.DEFAULT, *sorted(set(KEYS) - {recruiters.DEFAULT})] == KEYS
    assert set(SETTINGS) == set(KEYS)
    assert set(COMES) == set(NAMING)


def test_its_settings_are_complete_valid_and_plain(recruiter):
    settings = recruiter.clean(SETTINGS[recruiter.key])
    assert recruiter.clean(settings) == settings
    assert set(settings) == set(recruiter.form_class().fields)
    assert recruiter.instructions(settings, LINK)
    assert any(one.copy.startswith(LINK) for one in recruiter.instructions(settings, LINK))
    if recruiter.form_class().fields:
        with pytest.raises(StudyError) as refusal:
            recruiter.clean(dict.fromkeys(settings, "no such thing!"))
        assert "\n" not in str(refusal.value)


def test_it_sends_people_to_known_sites_over_https_alone_with_every_outcome(recruiter):
    settings = recruiter.clean(SETTINGS[recruiter.key])
    for outcome in VisitOutcome.ALL:
        way = recruiter.exit_for(settings, outcome, design=DESIGN, code="CODE", submission="3SUBMISSION")
        if recruiter.names_people:
            assert way is not None
            assert way.says or way.url
        if way and way.url:
            assert way.url.startswith("https://")
            assert way.button
            assert (way.fields is None) is (not way.targets)
        if way and way.fields is not None:
            assert "{0.scheme}://{0.netloc}".format(urlsplit(way.url)) in way.targets


@pytest.mark.parametrize("key", NAMING)
@pytest.mark.parametrize("junk", ["", "../../etc/passwd", "x" * 5000, "\x00", "é", "<script>", "1 OR 1=1", "{{%X%}}"])
def test_parameters_that_are_none_give_one_clear_page_and_store_nothing(key, junk):
    study, good = recruits(open_study(1, 1), key), COMES[key]()
    client = Client()
    bad = [dict.fromkeys(good, junk), *({**good, name: junk} for name in good), {}]
    bad += [{name: value for name, value in good.items() if name != left_out} for left_out in good]
    for query in bad:
        page = client.get(address(study, query))
        assert (page.status_code, heading(page)) == (400, "That did not work"), query
    twice = address(study, good) + "&" + address(study, COMES[key]("b")).partition("?")[2]
    assert client.get(twice).status_code == 400
    with pytest.raises(NotFromHere):
        arrivals.identify_arrival(study, {})
    assert not Participant.objects.exists()
    assert not Arrival.objects.exists()


@pytest.mark.parametrize("key", NAMING)
def test_whoever_comes_again_goes_on_where_they_were_also_on_another_device(key):
    study = recruits(open_study(3, 2), key)
    one = comes(study, COMES[key]("a", 1)).begin()
    one.send(answer="yes")
    # Another device, another submission: the same person, at the trial they were at.
    again = comes(study, COMES[key]("a", 2))
    assert again.get().status_code == 303
    assert again.responses[-1].headers["Location"] == one.path
    again.path = one.path
    assert again.trial == one.trial
    again.finish()
    assert Participant.objects.count() == 1
    assert Trial.objects.filter(answered_at__isnull=False).count() == 3
    came = [arrivals.identify_arrival(study, {k: [v] for k, v in COMES[key]("a", n).items()}) for n in (1, 2)]
    assert set(Arrival.objects.values_list("submission", flat=True)) == {one.submission for one in came}
    # Somebody else is somebody else; and so is the same person in another study, under another token.
    other = comes(study, COMES[key]("b")).begin()
    assert other.path != one.path
    elsewhere = comes(recruits(open_study(1, 1), key), COMES[key]("a")).begin()
    assert elsewhere.path != one.path
    assert Participant.objects.count() == 3


@pytest.mark.parametrize("key", NAMING)
def test_agreeing_twice_enrols_once_and_nobody_agrees_under_another_name(key):
    study = recruits(open_study(2, 2), key)
    one, other = comes(study, COMES[key]("a")), comes(study, COMES[key]("b"))
    form = one.form()
    assert one.post(form).status_code == one.post(form).status_code == 303
    assert Participant.objects.count() == 1
    # The form of one, sent from the address of the other.
    assert other.post(form).status_code == 400
    assert Participant.objects.count() == 1
    assert not Slot.objects.filter(holder__isnull=False).exists()


@pytest.mark.parametrize("key", NAMING)
def test_looking_without_agreeing_stores_nothing(key):
    study = recruits(open_study(2, 2), key)
    visitor = comes(study, COMES[key]())
    assert visitor.get().status_code == 200
    assert visitor.client.head(visitor.path).status_code == 200
    assert not Participant.objects.exists()
    assert not Arrival.objects.exists()


@pytest.mark.parametrize("key", NAMING)
def test_without_the_key_nobody_is_taken_in_or_hashed_with_nothing(key, settings):
    study = recruits(open_study(1, 1), key)
    settings.RECRUIT_KEY = ""
    assert comes(study, COMES[key]()).get().status_code == 503
    with pytest.raises(StudyError, match="RECRUIT_KEY is not set"):
        recruits(open_study(1, 1), key)


def test_the_open_link_knows_nobody_whatever_stands_in_its_address():
    study = open_study(1, 2)
    for _ in range(2):
        comes(study, recruited.from_prolific() | recruited.from_framing()).begin()
    assert Participant.objects.count() == 2
    assert not Arrival.objects.exists()


def test_a_recruiter_that_is_not_there_is_one_clear_line():
    with pytest.raises(StudyError, match="there is no recruiter 'x'; there are: open_link, "):
        recruiters.get("x")
