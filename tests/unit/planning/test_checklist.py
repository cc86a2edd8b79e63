"""Before strangers take part: each point that can be computed is, and the ethics board is handed all of it."""

import io

import pytest
from django.core.management import CommandError, call_command
from django.urls import reverse

from studies import lifecycle
from studies.models import Study
from studies.planning.board import for_the_board
from studies.planning.checklist import checklist
from studies.recruitment import arrivals
from tests.bench import made_up_study
from tests.factories import CONSENT, make_study
from tests.logged_in_users import researcher, text

pytestmark = pytest.mark.django_db


def points(study: Study) -> dict[str, tuple[str, str]]:
    return {point.key: (point.state, point.says) for point in checklist(study)}


def with_details(study: Study, **details) -> Study:
    lifecycle.change_texts(study, title=study.title, consent_text=study.consent_text, details={**CONSENT, **details})
    study.refresh_from_db()
    return study


@pytest.mark.parametrize(
    ("details", "state", "says"),
    [
        ({"pay": 1.5, "minutes": 10}, "ok", "about 9.00 EUR, at 10 minutes"),
        ({"pay": 1.4, "minutes": 10}, "warn", "about 8.40 EUR, at 10 minutes a person. The floor here is 9"),
        # Of three pictures reading alone is counted, and the longer of both times.
        ({"pay": 0.1, "minutes": 0.5}, "warn", "1.85 EUR, at 3 minutes"),
        ({"pay": 0}, "ask", "are not paid"),
        ({"pay": None}, "warn", "cannot be computed"),
    ],
)
def test_pay_per_hour_is_computed_with_practice_and_reading_and_held_to_a_floor(details, state, says):
    found = points(with_details(make_study(3, 5), **details))["pay"]
    assert found[0] == state
    assert says in found[1]


def test_practice_gold_and_second_visits_are_paid_time(settings):
    plain = points(with_details(make_study(30, 5), minutes=1))["minutes"]
    more = points(with_details(make_study(30, 5, practice=20, gold=100), minutes=1))["minutes"]
    assert plain[0] == more[0] == "warn"
    assert float(more[1].split("about ")[1].split(",")[0]) > float(plain[1].split("about ")[1].split(",")[0])


def test_fees_come_on_top():
    assert points(with_details(make_study(3, 5)))["fees"][0] == "ask"
    state, says = points(with_details(make_study(3, 5), fee_percent=50))["fees"]
    assert (state, "11.25 EUR for 5 people" in says) == ("ok", True)


@pytest.mark.parametrize(
    ("design", "key", "state"),
    [
        ({"gold": 2, "gold_rate": 0.5}, "gold", "ask"),
        ({"gold": 2}, "gold", "ok"),
        ({}, "gold", "ask"),
        ({"questions": "How old are you? | number"}, "questions", "ask"),
        ({}, "language", "ask"),
    ],
)
def test_points_follow_the_design(design, key, state):
    assert points(make_study(3, 5, **design))[key][0] == state


def test_points_follow_installation_recruiter_and_texts(settings):
    settings.RETENTION_DAYS, settings.SITE_URL = 0, "http://192.168.0.7:8000"
    study = made_up_study("rectified_labeling", {"gold": 2, "gold_rate": 0.5}, n_images=24)
    found = points(study)
    assert {key for key in ("retention", "https", "told") if found[key][0] == "warn"} == {"retention", "https", "told"}
    assert "screened" not in found
    arrivals.choose(study, "prolific", {"completed": "CDONE1"})
    assert points(study)["screened"] == (
        "warn",
        "People who are screened out have no completion code at Prolific, and are not paid.",
    )
    arrivals.choose(study, "prolific", {"completed": "CDONE1", "screened_out": "CSCREEN3"})
    assert "screened" not in points(study)
    lifecycle.change_texts(study, title="A title", consent_text="Our own words.")
    study.refresh_from_db()
    assert points(study)["language"][0] == "warn"
    assert "altered" in points(made_up_study("adversarial_trials", n_images=24))


def test_what_is_wrong_comes_first():
    states = [point.state for point in checklist(make_study(3, 5))]
    assert states == sorted(states, key=["warn", "ask", "ok"].index)


def test_the_board_is_handed_text_debriefing_questions_design_and_checklist(tmp_path):
    study = with_details(make_study(3, 5, gold=2, questions="Do you wear | yes | no", debrief="Thanks for that."))
    handed = for_the_board(study)
    for said in (
        "## Consent text (de)",
        "board@example.org",
        "Thanks for that.",
        "Of some pictures we knew",
        "| `gold` | 2 |",
    ):
        assert said in handed
    assert "- Do you wear | yes | no" in handed
    file, out = tmp_path / "board.md", io.StringIO()
    call_command("checklist", study.slug, "--board", file, stdout=out)
    assert file.read_text(encoding="utf-8") == handed
    with pytest.raises(CommandError, match="File exists"):
        call_command("checklist", study.slug, "--board", file, stdout=out)
    call_command("checklist", study.slug, stdout=out)
    assert "The consent text is complete." in out.getvalue()


def test_the_checklist_stands_on_its_page_and_before_opening():
    study, client = make_study(3, 5), researcher()
    for name in ("checklist", "open"):
        page = text(client.get(reverse(f"admin:studies_study_{name}", args=[study.pk])))
        assert "Pay per hour is about 9.00 EUR" in page
    file = client.get(reverse("admin:studies_study_board", args=[study.pk]))
    assert file.headers["Content-Disposition"] == f'attachment; filename="{study.slug}-for-the-board.md"'
    assert file.content.decode() == for_the_board(study)
