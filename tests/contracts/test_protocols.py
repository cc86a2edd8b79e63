"""What every protocol promises, whichever it is: adding one file to studies/protocols puts it through all of this.

The promises are in `studies.protocol_contract`; what is asked here besides is of the commands, or of our own protocols.
"""

import json
import re

import lxml.html
import numpy as np
import pytest
from django.core.management import CommandError, call_command

from studies import protocols
from studies.designs.choices import catalogue
from studies.models import Study
from studies.protocol_contract import check_protocol, effects
from studies.protocol_contract.effects import PEOPLE, misses
from studies.protocol_contract.example_designs import example_design
from studies.protocol_contract.results import numbers_in_no_table, numbers_of
from studies.protocol_contract.subject import Subject
from studies.results import frames
from studies.simulation import Population
from studies.simulation.complete_panels import complete_answers
from tests.bench import CLASSES, Twins, made_up_study
from tests.examples import EXAMPLES, PLANTED, Planted, about
from tests.factories import make_classifier, make_image_set

pytestmark = pytest.mark.django_db

KEYS = list(protocols.available())
#: Complete studies that are drawn for a planted effect whose true value is known.
REPLICATES = 12


@pytest.fixture(params=KEYS)
def kind(request) -> protocols.Protocol:
    return protocols.get(request.param)


@pytest.fixture
def classifier() -> str:
    return make_classifier(make_image_set(classes=CLASSES, n_images=24)).name


def test_a_protocol_keeps_every_promise(kind, monkeypatch):
    # The bound on misses follows; effects whose true value is known are looked for below.
    monkeypatch.setattr(effects, "REPLICATES", REPLICATES)
    outcomes = list(check_protocol(kind))
    assert len(outcomes) > 25
    assert [outcome.line for outcome in outcomes if outcome.problem] == []
    assert not Study.objects.exists()


# --- design -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("key", EXAMPLES)
def test_an_example_written_by_hand_is_a_design_with_nothing_left_at_its_default(key, classifier):
    kind = protocols.get(key)
    default = kind.clean(about(key, classifier), catalogue=catalogue())
    example = kind.clean({**about(key, classifier), **EXAMPLES[key]}, catalogue=catalogue())
    own = [name for name in default if name not in protocols.DesignForm.base_fields]
    assert own
    assert [name for name in own if name not in about(key, classifier) and default[name] == example[name]] == []


def test_a_list_of_texts_is_a_text_of_lines(kind, classifier):
    lines = ["How old are you? | number", "Do you wear glasses? | yes | no"]
    designs = [
        kind.clean({**about(kind.key, classifier), **EXAMPLES[kind.key], "questions": given}, catalogue=catalogue())
        for given in (lines, "\n".join(lines))
    ]
    assert designs[0] == designs[1]
    assert designs[0]["questions"] == "\n".join(lines)
    with pytest.raises(protocols.DesignError, match="questions: must be a list of texts without line breaks"):
        kind.clean({**about(kind.key, classifier), "questions": ["one\ntwo"]}, catalogue=catalogue())


def test_no_classifier_is_chosen_before_somebody_chooses(kind, classifier):
    page = lxml.html.fromstring(f"<form>{kind.form(catalogue=catalogue()).as_p()}</form>")
    values = dict(page.form_values())
    assert {values[name].strip() for name in about(kind.key, classifier)} == {""}


def test_of_an_unknown_setting_the_one_that_was_meant_is_named(kind, classifier):
    with pytest.raises(
        protocols.DesignError, match=r"answers_per_stimuls: unknown setting \(did you mean answers_per_s"
    ):
        kind.clean({**about(kind.key, classifier), "answers_per_stimuls": 5}, catalogue=catalogue())


def test_the_template_is_a_design_once_the_classifier_is_filled_in(kind, classifier, tmp_path, capsys):
    call_command("study_template", kind.key)
    template, path = capsys.readouterr().out, tmp_path / "design.json"
    for name, value in about(kind.key, classifier).items():
        template, n = re.subn(rf'"{name}": (""|\[\])', f'"{name}": {json.dumps(value)}', template)
        assert n == 1
    path.write_text(template)
    call_command("create_study", "from-template", protocol=kind.key, design=path)
    default = kind.clean(about(kind.key, classifier), catalogue=catalogue())
    assert Study.objects.get(slug="from-template").design == default
    assert len(re.findall(r"^ *// .*", template, re.MULTILINE)) > len(default)


def test_a_mistake_below_comments_keeps_its_line(tmp_path):
    path = tmp_path / "design.json"
    path.write_text('// one\n{\n  // two\n  "seed": }\n')
    with pytest.raises(CommandError, match="line 4"):
        call_command("create_study", "wrong", protocol=KEYS[0], design=path)


@pytest.mark.parametrize("key", EXAMPLES)
def test_the_example_found_by_trying_differs_wherever_one_by_hand_does(key):
    subject = Subject(protocols.get(key))
    default, found = subject.clean(), example_design(subject)
    assert [name for name in default if name not in subject.about and default[name] == found[name]] == []


# --- stimuli ----------------------------------------------------------------------------------------------------------


def test_a_target_under_two_paths_is_in_no_group_of_its_own(classifier):
    """Pictures are named by their content, so that one photograph has one name under all its paths."""
    kind = protocols.get("class_assignment")
    classifier = make_classifier(make_image_set(classes=CLASSES, n_images=8 * 30)).name
    asked = {"classifier": classifier, "gold": 2, "practice": 2, "rounds": 6}
    specs = list(kind.stimuli(kind.clean(asked, catalogue=catalogue()), Twins()))
    main, checks = ([spec for spec in specs if (spec.role == "main") is wanted] for wanted in (True, False))
    targets = {spec.shown["target"]["file"] for spec in main}
    assert len(targets) == len({spec.truth["round"] for spec in main}) == 6
    assert not targets & {name for spec in specs for name in kind.pictures(spec.shown)[1:]}
    assert checks
    assert not any(spec.shown["target"]["file"] in kind.pictures(spec.shown)[1:] for spec in checks)


# --- results ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("key", "planted"),
    [pytest.param(key, one, id=f"{key}-{n}") for key, some in PLANTED.items() for n, one in enumerate(some)],
)
def test_the_summary_recovers_an_effect_of_known_size(key, planted: Planted):
    """The true value is known by arithmetic; at most so many intervals miss it as a correct protocol's may.

    A protocol whose intervals miss 8 % of the time fails once in 10,000 times, over all the effects together.
    """
    kind = protocols.get(key)
    study = made_up_study(key, planted.design, n_images=planted.n_images)
    stimuli = frames.stimulus_frame(study)
    shown = list(study.stimuli.main().order_by("number").select_related("condition"))
    found = []
    for replicate in range(REPLICATES):
        answers = complete_answers(
            study,
            shown,
            people=PEOPLE,
            rate=lambda stimulus, about: planted.rate(stimulus.truth),
            population=Population(),
            random=np.random.default_rng([5, replicate]),
        )
        summary = kind.summary(study.design, study.preparation, stimuli, answers)
        found.append(planted.found(summary.measures))
        recovered = kind.rehearsal_measures(summary.measures)
        assert any(one["estimate"] == found[-1]["estimate"] for one in recovered.values())
    effects = sum(len(some) for some in PLANTED.values())
    assert misses("the effect", found, planted.expected(study.preparation), effects) == ""
    assert all(one["high"] - one["low"] < planted.width for one in found)
    assert len(numbers_of(summary.measures)) > 6
    assert numbers_in_no_table(summary) == []
