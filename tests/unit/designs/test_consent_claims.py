"""What participants agree to says what is stored of them: every column of a person, and none that stays empty."""

import hashlib
import io
import json
from datetime import timedelta

import lxml.html
import pytest
from django.core.management import CommandError, call_command
from django.urls import reverse

from studies import lifecycle
from studies.designs import consent
from studies.designs.consent_claims import claims
from studies.designs.consent_details import ConsentDetailsForm, clean_details, missing
from studies.lib.errors import StudyError
from studies.models import Arrival, Event, Participant, Study, Tombstone, Trial
from studies.recruitment import arrivals
from studies.simulation import age
from tests.bench import made_up_study
from tests.examples import SESSION
from tests.factories import CONSENT, make_study, open_study
from tests.logged_in_users import researcher, said, text
from tests.participant_client import Visitor
from tests.participant_client import text as participants_text
from tests.recruiters import CODES, comes, from_prolific

pytestmark = pytest.mark.django_db

#: Columns that say nothing of a person: keys of rows and studies, and whether a program answered.
OF_NOBODY = {"id", "study", "participant", "simulated", "taken_over", "taken_over_from"}
ABOUT_PEOPLE = (Participant, Trial, Arrival, Tombstone)
#: What stays empty unless something happens that does not happen to everybody.
SELDOM = {"Participant.screened_out_at", "Participant.excluded_at", "Participant.exclusion_reason"}
SELDOM |= {"Participant.withdrawn_at", "Participant.forgotten_at", "Tombstone.digest"}
SELDOM |= {f"Arrival.{name}" for name in ("state", "started_at", "completed_at", "bonus", "bonus_payment")}
SELDOM |= {"Participant.flags", "Trial.released_at", "Trial.exclusion", "Trial.parts", "Participant.returns_at"}
#: Columns whose usual value is also their empty one: the first of several, or an order or a family that there is not.
FIRST = {"Trial.arrangement", "Trial.visit", "Trial.role", "Trial.family", "Trial.counted"}
FIRST |= {"Participant.rotation", "Participant.arm", "Participant.visit"}


def stored_columns() -> set[str]:
    return {
        f"{model.__name__}.{field.name}"
        for model in ABOUT_PEOPLE
        for field in model._meta.concrete_fields
        if field.name not in OF_NOBODY
    }


def told(study: Study) -> set[str]:
    return {column for claim in claims(study) for column in claim.columns}


def filled() -> set[str]:
    """The columns of people in which any row says something."""
    found = set()
    for model in ABOUT_PEOPLE:
        for field in model._meta.concrete_fields:
            empty = [None, "", [], None if callable(field.default) else field.get_default()]
            if any(value not in empty for value in model.objects.values_list(field.attname, flat=True)):
                found.add(f"{model.__name__}.{field.name}")
    return found & stored_columns()


def everything_on() -> Study:
    design = {**SESSION, "min_answer_ms": 0, "gold_rate": None, "language": "en", "one_per_browser": False}
    design["evidence"] = True
    study = made_up_study("adversarial_trials", design, n_images=24)
    arrivals.choose(study, "prolific", CODES)
    lifecycle.change_texts(study, title=study.title, consent_text="", details=CONSENT)
    return study


def test_every_stored_column_of_a_person_is_told_where_everything_is_on():
    assert told(everything_on()) == stored_columns()


def test_a_column_that_no_claim_tells_would_be_noticed(monkeypatch):
    everything = {*stored_columns(), "Participant.shoe_size"}
    assert everything - told(everything_on()) == {"Participant.shoe_size"}
    monkeypatch.setattr("studies.designs.consent_claims._of", lambda model, *names: ())
    assert told(everything_on()) & {"Trial.away_ms", "Arrival.person"} == set()


SIZES = {"shown_width": "224", "shown_height": "224", "smallest_width": "224", "pixel_ratio": "2", "zoom": "1.5"}
ABOUT_ME = {"question_1": "34", "question_2": "no", "question_3": "nurse"}


def walk(visitor: Visitor) -> None:
    """As far as there is a form to send."""
    for _ in range(200):
        page = visitor.get()
        forms = lxml.html.fromstring(page.content).forms
        if not forms:
            return
        names = {*dict(forms[0].form_values()), *forms[0].fields, *forms[0].xpath(".//button/@name")}
        evidence = json.dumps({"by": "key", "trusted": True, "input": True, "setup": {"width": 800}})
        given = {"answer": "yes", "evidence": evidence, "comments": "none", "translated": "1", **ABOUT_ME, **SIZES}
        visitor.send(**{name: value for name, value in given.items() if name in names})


