"""Recruiting at the desk: choosing, what to paste, and who is due; each in the log."""

from datetime import timedelta

import lxml.html
import pytest
from django.urls import reverse

from studies import lifecycle
from studies.admin.study.recruitment import IN_CONSENT
from studies.lib.errors import StudyError
from studies.models import Event, Study
from studies.recruitment import arrivals
from studies.simulation import age, simulate
from tests.bench import made_up_study
from tests.factories import make_study, open_study
from tests.logged_in_users import researcher, said, staff, text
from tests.recruiters import CODES, comes, from_prolific, recruits

pytestmark = pytest.mark.django_db


def at(study: Study, name: str = "recruiting", query: str = "") -> str:
    return reverse(f"admin:studies_study_{name}", args=[study.pk]) + query


def test_a_recruiter_is_chosen_and_its_page_says_what_to_paste_there(settings):
    settings.SITE_URL = "https://studies.example.org"
    study, client = make_study(1, 1), researcher()
    assert "Give people this link." in text(client.get(at(study)))
    page = client.post(at(study), {"recruiter": "prolific", **CODES}, follow=True)
    assert said(page) == ["People come by this from now on: Prolific.", IN_CONSENT]
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


def test_where_people_may_have_agreed_to_a_text_without_it_no_recruiter_that_names_them_is_chosen():
    for key in ("prolific", "framing"):
        page = researcher().post(at(opened := open_study(1, 1)), {"recruiter": key, "place": "sandbox", **CODES})
        assert "choose it for a copy of this study, before that opens" in text(page)
        assert not hasattr(Study.objects.get(pk=opened.pk), "recruitment")


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        ({"recruiter": "prolific", "completed": ""}, "This field is required."),
        ({"recruiter": "prolific", "completed": "A B"}, "A code has letters and digits alone"),
        ({"recruiter": "prolific", "completed": "X1", "no_consent": "X1"}, "Each outcome needs a code of its own"),
        ({"recruiter": "framing", "place": "moon"}, "Select a valid choice."),
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


def test_simulated_people_come_by_the_open_link_alone():
    study = recruits(open_study(1, 1), "prolific")
    with pytest.raises(StudyError, match="takes in people of Prolific alone: rehearse a copy"):
        simulate(study, participants=1)
    copy = lifecycle.copy_for_rehearsal(recruits(make_study(1, 1), "prolific"))
    assert arrivals.recruiter_of(copy)[0].names_people is False
    with pytest.raises(StudyError, match="is a rehearsal"):
        recruits(copy, "prolific")
