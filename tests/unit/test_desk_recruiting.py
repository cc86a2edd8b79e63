"""Recruiting at the desk: choosing, what to paste, who is due, posting, and paying; each in the log."""

from datetime import timedelta

import lxml.html
import pytest
from django.urls import reverse

from studies import lifecycle, recruitment
from studies.consent import DEFAULT_CONSENT, NOTHING_KEPT
from studies.errors import StudyError
from studies.models import Event, Participant, Posting, Study
from studies.simulation import age, simulate
from tests.bench import made_up_study
from tests.factories import make_study, open_study
from tests.recruited import CODES, HIT, WORKER, comes, from_mturk, from_prolific, recruits, stubbed
from tests.staff import researcher, said, staff, text
from tests.unit.test_mturk import MADE, handed, will_list, will_show

pytestmark = pytest.mark.django_db


@pytest.fixture
def turk(monkeypatch, settings):
    with stubbed(monkeypatch, settings) as stub:
        yield stub


def at(study: Study, name: str = "recruiting", query: str = "") -> str:
    return reverse(f"admin:studies_study_{name}", args=[study.pk]) + query


def posting(study: Study, **about) -> Posting:
    about = {"recruiter": "mturk", "place": "sandbox", "name": HIT, "posted_at": study.opened_at} | about
    return Posting.objects.create(study=study, offer={"title": "Look", "places": 3, "reward": "1.00"}, **about)


OFFER = {"title": "Look at pictures", "description": "Twenty", "reward": "1.50", "places": "9", "hours": "72"}
OFFER |= {"minutes": "60", "approve_after_days": "7", "visit": "1"}


def hidden(page, name: str) -> str:
    (value,) = lxml.html.fromstring(page.content).xpath(f"//input[@name='{name}']/@value")
    return value


def test_a_recruiter_is_chosen_and_its_page_says_what_to_paste_there(settings):
    settings.SITE_URL = "https://studies.example.org"
    study, client = make_study(1, 1), researcher()
    assert "Give people this link." in text(client.get(at(study)))
    page = client.post(at(study), {"recruiter": "prolific", **CODES}, follow=True)
    told = "The text people agree to says now what is kept of them for payment: read it."
    assert said(page) == ["People come by this from now on: Prolific.", told]
    copies = lxml.html.fromstring(page.content).xpath("//button/@data-copy")
    asked = "PROLIFIC_PID={{%PROLIFIC_PID%}}&STUDY_ID={{%STUDY_ID%}}&SESSION_ID={{%SESSION_ID%}}"
    assert copies == [f"https://studies.example.org/s/{study.link}/?{asked}"]
    assert all(code in text(page) for code in CODES.values())
    assert "Recruiting: Prolific" in text(client.get(at(study, "change")))
    # In the log which settings changed, not their values: whoever knows a code can claim to be done.
    (event,) = Event.objects.filter(what="recruiter")
    assert event.details == {"recruiter": "prolific", "settings": sorted(CODES)}
    client.post(at(study), {"recruiter": "prolific", **CODES})
    assert Event.objects.filter(what="recruiter").count() == 1


def test_the_text_to_agree_to_never_says_that_nothing_is_kept_where_a_recruiter_names_people(settings):
    settings.RECRUIT_ID_DAYS = 30
    study = make_study(1, 1)
    assert NOTHING_KEPT in study.consent_text
    recruitment.choose(study, "prolific", CODES)
    assert NOTHING_KEPT not in study.consent_text
    assert "the number by which Prolific knows you is kept for 30 days" in study.consent_text
    assert list(
        Event.objects.filter(what__in=["texts", "recruiter"]).values_list("what", flat=True).order_by("pk")
    ) == [
        "texts",
        "recruiter",
    ]
    # Written back, it cannot open; and where people may have agreed to it, no such recruiter can be chosen.
    lifecycle.change_texts(study, title=study.title, consent_text=DEFAULT_CONSENT)
    with pytest.raises(
        StudyError, match="the consent text says that nothing identifies people, and Prolific names them"
    ):
        lifecycle.open_study(study)
    for key in ("prolific", "mturk"):
        page = researcher().post(at(opened := open_study(1, 1)), {"recruiter": key, "place": "sandbox", **CODES})
        assert "choose it for a copy of this study, before that opens" in text(page)
        assert not hasattr(Study.objects.get(pk=opened.pk), "recruitment")


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        ({"recruiter": "prolific", "completed": ""}, "This field is required."),
        ({"recruiter": "prolific", "completed": "A B"}, "A code has letters and digits alone"),
        ({"recruiter": "prolific", "completed": "X1", "no_consent": "X1"}, "Each outcome needs a code of its own"),
        ({"recruiter": "mturk", "place": "live"}, "Live is not allowed here: MTURK_LIVE is off."),
    ],
)
def test_settings_that_cannot_work_are_told_beside_their_field_and_change_nothing(data, problem):
    study = make_study(1, 1)
    assert problem in text(researcher().post(at(study), data))
    assert not hasattr(Study.objects.get(pk=study.pk), "recruitment")


