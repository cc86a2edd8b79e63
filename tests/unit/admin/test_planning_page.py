"""Planning, amending, and what the results page says of both."""

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import CommandError, call_command

from studies import lifecycle
from studies.designs.amendments import amend_study
from studies.models import Amendment
from studies.planning.power import of_design
from studies.results import interim_looks
from tests.bench import made_up_study
from tests.factories import answered_study, make_study
from tests.logged_in_users import researcher, staff, text

pytestmark = pytest.mark.django_db

PLAN = "/admin/studies/study/plan/"
SMALL = {"stimuli": "60", "participants": "20 60", "answers": "5", "measure": "accepted", "replicates": "20"}


def at(study, what: str) -> str:
    return f"/admin/studies/study/{study.pk}/{what}/"


def cells(page) -> list[list[str]]:
    return [[cell["text"] for cell in row] for row in page.context["table"]["rows"]]


def shares(row: list[str], place: int) -> float:
    return float(row[place].rstrip("%"))


# --- planning ---------------------------------------------------------------------------------------------------------


def test_a_plan_is_a_table_and_a_heat_map_with_its_numbers():
    page = researcher().post(PLAN, SMALL | {"pay": "0.1", "seconds": "6"})
    few, many = cells(page)
    assert few[:4] == ["60", "20", "5", "300"]
    assert shares(many, 4) < shares(few, 4)
    assert few[6:9] == ["30.00", "0.5", "12"]
    (figure,) = page.context["figures"]
    assert "<svg" in figure["svg"]
    assert [[cell["text"] for cell in row][:2] for row in figure["table"]["rows"]] == [["20", "60"], ["60", "60"]]
    assert "Cap: the most answers one person should give" in text(page)


def test_two_conditions_have_power_and_a_second_map():
    page = researcher().post(PLAN, SMALL | {"conditions": "2", "effect": "2.5", "replicates": "40"})
    assert [figure["title"].split(",")[0] for figure in page.context["figures"]] == [
        "Width of the 95% interval",
        "Power at 5%",
    ]
    assert all(shares(row, 6) > 80 for row in cells(page))


def test_shares_of_answers_are_planned_by_their_own_interval():
    widths = [
        shares(cells(researcher().post(PLAN, SMALL | {"measure": measure}))[1], 4) for measure in ("accepted", "share")
    ]
    assert widths[0] != widths[1]


def test_the_form_is_filled_in_from_a_design():
    study = make_study(30, 7, threshold=6)
    form = researcher().get(PLAN, {"study": study.pk}).context["form"]
    assert [form[name].value() for name in ("stimuli", "answers", "threshold")] == ["30", "7", 6]
    adversarial = made_up_study("adversarial_trials", {"meeting": "separate_groups"})
    known = of_design(adversarial)
    assert (known["conditions"], known["separate_groups"], known["measure"]) == (2, True, "accepted")
    assert known["stimuli"] * 2 == adversarial.stimuli.count()
    assert of_design(made_up_study("class_assignment"))["measure"] == "share"


def test_a_pilot_takes_the_place_of_assumptions():
    rows = [f"p{(s + i) % 12},s{s},{'yes' if i < s % 6 else 'no'}" for s in range(24) for i in range(5)]
    pilot = SimpleUploadedFile("pilot.csv", "\n".join(["participant,stimulus,answer", *rows]).encode())
    page = researcher().post(PLAN, SMALL | {"pilot": pilot})
    assert "From the pilot: mean" in text(page)
    study = answered_study(40, 5, 20)
    page = researcher().post(PLAN, SMALL | {"pilot_study": study.pk})
    assert "From the pilot: mean" in text(page)
    assert len(cells(page)) == 2


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"stimuli": "many"}, "Give whole numbers"),
        ({"stimuli": "0"}, "Give numbers from 1 to"),
        ({"stimuli": " ".join(map(str, range(1, 60)))}, "combinations are too many"),
        ({"stimuli": "1000000"}, "too long for a page"),
        ({"threshold": "9"}, "The threshold must lie between 1 and the panel of 5"),
        ({"stimulus_sd": "-1"}, "greater than or equal to 0"),
        ({"pilot": SimpleUploadedFile("p.csv", b"participant,stimulus,answer\na,b,maybe\n")}, "line 2"),
        ({"pilot": SimpleUploadedFile("p.csv", b"participant,stimulus,answer\na,b,yes\n")}, "needs yes and no answers"),
    ],
)
def test_a_plan_that_makes_no_sense_says_what_is_wrong(wrong, said):
    page = researcher().post(PLAN, SMALL | wrong)
    assert page.status_code == 200
    assert said in text(page)
    assert "table" not in page.context


