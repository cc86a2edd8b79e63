"""Previewing: every page of a participant, with real stimuli, and nothing stored."""

import re
from itertools import pairwise

import lxml.html
import pytest
from django.urls import reverse

from studies import lifecycle, participation, protocols
from studies.models import Participant, Study, Trial
from studies.participation import current_consent, enrol
from tests.bench import made_up_study
from tests.factories import make_study
from tests.logged_in_users import researcher, said, staff
from tests.permission_matrix import stored

pytestmark = pytest.mark.django_db

#: With everything a session can have.
SESSION = {
    "questions": "How old are you? | number\nDo you wear glasses? | yes | no",
    "example": True,
    "practice": 1,
    "gold": 2,
    "gold_rate": 0.5,
    "comments": True,
    "debrief": "We wanted to know what people see.",
    "completion_url": "https://recruiter.example/done?code={code}&outcome={outcome}",
    "trials_per_participant": 3,
}
ALWAYS = ["consent", "questions", "instructions", "practice", "as-expected", "otherwise"]


def address(study: Study) -> str:
    return reverse("admin:studies_study_preview", args=[study.pk])


def links(response) -> list[str]:
    return [a.get("href") for a in lxml.html.fromstring(response.content).xpath("//aside//li/a")]


def keys(response) -> list[str]:
    return [link.partition("?at=")[2] for link in links(response)]


def full(key: str) -> Study:
    return made_up_study(key, SESSION, n_images=240)


def plain(html: str) -> str:
    """A page without the bar, and without what is signed or drawn anew each time it is asked for."""
    html = re.sub(r'\n<link rel="stylesheet" href="[^"]*preview\.css">', "", html)
    html = re.sub(r'<aside class="preview".*?</aside>\n', "", html, flags=re.DOTALL)
    html = re.sub(r'(name="(?:trial|join)" value)="[^"]*"', r'\1=""', html)
    # Below a person's page links lead to where they withdraw and to what they agreed to, and below a preview nowhere.
    html = re.sub(r"<footer>.*?</footer>", lambda footer: re.sub(r' href="[^"]*"', "", footer[0]), html)
    html = re.sub(r'href="/s/[^"]*/withdraw/"', "", html)
    # Behind a previewed trial nothing is kept ready.
    html = re.sub(r'data-ahead="[^"]*"', "", html)
    return re.sub(r'data-(study|own-page)="[^"]*"', "", html)


@pytest.mark.parametrize("key", protocols.available())
def test_every_page_is_there_and_looking_at_all_of_them_changes_no_row(key):
    study, client = full(key), researcher()
    first = client.get(address(study))
    before = stored()
    conditions = study.conditions.count()
    found = keys(first)
    assert found[: len(ALWAYS)] == ALWAYS
    assert sum(one.startswith("stimulus-") for one in found) == conditions
    arms = protocols.get(key).arms(study.design)
    assert ("come-back" in found) is bool(arms and arms.visits > 1)
    assert found[-3:] == ["comments", "thanks", "screened-out"]
    for link in links(first):
        shown = client.get(link)
        assert shown.status_code == 200
        assert "Nothing is stored" in shown.content.decode()
        assert client.post(link, {"answer": "yes", "comments": "mine"}).status_code == 303
    assert stored() == before
    assert not Participant.objects.exists()
    assert not Trial.objects.exists()


def test_forms_lead_from_each_page_to_the_next():
    study, client = full("adversarial_trials"), researcher()
    found = links(client.get(address(study)))
    for here, there in pairwise(found):
        assert client.post(here).headers["Location"] == there


def test_the_script_of_a_page_is_given_nothing_to_put_in_its_place():
    study, client = full("rectified_labeling"), researcher()
    response = client.post(address(study), headers={"X-Quorum-Page": "next"})
    page = response.content.decode()
    assert response.status_code == 409
    assert 'content="Quorum"' in page
    assert "<main" not in page