def test_a_recruiter_that_is_not_there_is_not_found():
    assert researcher().get(at(make_study(1, 1), query="?recruiter=nobody")).status_code == 404


def test_whoever_may_not_change_the_study_sees_how_people_come_and_no_form():
    study = recruits(open_study(1, 1), "prolific")
    client = staff("view_study", sees=study)
    page = client.get(at(study))
    assert page.status_code == 200
    assert lxml.html.fromstring(page.content).get_element_by_id("main").xpath(".//form[@class='desk-form']") == []
    assert client.post(at(study), {"recruiter": "open_link"}).status_code == 403
    assert client.post(at(study, "due")).status_code == 403


def test_who_is_due_is_shown_by_their_ids_on_asking_and_it_is_logged_who_saw_them():
    study = made_up_study("adversarial_trials", {"threshold": 1})
    lifecycle.open_study(study)
    recruits(study, "prolific")
    visitor = comes(study, from_prolific()).begin()
    visitor.finish()
    age(visitor.participant, timedelta(days=3))
    pid, client = from_prolific()["PROLIFIC_PID"], researcher()
    assert pid not in client.get(at(study)).content.decode()
    page = client.post(at(study, "due"))
    assert lxml.html.fromstring(page.content).xpath("//button/@data-copy") == [pid]
    assert "no-store" in page.headers["Cache-Control"]
    event = Event.objects.get(what="named")
    assert (event.details, pid in repr(event.details)) == ({"people": 1}, False)
    assert client.get(at(study, "due")).status_code == 405


def test_a_hit_is_posted_from_its_form_and_a_second_press_posts_none(turk):
    study, client = recruits(open_study(1, 1), "mturk"), researcher()
    form = OFFER | {"token": hidden(client.get(at(study, "postings")), "token")}
    turk.add_response("create_qualification_type", MADE)
    turk.add_response("create_hit", {"HIT": {"HITId": HIT}})
    for _ in range(2):
        page = client.post(at(study, "postings"), form, follow=True)
        assert said(page) == [f"It is posted, as {HIT}."]
    assert Posting.objects.count() == Event.objects.filter(what="posted").count() == 1
    assert Event.objects.get(what="posted").actor is not None


def test_what_is_wrong_with_an_offer_is_told_and_nothing_is_asked_of_the_market(turk):
    study, client = recruits(open_study(1, 1), "mturk"), researcher()
    form = OFFER | {"token": hidden(client.get(at(study, "postings")), "token")}
    for name, value in {"reward": "0", "places": "1000000", "countries": "USA", "token": "1", "visit": "2"}.items():
        page = client.post(at(study, "postings"), form | {name: value})
        assert page.context["form"].errors.keys() == {name}
    assert not Posting.objects.exists()


def test_live_is_said_and_has_to_be_ticked(turk, settings):
    settings.MTURK_LIVE = True
    study, client = recruits(open_study(1, 1), "mturk", place="live"), researcher()
    page = client.get(at(study, "postings"))
    assert "Post it, and spend money" in text(page)
    page = client.post(at(study, "postings"), OFFER | {"token": hidden(page, "token")})
    assert page.context["form"].errors.keys() == {"sure"}
    assert not Posting.objects.exists()


def test_what_the_market_did_not_answer_on_can_be_asked_again(turk):
    study, client = recruits(open_study(1, 1), "mturk"), researcher()
    form = OFFER | {"token": hidden(client.get(at(study, "postings")), "token")}
    turk.add_response("create_qualification_type", MADE)
    turk.add_client_error("create_hit", "ServiceFault", http_status_code=500)
    assert "look whether it was done" in text(client.post(at(study, "postings"), form))
    one = Posting.objects.get()
    turk.add_response("create_hit", {"HIT": {"HITId": HIT}})
    page = client.post(at(study, "postings"), {"again": str(one.pk)}, follow=True)
    assert said(page) == [f"It is posted, as {HIT}."]
    for asked in (str(one.pk), "x", "1" * 50):
        assert client.post(at(study, "postings"), {"again": asked}).status_code == 404