def test_too_few_people_for_a_panel_are_named_in_their_row():
    rows = cells(researcher().post(PLAN, SMALL | {"participants": "3"}))
    assert rows[0][-1] == "3 participants cannot fill panels of 5"


def test_planning_needs_the_permission_to_see_studies():
    assert staff("view_study").get(PLAN).status_code == 200
    assert staff("view_classifier").get(PLAN).status_code == 403


def test_the_command_takes_a_design_too(tmp_path, capsys):
    study = make_study(30, 7, threshold=6)
    call_command("plan_study", study=study.slug, participants=[20], replicates=5)
    assert capsys.readouterr().out.splitlines()[1].split()[:4] == ["30", "20", "7", "210"]
    with pytest.raises(CommandError, match="there is no study called nobody"):
        call_command("plan_study", study="nobody", participants=[20])
    with pytest.raises(CommandError, match="--stimuli is needed"):
        call_command("plan_study", participants=[20])


# --- amending ---------------------------------------------------------------------------------------------------------


def test_an_amendment_is_added_and_shown_beside_what_was_registered():
    study, client = answered_study(), researcher()
    page = client.get(at(study, "amend"))
    assert page.context["form"]["threshold"].value() == 4
    page = client.post(
        at(study, "amend"), {"reason": "Too strict.", "threshold": "2", "unequal_panels": "drop"}, follow=True
    )
    amendment = study.amendments.get()
    assert (amendment.changes, amendment.made_by.is_superuser) == ({"threshold": 2}, True)
    words = text(page)
    assert "Registered analysis" in words
    assert study.design_sha256 in words
    assert "Amendment 1: threshold 2 exploratory At least 2 of 5 people accept" in words
    assert "Too strict." in words
    assert words.index("At least 4 of 5") < words.index("At least 2 of 5")


@pytest.mark.parametrize("data", [{"reason": "", "threshold": "2"}, {"reason": "why", "threshold": "9"}])
def test_a_wrong_amendment_stores_nothing(data):
    study = answered_study()
    page = researcher().post(at(study, "amend"), data | {"unequal_panels": "drop"})
    assert "correct the errors below" in text(page) or "Must not be above" in text(page)
    assert not Amendment.objects.exists()


def test_only_who_may_change_a_study_amends_it():
    study = answered_study()
    assert staff("view_study", sees=study).post(at(study, "amend"), {"reason": "why"}).status_code == 403
    assert "Amend …" not in text(staff("view_study", sees=study).get(at(study, "results")))
    assert not Amendment.objects.exists()


def test_a_study_that_is_not_open_yet_is_not_amended():
    study = make_study()
    page = researcher().post(at(study, "amend"), {"reason": "why"}, follow=True)
    assert "change its design instead" in page.content.decode()


# --- the results page -------------------------------------------------------------------------------------------------


def test_looks_and_words_alone_are_on_the_results_page():
    study = answered_study(close=False)
    interim_looks.record_interim_look(study, "analyse")
    amend_study(study, reason="We advertise elsewhere too.")
    lifecycle.close_study(study)
    words = text(researcher().get(at(study, "results")))
    assert "Interim looks" in words
    assert "analyse 60 15" in words
    assert "We advertise elsewhere too." in words
    assert "no setting 60 answers; outcomes" in words


def test_an_open_study_shows_times_and_flow_and_no_outcome():
    study = answered_study(close=False)
    page = researcher().get(at(study, "results"))
    titles = [table["title"] for table in page.context["tables"]]
    assert titles == ["Response times in seconds", "What became of the answers"]
    assert [figure["title"] for figure in page.context["figures"]] == ["Response times"]
    assert "Registered analysis" in text(page)
    assert study.looks.count() == 0


def test_a_warning_stands_beside_the_headline(monkeypatch):
    from dataclasses import replace

    from studies import protocols

    study = answered_study()
    protocol = protocols.get(study.protocol)
    summary = protocol.summary
    monkeypatch.setattr(protocol, "summary", lambda *args: replace(summary(*args), warnings=["Signs are opposite."]))
    assert "Note. Signs are opposite." in text(researcher().get(at(study, "results")))
