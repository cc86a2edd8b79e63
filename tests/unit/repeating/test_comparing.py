"""Closed studies and exports of others side by side."""

import json

import pytest
from django.core.management import CommandError, call_command

from studies.export import export
from studies.models import Study
from studies.results import figures
from tests.factories import answered_study, open_study

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def no_figures(monkeypatch):
    monkeypatch.setattr(figures, "svg", lambda figure: "<svg/>")


def told(capsys, *command, **options):
    call_command(*command, json=True, **options)
    return json.loads(capsys.readouterr().out)


def named(found, measure="rectified error"):
    return next(one for one in found["measures"] if one["measure"] == measure)


def test_two_studies_are_compared_measure_by_measure(capsys):
    answered_study(slug="first", seed=1)
    answered_study(slug="second", seed=2, threshold=3)
    found = told(capsys, "compare_studies", "first", "second")
    assert found["settings"]["threshold"] == [4, 3]
    assert found["same"] == {"frozen design": False, "stimuli": True, "consent text": True}
    measure = named(found)
    assert measure["difference"]["estimate"] == measure["estimates"][1] - measure["estimates"][0]
    call_command("compare_studies", "first", "second")
    assert "threshold" in capsys.readouterr().out


def test_a_study_and_an_export_from_elsewhere_are_pooled(tmp_path, capsys):
    export.write(answered_study(slug="first", seed=1), tmp_path / "theirs")
    answered_study(slug="second", seed=2)
    found = told(capsys, "pool_studies", "second", str(tmp_path / "theirs"))
    measure = named(found)
    assert {one["study"] for one in measure["studies"]} == {"second", "theirs"}
    # Both show the same pictures.
    assert found["shared_stimuli"] == 12
    assert measure["shared"]["standard_error"] > measure["standard_error"]
    assert measure["heterogeneity"]["degrees_of_freedom"] == 1
    call_command("pool_studies", "first", "second")
    assert "Fixed effect by two-way variances." in capsys.readouterr().out


def test_a_measure_without_an_interval_says_why_it_is_not_pooled(capsys):
    answered_study(slug="first", people=5)
    answered_study(slug="second")
    measure = named(told(capsys, "pool_studies", "first", "second"))
    assert measure["estimate"] is None
    assert measure["reason"].startswith("first: ")


def test_what_cannot_be_compared_is_refused_in_one_line(tmp_path):
    answered_study(slug="first")
    open_study(slug="running")
    for names, said in (
        (("first", "running"), "study running is open: only closed studies are compared, as this tells outcomes"),
        (("first", "nothing"), "there is no study called nothing, nor an export at that path"),
        (("first", "first"), "a study is named twice: its answers would count twice"),
        (("first", str(tmp_path)), f"{tmp_path}: no checksums.sha256 in it, so it is not a whole export of Quorum"),
    ):
        with pytest.raises(CommandError) as refused:
            call_command("pool_studies", *names)
        assert str(refused.value) == said
    export.write(Study.objects.get(slug="running"), tmp_path / "interim")
    with pytest.raises(CommandError, match="an interim look; only closed studies are compared"):
        call_command("compare_studies", "first", str(tmp_path / "interim"))
