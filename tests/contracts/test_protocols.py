"""What every protocol promises, whichever it is: adding one file to studies/protocols puts it through all of this."""

import json
import re
from urllib.parse import urlencode

import lxml.html
import numpy as np
import pandas as pd
import pytest
from django import forms
from django.core.management import CommandError, call_command
from django.http import QueryDict
from django.urls import reverse

from studies import lifecycle, participation, protocols
from studies.catalogue import catalogue
from studies.models import Participant, Study, Trial
from studies.reports import results, tables
from studies.workbench.recipes import digest
from tests.bench import CLASSES, MadeUpBench, made_up_study
from tests.examples import EXAMPLES, PLANTED, SESSION, Planted
from tests.factories import make_classifier, make_image_set

pytestmark = pytest.mark.django_db

KEYS = list(protocols.available())


@pytest.fixture(params=KEYS)
def kind(request) -> protocols.Protocol:
    return protocols.get(request.param)


@pytest.fixture
def classifier() -> str:
    return make_classifier(make_image_set(classes=CLASSES, n_images=24)).name


def opened(kind: protocols.Protocol, **design) -> Study:
    study = made_up_study(kind.key, design)
    lifecycle.open_study(study)
    return study


def first_trial(study: Study) -> tuple[Participant, str, Trial]:
    person, token = participation.enrol(study, consent=participation.current_consent(study))
    participation.start(person)
    return person, token, participation.current_trial(person)


def test_every_protocol_has_an_example_and_a_planted_effect():
    assert set(EXAMPLES) == set(PLANTED) == set(KEYS)


# --- design -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("example", [False, True])
def test_design_to_form_to_design_is_the_identity(kind, classifier, example):
    design = kind.clean(
        {"classifier": classifier, **(EXAMPLES[kind.key] | SESSION if example else {})}, catalogue=catalogue()
    )
    assert json.loads(json.dumps(design)) == design
    assert kind.clean(design, catalogue=catalogue()) == design
    # What a browser sends when the form is shown filled in, and sent as it is.
    shown = kind.form(catalogue=catalogue(), initial=design).as_p()
    sent = QueryDict(urlencode(lxml.html.fromstring(f"<form>{shown}</form>").form_values()))
    form = kind.form(sent, catalogue=catalogue())
    assert form.errors == {}
    assert form.cleaned_data == design


def test_the_example_differs_from_the_default_in_every_setting(kind, classifier):
    default = kind.clean({"classifier": classifier}, catalogue=catalogue())
    example = kind.clean({"classifier": classifier, **EXAMPLES[kind.key], **SESSION}, catalogue=catalogue())
    assert [name for name in default if default[name] == example[name]] == ["classifier"]


def test_an_unknown_setting_is_named(kind, classifier):
    with pytest.raises(protocols.DesignError, match="nonsense: unknown setting"):
        kind.clean({"classifier": classifier, "nonsense": 1}, catalogue=catalogue())


def test_a_choice_that_is_none_is_told_those_there_are(kind, classifier):
    form = kind.form(catalogue=catalogue())
    choices = {name: field for name, field in form.fields.items() if isinstance(field, forms.ChoiceField)}
    assert "classifier" in choices
    for name in choices:
        with pytest.raises(protocols.DesignError) as refused:
            kind.clean({"classifier": classifier, name: "elephants"}, catalogue=catalogue())
        (line,) = (one for one in refused.value.messages if one.startswith(f"{name}: "))
        assert "elephants" in line
        assert all(str(value) in line for value, _ in choices[name].choices)


def test_the_template_is_a_design_once_the_classifier_is_filled_in(kind, classifier, tmp_path, capsys):
    call_command("study_template", kind.key)
    template, path = capsys.readouterr().out, tmp_path / "design.json"
    path.write_text(template.replace('"classifier": ""', f'"classifier": "{classifier}"'))
    call_command("create_study", "from-template", protocol=kind.key, design=path)
    default = kind.clean({"classifier": classifier}, catalogue=catalogue())
    assert Study.objects.get(slug="from-template").design == default
    assert len(re.findall(r"^ *// .*", template, re.MULTILINE)) > len(default)


def test_a_mistake_below_comments_keeps_its_line(tmp_path):
    path = tmp_path / "design.json"
    path.write_text('// one\n{\n  // two\n  "seed": }\n')
    with pytest.raises(CommandError, match="line 4"):
        call_command("create_study", "wrong", protocol=KEYS[0], design=path)


# --- stimuli ----------------------------------------------------------------------------------------------------------


def test_stimuli_are_serialisable_unique_and_always_the_same(kind, classifier):
    design = kind.clean({"classifier": classifier}, catalogue=catalogue())
    specs, again = (list(kind.stimuli(design, MadeUpBench())) for _ in range(2))
    contents = [{"condition": s.condition, "shown": s.shown, "truth": s.truth} for s in specs]
    assert specs == again
    assert json.loads(json.dumps(contents, allow_nan=False)) == contents
    assert len({digest(content) for content in contents}) == len(contents) > 0
    assert all({"image", "label"} <= set(spec.truth) for spec in specs)
    assert all(kind.pictures(spec.shown) for spec in specs)