def test_who_handed_in_is_listed_by_number_and_paid_as_ticked(turk):
    study, client = recruits(open_study(1, 2), "mturk"), researcher()
    comes(study, from_mturk()).begin().finish()
    posting(study)
    here, person = at(study, "posting", f"?posting={HIT}"), Participant.objects.get()
    both = [handed(code=person.completion_code), handed("ANOBODY", "3ASSIGNMENT2")]
    will_show(turk, *both)
    page = client.get(here)
    assert "1 1 Finished fits" in text(page)
    assert "At it now 3 Places free 5" in text(page)
    assert "nobody known" in text(page)
    assert WORKER not in page.content.decode()
    will_show(turk, *both)
    assert "Tick at least one submission." in text(client.post(here, {"do": "approve"}))
    will_show(turk, *both)
    wanting = client.post(here, {"do": "bonus", "submission": "3ASSIGNMENT1"})
    assert wanting.context["form"].errors.keys() == {"reason", "amount"}
    # Of what is ticked, only what the market says was handed in.
    will_list(turk, *both)
    turk.add_response("approve_assignment", {}, {"AssignmentId": "3ASSIGNMENT1"})
    turk.add_client_error("approve_assignment", "ThrottlingException")
    ticked = ["3ASSIGNMENT1", "3ASSIGNMENT2", "3ELSEWHERE"]
    will_show(turk, *both)
    page = client.post(here, {"do": "approve", "submission": ticked}, follow=True)
    assert said(page) == ["1 approved.", "Mechanical Turk: it is asked too often: try again in a minute."]
    assert Event.objects.get(what="approved").details == {"participant": 1, "posting": HIT}
    will_list(turk, *both)
    asked = {"AssignmentId": "3ASSIGNMENT1", "RequesterFeedback": "Too fast."}
    turk.add_response("reject_assignment", {}, asked)
    will_show(turk, *both)
    given = {"do": "reject", "reason": "Too fast.", "submission": "3ASSIGNMENT1"}
    assert said(client.post(here, given, follow=True)) == ["1 rejected."]
    will_list(turk, *both)
    turk.add_response("send_bonus", {})
    will_show(turk, *both)
    given = {"do": "bonus", "reason": "Thanks", "amount": "0.25", "submission": "3ASSIGNMENT1"}
    assert said(client.post(here, given, follow=True)) == ["1 given a bonus."]


def test_a_posting_is_stopped_and_one_of_another_study_is_not_found(turk):
    study, client = recruits(open_study(1, 1), "mturk"), researcher()
    posting(study)
    here = at(study, "posting", f"?posting={HIT}")
    turk.add_response("update_expiration_for_hit", {}, {"HITId": HIT, "ExpireAt": 0})
    will_show(turk)
    page = client.post(here, {"stop": "1"}, follow=True)
    assert said(page) == ["It is offered to nobody else. Whoever is at it may finish."]
    other = recruits(open_study(1, 1), "mturk")
    for asked, status in ((HIT, 404), ("", 404), ("\x00", 400), ("x" * 2000, 404), ("x" * 5000, 400)):
        assert client.get(at(other, "posting"), {"posting": asked}).status_code == status


def test_without_an_account_the_page_says_so_and_asks_nobody(settings):
    settings.SITE_URL = "https://studies.example.org"
    study, client = recruits(open_study(1, 1), "mturk"), researcher()
    posting(study)
    assert "There is no account at Mechanical Turk" in text(client.get(at(study, "postings")))
    page = client.get(at(study, "posting", f"?posting={HIT}"), follow=True)
    assert said(page) == [
        "There is no account at Mechanical Turk: set MTURK_KEY_ID and MTURK_SECRET_KEY.",
    ]
    elsewhere = client.get(at(recruits(open_study(1, 1), "prolific"), "postings"), follow=True)
    assert said(elsewhere) == ["This study is not posted from here: choose a recruiter that is."]


def test_simulated_people_come_by_the_open_link_alone():
    study = recruits(open_study(1, 1), "prolific")
    with pytest.raises(StudyError, match="takes in people of Prolific alone: rehearse a copy"):
        simulate(study, participants=1)
    copy = lifecycle.copy_for_rehearsal(recruits(make_study(1, 1), "prolific"))
    assert recruitment.recruiter_of(copy)[0].names_people is False
    with pytest.raises(StudyError, match="is a rehearsal"):
        recruits(copy, "prolific")