def test_of_one_person_in_two_visits_all_that_is_told_is_stored_and_nothing_else():
    study = everything_on()
    lifecycle.open_study(study)
    visitor = comes(study, from_prolific())
    visitor.client.defaults["HTTP_USER_AGENT"] = (
        "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"
    )
    walk(visitor)
    person = visitor.participant
    assert person.returns_at
    age(person, timedelta(days=30))
    walk(visitor)
    assert visitor.participant.finished_at
    assert filled() - told(study) == set()
    assert told(study) - filled() <= SELDOM | FIRST


def test_where_everything_is_off_less_is_told_and_nothing_else_is_stored():
    study = open_study(2, 1)
    walk(Visitor(study))
    assert filled() - told(study) == set()
    assert told(study) - filled() <= SELDOM | FIRST
    assert not {"Participant.background", "Participant.comments", "Trial.browser", "Arrival.person"} & told(study)


def test_a_text_is_composed_in_each_language_of_the_pages_and_people_agree_to_the_one_they_read():
    study = open_study(2, 2)
    texts = dict(study.consents.values_list("language", "text"))
    assert set(texts) == {"en", "fr", "de"}
    assert "the authors of these tests, a university" in texts["en"]
    assert "Was gespeichert wird" in texts["de"]
    digests = study.frozen["consent_sha256_by_language"]
    assert digests == {one.language: hashlib.sha256(one.text.encode()).hexdigest() for one in study.consents.all()}
    assert study.frozen["consent_sha256"] == digests["en"]
    visitor = Visitor(study)
    visitor.client.defaults["HTTP_ACCEPT_LANGUAGE"] = "de"
    assert "Was gespeichert wird" in participants_text(visitor.get())
    visitor.send()
    assert visitor.participant.consent.language == "de"
    other = Visitor(study)
    other.send()
    assert other.participant.consent.language == "en"


def test_a_design_with_one_language_has_one_text():
    assert list(open_study(1, 1, language="fr").consents.values_list("language", flat=True)) == ["fr"]


@pytest.mark.parametrize(
    ("design", "said", "unsaid"),
    [
        ({"gold": 2}, "Of some pictures we know the answer", "ends early"),
        ({"gold": 2, "gold_rate": 0.5}, "the study ends early for you", "visits, at least"),
        ({"withdrawal": "remove"}, "then deleted as well", "then stay in the study"),
        ({"withdrawal": "anonymise"}, "then stay in the study", "then deleted as well"),
        ({"one_per_browser": True}, "cookie for half a year", "Of some pictures"),
    ],
)
def test_the_text_follows_the_design(design, said, unsaid):
    composed = consent.composed_text(made_up_study("rectified_labeling", design, n_images=24))
    assert said in composed
    assert unsaid not in composed


def test_the_text_follows_recruiter_and_installation(settings):
    settings.RETENTION_DAYS, settings.RECRUIT_ID_DAYS = 0, 45
    study = everything_on()
    composed = consent.composed_text(study)
    assert "The identifiers of Prolific are deleted 45 days after you last came" in composed
    assert "invite you to your next visit" in composed
    assert "no date is set" in composed
    assert "may have been changed by a computer program" in composed
    settings.RETENTION_DAYS = 90
    assert "90 days after the study closes" in consent.composed_text(study)


# --- what only the researcher knows -----------------------------------------------------------------------------------


def draft(**details) -> Study:
    study = make_study(1, 1)
    lifecycle.change_texts(study, title="T", consent_text="", details=details)
    return study