def test_a_previewed_page_is_the_real_one_but_for_the_bar():
    study, client = full("rectified_labeling"), researcher()
    lifecycle.open_study(study)
    seen = {one: client.get(f"{address(study)}?at={one}").content.decode() for one in ALWAYS[:3]}
    real = {"consent": client.get(reverse("studies:join", args=[study.link])).content.decode()}
    person, token = enrol(study, consent=current_consent(study))
    at = reverse("studies:take", args=[token])
    real["questions"] = client.get(at).content.decode()
    participation.tell_background(person, {})
    real["instructions"] = client.get(at).content.decode()
    participation.start(person)
    practice = participation.current_trial(person)
    real["practice"] = client.get(at).content.decode()
    seen["practice"] = client.get(f"{address(study)}?at=practice").content.decode()
    expected = practice.stimulus.truth["expected"]
    participation.answer(person, practice.pk, expected)
    real["as-expected"] = client.get(at).content.decode()
    seen["as-expected"] = client.get(f"{address(study)}?at=as-expected").content.decode()
    participation.leave_feedback(person, practice.pk)
    while (trial := participation.current_trial(person)).role != "main":
        participation.answer(person, trial.pk, trial.stimulus.truth["expected"])
    number, answered = trial.stimulus.number, participation.progress(person)[0]
    real["trial"] = client.get(at).content.decode()
    seen["trial"] = client.get(f"{address(study)}?number={number}").content.decode()
    # It stands at the first of the trials.
    real["trial"] = real["trial"].replace(f"{answered + 1} of ", "1 of ").replace(f'value="{answered}"', 'value="0"')
    assert {name: plain(page) for name, page in real.items()} == {name: plain(page) for name, page in seen.items()}
    assert "Preview" not in "".join(real.values())


def test_the_rest_of_a_session_is_the_real_one_but_for_the_bar():
    study, client = full("rectified_labeling"), researcher()
    lifecycle.open_study(study)
    person, token = enrol(study, consent=current_consent(study))
    participation.start(person)
    practice = participation.current_trial(person)
    participation.answer(person, practice.pk, practice.stimulus.truth["expected"])
    participation.leave_feedback(person, practice.pk)
    while trial := participation.current_trial(person):
        participation.answer(person, trial.pk, trial.stimulus.truth.get("expected", "yes"))
    at = reverse("studies:take", args=[token])
    comments = client.get(at).content.decode()
    participation.comment(person, "")
    thanks = client.get(at).content.decode().replace(Participant.objects.get().completion_code, "PREVIEW")
    assert plain(comments) == plain(client.get(f"{address(study)}?at=comments").content.decode())
    assert plain(thanks) == plain(client.get(f"{address(study)}?at=thanks").content.decode())
    out = client.get(f"{address(study)}?at=screened-out").content.decode()
    assert "outcome=screened_out" in out
    assert "The study ends here for you" in out


def test_the_bar_tells_of_the_page_and_leads_back():
    study = make_study(2)
    page = lxml.html.fromstring(researcher().get(address(study)).content)
    bar = page.xpath("//aside")[0]
    assert "1 of" in bar.text_content()
    assert reverse("admin:studies_study_change", args=[study.pk]) in [a.get("href") for a in bar.xpath(".//nav/a")]


def test_what_is_not_prepared_is_not_previewed():
    study = make_study(2)
    Study.objects.filter(pk=study.pk).update(state=Study.State.DRAFT)
    (line,) = said(researcher().get(address(study), follow=True))
    assert "prepare it first" in line


@pytest.mark.parametrize("number", ["", "0", "99999999999999999999", "-1", "½", "x"])
def test_a_stimulus_that_is_not_there_is_the_first_page(number):
    response = researcher().get(address(make_study(2)), {"number": number})
    assert response.status_code == 200
    assert "Would you like to take part?" in response.content.decode()


def test_nobody_previews_a_study_they_do_not_see():
    study = make_study(2)
    assert staff("view_study").get(address(study)).status_code == 404
    assert staff("view_study", sees=study).get(address(study)).status_code == 200
