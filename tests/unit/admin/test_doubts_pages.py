"""What is doubtful about a classifier: on its pages, and to be confirmed on the page that opens a study."""

import pytest
from django.core.management import CommandError, call_command
from django.urls import reverse

from studies import lifecycle
from studies.catalog import judgement
from studies.lib.errors import StudyError
from studies.models import Classifier, ClassifierEvaluation, Study
from tests.factories import make_study
from tests.logged_in_users import researcher, text

pytestmark = pytest.mark.django_db

LINE = "Given pixels from 0 to 255, it would be right on 81.3% of 200 photographs instead of 10.0%."


@pytest.fixture
def study():
    """A study whose classifier is in doubt."""
    study = make_study()
    evaluation = ClassifierEvaluation.objects.get()
    evaluation.result["doubts"] = [{"check": "preprocessing-levels", "line": LINE}]
    evaluation.result["trials"] = [
        {"key": "levels", "title": "pixels from 0 to 255", "images": 200, "right": 163, "now": 20}
    ]
    evaluation.save()
    return study


def test_the_pages_of_the_classifier_say_it_with_the_figures(study):
    client, row = researcher(), Classifier.objects.get()
    for address in ("admin:studies_classifier_change", "admin:studies_classifier_check"):
        assert LINE in text(client.get(reverse(address, args=[row.pk])))
    page = text(client.get(reverse("admin:studies_classifier_check", args=[row.pk])))
    assert "Pixels from 0 to 255 81.50% 10.00% 200" in page


def test_a_doubtful_study_is_opened_by_whoever_confirms_it_and_by_nobody_else(study):
    client, address = researcher(), reverse("admin:studies_study_open", args=[study.pk])
    page = client.get(address)
    assert LINE in text(page)
    assert b'name="anyway"' in page.content
    client.post(address)
    study.refresh_from_db()
    assert study.state == Study.State.READY
    client.post(address, {"anyway": "on"})
    study.refresh_from_db()
    assert study.state == Study.State.OPEN
    assert study.events.get(what="opened").details["in_spite_of"] == [LINE]


def test_a_study_without_doubts_is_asked_nothing(study):
    ClassifierEvaluation.objects.update(result={**ClassifierEvaluation.objects.get().result, "doubts": []})
    client, address = researcher(), reverse("admin:studies_study_open", args=[study.pk])
    assert b'name="anyway"' not in client.get(address).content
    client.post(address)
    study.refresh_from_db()
    assert study.state == Study.State.OPEN
    assert "in_spite_of" not in study.events.get(what="opened").details


def test_a_classifier_that_was_never_evaluated_is_in_doubt(study):
    ClassifierEvaluation.objects.all().delete()
    name = Classifier.objects.get().name
    line = f"{name} was never evaluated on its photographs: manage.py check_classifier {name}"
    assert judgement.doubts(study) == [line]
    with pytest.raises(StudyError, match="not opened without a confirmation"):
        lifecycle.open_study(study)


def test_what_was_seen_at_import_is_asked_about_too(study):
    row = Classifier.objects.get()
    ClassifierEvaluation.objects.update(result={**ClassifierEvaluation.objects.get().result, "doubts": []})
    doubt = {"check": "logits", "ok": False, "line": "all its outputs lie between 0 and 1", "consequence": "doubt"}
    limit = {"check": "hidden", "ok": False, "line": "it has no hidden values", "consequence": "limit"}
    Classifier.objects.update(checks=[doubt, limit])
    assert judgement.doubts(study) == [f"{row.name}: all its outputs lie between 0 and 1."]


def test_the_command_asks_for_anyway(study, capsys):
    with pytest.raises(CommandError, match="--anyway opens it in spite of what is doubtful"):
        call_command("open_study", study.slug)
    assert f"DOUBTFUL  {LINE}" in capsys.readouterr().err
    call_command("open_study", study.slug, "--anyway")
    study.refresh_from_db()
    assert study.state == Study.State.OPEN
