"""A closed study extended by a classifier: what was answered is taken over, and only what is new is asked."""

import csv
from datetime import UTC, datetime, timedelta

import pytest
from django.core.management import CommandError, call_command

from studies import lifecycle, participation
from studies.export import export, recompute
from studies.lib.errors import StudyError
from studies.models import Classifier, Participant, Study, Trial
from studies.results import result
from tests.bench import made_up_study, prepare_made_up
from tests.factories import make_classifier, make_image_set, simulated_rows, without_doubts

pytestmark = pytest.mark.django_db
PANEL = {"answers_per_stimulus": 3, "threshold": 2}
SAID = ("yes", "no", "yes")


def closed(**design):
    study = made_up_study("rectified_labeling", {**PANEL, **design}, n_images=60)
    lifecycle.open_study(study)
    return simulated_rows(study, people=20)


def beside(study) -> str:
    """Another classifier of the study's images, wrong about others."""
    first = Classifier.objects.get(name=study.design["classifier"])
    return without_doubts(make_classifier(first.image_set, f"{first.name}-otherwise")).name


def extended(study, **options) -> Study:
    call_command("extend_study", study.slug, classifier=beside(study), new="extended", **options)
    return prepare_made_up(Study.objects.get(slug="extended"))


def questions(study) -> set:
    truths = study.stimuli.main().values_list("truth", flat=True)
    return {(truth["image"], truth["label"]) for truth in truths}


def answer_the_rest(study, people: int = 8):
    """Free places are filled by new people, who meet what is not answered yet; what they met."""
    met = set()
    for _ in range(people):
        person, _token = participation.enrol(study, consent=participation.current_consent(study))
        participation.start(person)
        while (trial := participation.current_trial(person)) is not None:
            met.add((trial.stimulus.truth["image"], trial.stimulus.truth["label"]))
            participation.answer(person, trial.pk, SAID[trial.stimulus.number % 3], response_ms=900)
    return met


def test_only_what_is_new_is_asked_and_old_panels_are_taken_over(tmp_path):
    old = closed()
    new = extended(old)
    lifecycle.open_study(new)
    assert new.slots.filter(filled=True).count() == old.trials.filter(counted=True).count()
    met = answer_the_rest(new)
    assert met == questions(new) - questions(old)
    # Between answers told to the microsecond, which the export cuts to milliseconds.
    first, last = datetime(2026, 1, 1, 0, 0, 0, 999, tzinfo=UTC), datetime(2026, 1, 2, 0, 0, 1, 1000, tzinfo=UTC)
    for taken_over, moment in ((True, first), (False, last)):
        answers = Trial.objects.filter(stimulus__study=new, participant__taken_over=taken_over)
        answers.update(presented_at=moment - timedelta(seconds=1), answered_at=moment)
    lifecycle.close_study(new)
    summary = result.result(new).summary
    name = old.design["classifier"]
    alone = result.result(old).summary.measures
    for measure in ("accepted_share", "rectified_error", "histogram", "threshold_curve"):
        assert summary.measures["classifiers"][name][measure] == alone[measure]
    told = summary.measures["extension"]
    assert (told["of"], told["panels"]) == (old.slug, len(questions(old)))
    assert told["answers"] == 3 * len(questions(old))
    assert told["new_answers"] == 3 * len(met)
    assert told["seconds_between"] == 86_401.001
    export.write(new, tmp_path / "export")
    with (tmp_path / "export" / "answers.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert sum(row["taken_over"] == old.slug for row in rows) == told["answers"]
    assert {(row["image"], row["label"]) for row in rows if not row["taken_over"]} == met
    assert recompute.main(tmp_path / "export") == 0


def test_a_copy_leads_to_nobody_and_goes_when_the_person_withdraws():
    old = closed(withdrawal="remove")
    person = old.participants.order_by("pk").first()
    new = extended(old)
    lifecycle.open_study(new)
    copy = Participant.objects.get(taken_over_from=person)
    assert (copy.completion_code, copy.background, copy.comments) == ("", None, None)
    assert copy.public_id != person.public_id
    assert copy.consent == person.consent
    answered = copy.trials.filter(counted=True).count()
    before = new.slots.filter(filled=True).count()
    participation.withdraw(person)
    assert not Participant.objects.filter(pk=copy.pk).exists()
    assert new.slots.filter(filled=True).count() == before - answered
    assert (
        new.participants.filter(taken_over=True).count()
        == old.participants.filter(trials__isnull=False).distinct().count()
    )


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"state": Study.State.OPEN}, "is open: only a closed study can be extended"),
        ({"protocol": "class_assignment"}, "is of class_assignment, which takes no further classifier"),
        ({"design__sample": 5}, "shows a sample of the errors of its classifiers"),
        ({"same": True}, "has the classifier {first} already"),
        ({"elsewhere": True}, "design: classifiers: {first} is of the image set "),
        ({"unknown": True}, "design: classifiers: nothing is not the name of a classifier"),
        ({"taken": True}, "there is already a study called {slug}"),
    ],
    ids=str,
)
def test_a_study_that_cannot_be_extended_says_why_in_one_line(change, said):
    study = closed()
    first, name, new = study.design["classifier"], beside(study), "extended"
    if "design__sample" in change:
        Study.objects.filter(pk=study.pk).update(design={**study.design, "sample": 5})
    elif {"state", "protocol"} & set(change):
        Study.objects.filter(pk=study.pk).update(**change)
    elif "same" in change:
        name = first
    elif "elsewhere" in change:
        name = make_classifier(make_image_set()).name
    elif "unknown" in change:
        name = "nothing"
    else:
        new = study.slug
    studies = Study.objects.count()
    with pytest.raises(CommandError) as refused:
        call_command("extend_study", study.slug, classifier=name, new=new)
    assert said.format(first=first, slug=study.slug) in str(refused.value)
    assert "\n" not in str(refused.value)
    assert Study.objects.count() == studies


def test_an_extension_whose_questions_were_changed_is_not_opened():
    old = closed()
    new = extended(old)
    lifecycle.change_design(new, {**new.design, "answers_per_stimulus": 2})
    with pytest.raises(StudyError, match="in answers_per_stimulus: its answers cannot be taken over"):
        lifecycle.open_study(prepare_made_up(new), anyway=True)
    assert not new.participants.exists()