def test_an_empty_detail_is_told_to_be_empty_and_named():
    study = draft(**{**CONSENT, "contact": ""})
    assert missing(study) == ["contact"]
    assert "Questions: (not stated)" in consent.composed_text(study)
    assert missing(draft(**CONSENT)) == []
    assert missing(draft(**{**CONSENT, "pay": 0, "currency": ""})) == []
    assert missing(draft(**{**CONSENT, "currency": ""})) == ["currency"]
    assert len(missing(draft())) == len(ConsentDetailsForm.base_fields) - 5


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        ([], "the details are a JSON object"),
        ({"contakt": "x"}, "contakt: unknown setting (did you mean contact?)"),
        ({"pay": "much"}, "pay: must be a number, not 'much'"),
        ({"pay": -1}, "pay: Ensure this value is greater than or equal to 0"),
        ({"minutes": True}, "minutes: must be a number"),
        ({"says": "everything"}, "says: must be a list of texts"),
        ({"says": {"about": [1]}}, "says: must be a list of texts"),
        ({"contact": "a\ud800"}, "contact: has half a character in it"),
        ({"risks": ["a", "\udfff"]}, "risks: has half a character in it"),
        ({"contact": "a\0"}, "contact: Null characters are not allowed"),
        ({"pay": float("nan")}, "pay: Enter a number"),
        ({"contact": "x" * 501}, "contact: Ensure this value has at most 500 characters"),
    ],
)
def test_details_that_cannot_be_are_refused_in_one_line(data, problem):
    with pytest.raises(StudyError) as error:
        clean_details(data)
    assert problem in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("address", "others"),
    [
        ("http://127.0.0.1:8000", False),
        ("http://localhost:8000", False),
        ("http://[::1]:8000", False),
        ("https://studies.example.org", False),
        ("https://quorum.test", False),
        ("http://192.168.0.7:8000", True),
        ("http://server:8000", True),
        ("https://studies.university.edu", True),
        ("https://notexample.org", True),
    ],
)
def test_a_study_without_details_opens_only_where_nobody_else_can_come(settings, address, others):
    settings.SITE_URL = address
    study, told_study = draft(), make_study(1, 1)
    if others:
        with pytest.raises(StudyError, match="is not opened to other people: its consent text has nothing for: resea"):
            lifecycle.open_study(study)
        lifecycle.open_study(study, untold_anyway=True)
    else:
        lifecycle.open_study(study)
    assert "has nothing for" in Event.objects.get(study=study, what="opened").details["untold"]
    lifecycle.open_study(told_study)
    assert "untold" not in Event.objects.get(study=told_study, what="opened").details


def test_where_a_recruiter_names_people_details_are_asked_for_at_every_address():
    study = draft()
    arrivals.choose(study, "prolific", CODES)
    with pytest.raises(StudyError, match="not opened to other people"):
        lifecycle.open_study(study)


def test_a_text_of_ones_own_is_ticked_claim_by_claim(settings):
    settings.SITE_URL = "https://studies.university.edu"
    study = make_study(1, 1, record_display=True)
    lifecycle.change_texts(study, title="T", consent_text="We keep your answers.")
    assert {one.claim.key for one in consent.listed(study) if one.said} == {"display"}
    with pytest.raises(StudyError, match="its own consent text is not ticked to say: about, voluntary"):
        lifecycle.open_study(study)
    says = [one.claim.key for one in consent.listed(study)]
    details = {**CONSENT, "says": says[:-1]}
    lifecycle.change_texts(study, title="T", consent_text="We keep your answers.", details=details)
    with pytest.raises(StudyError, match=f"not ticked to say: {says[-1]}$"):
        lifecycle.open_study(study)
    lifecycle.change_texts(study, title="T", consent_text="We keep it.", details={**CONSENT, "says": says})
    lifecycle.open_study(study)
    (frozen,) = study.consents.all()
    assert frozen.text.startswith("We keep it.\n\nStored with each answer, too")


def test_a_tick_holds_for_what_the_claim_said_and_not_for_what_it_says_of_another_design(settings):
    study = make_study(1, 1)
    says = [one.claim.key for one in consent.listed(study)]
    lifecycle.change_texts(study, title="T", consent_text="Our words.", details={**CONSENT, "says": says})
    assert consent.untold(study) == ""
    copy = lifecycle.duplicate_study(study, slug="copy")
    assert consent.untold(copy) == ""
    lifecycle.change_design(copy, {**copy.design, "withdrawal": "remove"})
    assert consent.untold(copy) == "its own consent text is not ticked to say: withdrawn_answers"
    settings.RETENTION_DAYS = 30
    assert consent.untold(study) == "its own consent text is not ticked to say: retention"


# --- commands and pages -----------------------------------------------------------------------------------------------


