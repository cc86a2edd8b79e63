"""The example in docs/how-to/add-a-protocol.md: two files, put where it says, are a protocol."""

import re
import sys
from pathlib import Path

import pytest
from django.conf import settings
from django.urls import reverse

from studies import lifecycle, participation, protocols
from studies.models import Trial
from studies.reports import results
from tests.bench import made_up_study

PAGE = Path(__file__).parent.parent.parent / "docs" / "how-to" / "add-a-protocol.md"


@pytest.fixture
def added(tmp_path, monkeypatch, settings_templates):
    """The protocol of the page, beside the others while the test runs."""
    named = re.findall(r"^`([^`\s]+)`.*?^```\w+\n(.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    for name, content in named:
        path = tmp_path / name
        path.parent.mkdir(parents=True)
        path.write_text(content)
    assert [name for name, _ in named] == ["studies/protocols/label_check.py", "templates/protocols/label_check.html"]
    settings_templates(tmp_path / "templates")
    monkeypatch.setattr(protocols, "__path__", [*protocols.__path__, str(tmp_path / "studies" / "protocols")])
    protocols.available.cache_clear()
    yield protocols.get("label_check")
    sys.modules.pop("studies.protocols.label_check")
    protocols.available.cache_clear()


@pytest.fixture
def settings_templates(settings):
    def also(folder: Path) -> None:
        (first, *others) = settings.TEMPLATES
        settings.TEMPLATES = [{**first, "DIRS": [*first["DIRS"], str(folder)]}, *others]

    return also


def test_without_the_file_there_is_no_such_protocol():
    assert "label_check" not in protocols.available()
    assert not (Path(settings.BASE_DIR) / "studies" / "protocols" / "label_check.py").exists()


@pytest.mark.django_db
def test_the_example_goes_from_design_to_result(added, client):
    study = made_up_study(added.key, {"sample": 4, "answers_per_stimulus": 3})
    lifecycle.open_study(study)
    assert study.stimuli.count() == 4
    for _ in range(3):
        person, token = participation.enrol(study, consent=participation.current_consent(study))
        address = reverse("studies:take", args=[token])
        assert b"Say whether the word is right." in client.get(address).content
        participation.start(person)
        while trial := participation.current_trial(person):
            assert f"Is this <em>{trial.stimulus.shown['ask']}</em>?" in client.get(address).content.decode()
            participation.answer(person, trial.pk, "yes" if trial.position > 1 else "no")
    lifecycle.close_study(study)
    assert Trial.objects.filter(study=study, counted=True).count() == 12
    summary = results.result(study).summary
    assert summary.headline.startswith("75.00 % of the labels are right (no interval:")
    assert summary.measures["labels"]["denominator"] == 12
