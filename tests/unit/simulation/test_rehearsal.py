"""A rehearsal finds what was planted, on a copy that is never taken for the study."""

import json
import re
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from studies import lifecycle
from studies.export import export
from studies.lib.errors import StudyError
from studies.models import Study
from studies.results.analysis_json import analyse
from studies.simulation import Population, Recovered, Rehearsal, SimulationOutcome, Spread, rehearse
from studies.simulation.rehearsal import expected
from tests.bench import made_up_study
from tests.factories import make_study
from tests.logged_in_users import researcher

DESIGN = {"answers_per_stimulus": 5, "threshold": 4, "trials_per_participant": 6, "gold": 1, "comments": True}


def rates_file(study: Study, path: Path) -> dict[tuple[str, str, str], float]:
    """Half of the stimuli are relevant to nearly everybody, the others to few."""
    lines, rates = ["image,label,rate"], {}
    for number, stimulus in enumerate(study.stimuli.main()):
        rate = 0.95 if number % 2 else 0.2
        image, label = stimulus.truth["image"], stimulus.truth["label"]
        lines.append(f"{image},{label},{rate}")
        rates[image, label, ""] = rate
    path.write_text("\n".join(lines) + "\n")
    return rates


def test_planted_effects_are_recovered_within_the_interval(live_server, transactional_db, tmp_path):
    study = made_up_study("rectified_labeling", DESIGN, n_images=60)
    rates = rates_file(study, tmp_path / "rates.csv")
    rehearsal = rehearse(study, participants=40, seed=1, rates=rates, url=live_server.url)
    assert rehearsal.outcome.wanted == 0
    found = {one.name: one for one in rehearsal.measures}
    assert found.keys() == {"accepted share", "rectified error"}
    # Half of the panels of 95% yes and hardly any of 20%: 0.98 / 2.
    assert found["accepted share"].planted == pytest.approx(0.49, abs=0.02)
    assert all(one.inside for one in rehearsal.measures), rehearsal.measures


def test_another_effect_than_the_planted_one_is_outside(live_server, transactional_db, tmp_path):
    """A negative control: people who do not look recover what is planted by not looking, not what others would."""
    study = made_up_study("rectified_labeling", DESIGN, n_images=60)
    rates = dict.fromkeys(rates_file(study, tmp_path / "rates.csv"), 0.97)
    careless = Population(careless=Spread(1))
    rehearsal = rehearse(study, participants=40, rates=rates, population=careless, url=live_server.url)
    attentive = expected(rehearsal.study, rates, Population(), people=20, seed=0)
    for one in rehearsal.measures:
        assert one.inside
        assert not one.low <= attentive[one.name] <= one.high


@pytest.mark.django_db
def test_a_rehearsal_is_a_copy_with_a_name_of_its_own():
    study = make_study(4, 2)
    first, second = lifecycle.copy_for_rehearsal(study), lifecycle.copy_for_rehearsal(study)
    assert [copy.slug for copy in (first, second)] == [f"{study.slug}-rehearsal-1", f"{study.slug}-rehearsal-2"]
    assert first.rehearsal_of == study
    assert (first.design, first.preparation, first.state) == (study.design, study.preparation, Study.State.READY)
    columns = ("condition__key", "role", "number", "digest", "family", "shown", "truth")
    assert list(first.stimuli.values_list(*columns)) == list(study.stimuli.values_list(*columns))
    assert first.link != study.link
    study.refresh_from_db()
    assert (study.state, study.participants.count()) == (Study.State.READY, 0)


@pytest.mark.django_db
def test_only_what_is_prepared_and_no_rehearsal_can_be_rehearsed():
    study = make_study()
    copy = lifecycle.copy_for_rehearsal(study)
    with pytest.raises(StudyError, match="is a rehearsal itself"):
        lifecycle.copy_for_rehearsal(copy)
    Study.objects.filter(pk=study.pk).update(state=Study.State.DRAFT)
    with pytest.raises(StudyError, match="prepare it first"):
        lifecycle.copy_for_rehearsal(Study.objects.get(pk=study.pk))


@pytest.mark.django_db
def test_what_cannot_be_simulated_leaves_no_copy():
    study = make_study()
    with pytest.raises(CommandError, match="no right answers"):
        call_command("rehearse", study.slug, participants=3, skill=Spread(0.5))
    assert not study.rehearsals.exists()


def test_a_rehearsal_says_that_it_is_one_wherever_it_is_read(live_server, transactional_db, tmp_path, capsys):
    study = make_study(4, 2)
    call_command("rehearse", study.slug, participants=6, url=live_server.url)
    said = capsys.readouterr().out
    assert f"{study.slug}-rehearsal-1: " in said
    assert "planted" in said
    assert re.search(r"\n(\d of \d intervals hold what was planted|Nothing can be compared: ).*\.\n$", said)
    copy = study.rehearsals.get()
    assert copy.state == Study.State.CLOSED
    assert set(copy.participants.values_list("simulated", flat=True)) == {True}
    line = f"This is a rehearsal of {study.slug}: the participants were simulated."
    _, content = analyse(copy, None)
    assert (content["rehearsal_of"], content["warnings"][0]) == (study.slug, line)
    call_command("analyse", copy.slug)
    assert line in capsys.readouterr().out
    export.write(copy, tmp_path / "out")
    assert line in (tmp_path / "out" / "README.md").read_text()
    assert line in json.loads((tmp_path / "out" / "dataset_description.json").read_text())["description"]
    client = researcher()
    page = client.get("/admin/studies/study/").content.decode()
    assert f"rehearsal of {study.slug}" in page
    page = client.get("/admin/studies/study/?rehearsal=no").content.decode()
    assert f"rehearsal of {study.slug}" not in page
    # The study itself has nothing of it.
    assert study.trials.count() == study.participants.count() == 0


INSIDE, OUTSIDE = Recovered("right", 0.5, 0.5, 0.4, 0.6), Recovered("left", 0.5, 0.7, 0.6, 0.8)


@pytest.mark.parametrize(
    ("answers", "measures", "verdict"),
    [
        (9, [INSIDE, INSIDE], "2 of 2 intervals hold what was planted."),
        (9, [INSIDE, OUTSIDE], "1 of 2 intervals hold what was planted; not left."),
        (9, [Recovered("right", 0.5, None, None, None)], "Nothing can be compared: no measure has an interval yet."),
        (9, [], "Nothing was compared: rectified_labeling names no measures for a rehearsal."),
        (0, [], "Nothing was recovered: there are no answers."),
    ],
)
def test_a_rehearsal_ends_in_one_line(answers, measures, verdict):
    study = Study(slug="a", protocol="rectified_labeling")
    assert Rehearsal(study, SimulationOutcome(3, answers, 0), measures).verdict.startswith(verdict)