def test_a_page_shows_nothing_of_truth_condition_or_class(kind, client):
    study = opened(kind)
    _, token, trial = first_trial(study)
    response = client.get(reverse("studies:take", args=[token]))
    assert response.status_code == 200
    said = json.dumps(trial.stimulus.shown)
    classes = {name for label in CLASSES for name in (label, label.replace("_", " ")) if name not in said}
    truths = {text for text in strings(trial.stimulus.truth) if text not in said and text not in ("yes", "no")}
    hidden = {trial.stimulus.condition.key, trial.stimulus.family, *classes, *truths} - {""}
    assert trial.stimulus.truth["image"] in hidden
    everything = response.content.decode() + str(response.headers) + response.request["PATH_INFO"]
    assert [text for text in hidden if re.search(rf"(?<!\w){re.escape(text)}(?!\w)", everything)] == []
    # The control: the same search finds what the page does show.
    assert re.search(rf"(?<!\w){re.escape(kind.pictures(trial.stimulus.shown)[0])}(?!\w)", everything)


def strings(value) -> set[str]:
    if isinstance(value, dict):
        return set().union(*(strings(part) for part in value.values()))
    if isinstance(value, list):
        return set().union(*(strings(part) for part in value))
    return {value} if isinstance(value, str) else set()


# --- answers ----------------------------------------------------------------------------------------------------------


def test_the_answers_offered_are_taken_and_others_refused(kind):
    study = opened(kind)
    offered = {choice.value for choice in kind.choices(study.design, first_trial(study)[2].stimulus.shown)}
    assert offered
    for value in sorted(offered):
        person, _, trial = first_trial(study)
        participation.answer(person, trial.pk, value)
        trial.refresh_from_db()
        assert trial.answer == value
    person, _, trial = first_trial(study)
    for value in ("", "neither", f"{min(offered)} "):
        with pytest.raises(participation.AnswerRefused, match="one of the answers offered"):
            participation.answer(person, trial.pk, value)
    trial.refresh_from_db()
    assert trial.answered_at is None


def test_simulated_people_give_answers_that_are_offered(kind):
    study, random = opened(kind), np.random.default_rng(0)
    for stimulus in study.stimuli.all():
        answer, seconds = kind.simulated_answer(study.design, stimulus.truth, None, random)
        assert answer in {choice.value for choice in kind.choices(study.design, stimulus.shown)}
        assert seconds > 0


# --- results ----------------------------------------------------------------------------------------------------------


def test_a_study_without_answers_has_a_result_that_says_so(kind):
    study = opened(kind)
    lifecycle.close_study(study)
    summary = results.result(study).summary
    assert "No answer counts yet" in summary.headline
    json.dumps(summary.measures, allow_nan=False)


@pytest.mark.parametrize(
    ("key", "planted"),
    [pytest.param(key, one, id=f"{key}-{n}") for key, some in PLANTED.items() for n, one in enumerate(some)],
)
def test_the_summary_recovers_a_planted_effect_within_its_interval(key, planted: Planted):
    kind = protocols.get(key)
    study = made_up_study(key, planted.design, n_images=480)
    stimuli = tables.stimulus_frame(study)
    answers = answered(kind, study, stimuli, planted, people=60)
    summary = kind.summary(study.design, study.preparation, stimuli, answers)
    found, expected = planted.found(summary.measures), planted.expected(study.preparation)
    assert found["low"] <= expected <= found["high"]
    assert found["high"] - found["low"] < 0.2
    recovered = kind.recovered(summary.measures)
    assert any(one["estimate"] == found["estimate"] for one in recovered.values())
    assert all({"estimate", "low", "high"} <= one.keys() for one in recovered.values())
    json.dumps(summary.measures, allow_nan=False)
    assert summary.tables
    assert all(len(row) == len(table.columns) for table in summary.tables for row in table.rows)


def answered(kind, study: Study, stimuli: pd.DataFrame, planted: Planted, *, people: int) -> pd.DataFrame:
    """Full panels of people drawn at random for each stimulus, who answer as the protocol simulates them."""
    random, rows = np.random.default_rng(5), []
    truths = dict(study.stimuli.values_list("number", "truth"))
    for stimulus in stimuli.itertuples():
        for person in random.choice(people, size=study.design["answers_per_stimulus"], replace=False):
            rate = planted.rate(truths[stimulus.stimulus])
            answer, seconds = kind.simulated_answer(study.design, truths[stimulus.stimulus], rate, random)
            rows.append((int(person), stimulus.stimulus, answer, stimulus.condition, round(1000 * seconds)))
    return pd.DataFrame(rows, columns=["participant", "stimulus", "answer", "condition", "response_ms"])