def command(name: str, *args) -> tuple[str, str]:
    out, err = io.StringIO(), io.StringIO()
    call_command(name, *args, stdout=out, stderr=err)
    return out.getvalue(), err.getvalue()


def test_a_script_from_before_there_were_details_opens_its_study_with_one_line_of_warning():
    study = draft()
    out, err = command("open_study", study.slug)
    assert "is open: http" in out
    (line,) = [line for line in err.splitlines() if line]
    assert line.startswith("WARNING  its consent text has nothing for: researchers, institution")


def test_to_other_people_the_command_opens_it_only_when_told_to(settings):
    settings.SITE_URL = "https://studies.university.edu"
    study = draft()
    with pytest.raises(CommandError, match="--without-consent-details opens it all the same"):
        command("open_study", study.slug)
    assert Study.objects.get(pk=study.pk).state == "ready"
    out, _err = command("open_study", study.slug, "--without-consent-details")
    assert "is open" in out


def test_the_text_is_printed_and_its_details_filled_in_by_command(tmp_path):
    study = draft()
    printed, warned = command("consent_text", study.slug, "--language", "de")
    assert "Was gespeichert wird" in printed
    assert warned.startswith("WARNING")
    template = json.loads(command("consent_text", study.slug, "--details")[0])
    assert set(template) == set(ConsentDetailsForm.base_fields)
    file = tmp_path / "details.json"
    file.write_text(json.dumps({**template, **CONSENT}))
    printed, warned = command("consent_text", study.slug, "--set", file)
    assert ("Complaints: board@example.org" in printed, warned) == (True, "")
    own = tmp_path / "own.txt"
    own.write_text("In our own words.\n")
    assert command("consent_text", study.slug, "--own", own)[0] == "In our own words.\n"
    assert "What is stored" in command("consent_text", study.slug, "--composed")[0]
    own.write_text(" \n")
    for wrong in (("--own", own), ("--own", tmp_path / "none"), ("--own", own, "--composed")):
        with pytest.raises(CommandError):
            command("consent_text", study.slug, *wrong)
    lifecycle.open_study(study)
    with pytest.raises(CommandError, match="its texts can no longer be changed"):
        command("consent_text", study.slug, "--set", file)


def test_create_study_takes_the_details_from_a_file(tmp_path):
    made = make_study(1, 1)
    for name, content in (("design", {"classifier": made.design["classifier"]}), ("consent", CONSENT)):
        (tmp_path / name).write_text(json.dumps(content))
    options = ("--protocol", "rectified_labeling", "--design", tmp_path / "design")
    command("create_study", "with-details", *options, "--consent", tmp_path / "consent")
    command("create_study", "without", *options)
    assert missing(Study.objects.get(slug="with-details")) == []
    assert len(missing(Study.objects.get(slug="without"))) > 5


def test_the_page_fills_in_details_shows_every_language_and_ticks_claims():
    study, client = draft(), researcher()
    at = reverse("admin:studies_study_consent", args=[study.pk])
    page = client.get(at)
    assert "has nothing for: researchers" in text(page)
    assert "Was gespeichert wird" in text(page)
    fields = {name: str(value) for name, value in CONSENT.items()}
    client.post(at, {**fields, "consent_text": "Our words.", "says": ["about", "voluntary", "nonsense"]})
    study.refresh_from_db()
    assert (study.consent_text, set(study.consent_details["says"])) == ("Our words.", {"about", "voluntary"})
    assert study.consent_details["minutes"] == 10
    assert "not ticked to say: adults" in text(client.get(at))
    assert "greater than or equal to 0" in text(client.post(at, {**fields, "pay": "-2"}))
    client.post(at, fields)
    lifecycle.open_study(study := Study.objects.get(pk=study.pk))
    page = text(client.get(at))
    assert "Frozen, SHA-256" in page
    assert "Details that only you know" not in page
    (refusal,) = said(client.post(at, fields, follow=True))
    assert "can no longer be changed" in refusal


def test_headings_of_a_text_are_headings_and_markup_is_not():
    study = make_study(1, 1)
    words = "# Purpose\nWe <b>ask</b>.\n\nSecond."
    lifecycle.change_texts(study, title="T", consent_text=words)
    lifecycle.open_study(study)
    page = lxml.html.fromstring(Visitor(study).get().content)
    assert page.xpath("//h2/text()") == ["Purpose"]
    assert "We <b>ask</b>." in page.text_content()
