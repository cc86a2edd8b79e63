"""The export's own program finds every figure of every protocol again, and names each one that was forged."""

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest

from studies import lifecycle, protocols
from studies.export import export, recompute
from studies.protocols.shared import condition_comparison
from studies.results import figures
from tests.bench import made_up_study
from tests.factories import simulated_rows

pytestmark = pytest.mark.django_db

#: By protocol the designs that are computed in ways of their own; others are asked as they come.
DESIGNS = {
    "simulatability": [
        {"arms": ["none", "gradients", "occlusion"], "participants_per_arm": 10, "test_per_session": 6},
    ],
    "advice": [
        {"explainers": ["none", "occlusion"], "images": 60},
        {"explainers": ["none", "occlusion"], "images": 60, "mode": "two_step"},
    ],
    "distinction": [{"explainers": ["gradients", "occlusion"], "images": 40}],
    "preference": [{"explainers": ["gradients", "occlusion"], "images": 40}],
    "two_choice": [{"explainers": ["gradients", "occlusion"], "images": 40}],
    "adversarial_trials": [{}, {"meeting": "separate_groups", "threshold": 2}],
    "attribute_annotation": [
        {"images": 20},
        {"images": 20, "attributes": ["a person", "a hand"], "class_table": "image,a hand\naccordion/000.png,yes"},
        {"images": 20, "attributes": ["a person", "a hand"], "asking": "page_each", "threshold": 2},
    ],
    "class_assignment": [
        {"rounds": 30},
        {"rounds": 24, "conditions": ["mmd-prototypes", "random"]},
        {"rounds": 30, "classes_are": "sample"},
    ],
    "rectified_labeling": [
        {},
        {"top_k": 5},
        {"top_k": 5, "selection": "top5_errors", "threshold": 3},
        {"top_k": 5, "asking": "each_label", "threshold": 3},
    ],
}
#: A margin, where differences are registered.
MARGIN = {key: {"margin": 5.0} for key in ("adversarial_trials", "attribute_annotation", "class_assignment")}
RULES = ("drop", "proportion", "top_up")
CASES = [
    pytest.param(key, design, id=f"{key}-{n}")
    for key in protocols.available()
    for n, design in enumerate(DESIGNS.get(key, [{}]))
]
UNEQUAL = [(key, rule) for key in ("adversarial_trials", "rectified_labeling") for rule in RULES]


@pytest.fixture(autouse=True)
def figures_are_drawn_elsewhere(monkeypatch):
    monkeypatch.setattr(figures, "svg", lambda figure: "<svg/>")


def exported(key: str, design: dict, folder: Path, **answers) -> Path:
    study = made_up_study(key, design, n_images=160)
    lifecycle.open_study(study)
    simulated_rows(study, **answers)
    export.write(study, folder)
    return folder


def analysis(folder: Path) -> dict:
    return json.loads((folder / "analysis.json").read_text())


def figures_of(value, path=()):
    """The path to each number."""
    if isinstance(value, dict | list):
        for key, one in value.items() if isinstance(value, dict) else enumerate(value):
            yield from figures_of(one, (*path, key))
    elif isinstance(value, int | float | bool):
        yield path


def changed(content, path, change):
    """A copy in which one figure is another."""
    copy = json.loads(json.dumps(content))
    inner = copy
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = change(inner[path[-1]])
    return copy


def forged(value):
    return not value if isinstance(value, bool) else value + 1 if isinstance(value, int) else value * (1 + 1e-9) + 2e-9


@pytest.mark.parametrize(("key", "design"), CASES)
def test_the_headline_of_every_protocol_is_found_again_to_the_last_digit(key, design, tmp_path, capsys):
    folder = exported(key, design, tmp_path / "export")
    assert recompute.main(folder) == 0, capsys.readouterr().out
    said = capsys.readouterr().out
    assert "agrees with analysis.json to the last digit" in said
    assert said.count("estimate: 0.") >= 2
    total = re.search(r"^(\d+) of (\d+) figures agree$", said, re.MULTILINE)
    assert total[1] == total[2]
    assert int(total[1]) >= len([p for p in figures_of(analysis(folder)) if p[0] != "versions"])


@pytest.mark.parametrize(("key", "design"), CASES)
def test_each_figure_that_is_forged_is_named(key, design, tmp_path):
    folder = exported(key, design | MARGIN.get(key, {}), tmp_path / "export", missing=0.05)
    found, content = recompute.recompute(recompute.Tables(folder)), analysis(folder)
    content = {name: value for name, value in content.items() if name != "versions"}
    paths = list(figures_of(content))
    assert len(paths) > 100
    for path in paths:
        part, name = path[0], ".".join(map(str, path))
        for change in (forged, lambda value: None):
            seen = recompute.Comparison()
            seen.of({part: found[part]}, changed({part: content[part]}, path, change), "")
            assert (seen.differ, seen.unchecked) == ([name], [])


#: Of each kind that the program once let pass, and by which protocol it is told.
FORGERIES = [
    ("rectified_labeling", ("agreement", "fleiss_kappa")),
    ("rectified_labeling", ("agreement", "intervals", "gwet_ac1", "low")),
    ("rectified_labeling", ("top1_error", "estimate")),
    ("rectified_labeling", ("dawid_skene", "denominator")),
    ("rectified_labeling", ("counts", "participants")),
    ("rectified_labeling", ("quality", "straight_lining", "of")),
    ("class_assignment", ("quality", "clocks", "median_gap_ms")),
    ("rectified_labeling", ("response_times", "page", "median")),
    ("rectified_labeling", ("accepted_share", "degrees_of_freedom")),
    ("rectified_labeling", ("rectified_error", "estimands", "new images", "high")),
    ("adversarial_trials", ("mcnemar", "p_value")),
    ("adversarial_trials", ("accepted_difference", "p_value")),
    ("adversarial_trials", ("yes_difference", "degrees_of_freedom")),
    ("adversarial_trials", ("strata", "stratified")),
    ("class_assignment", ("contrasts", 0, "p_holm")),
    ("class_assignment", ("window", "random", "before", "right")),
]


@pytest.mark.parametrize("key", sorted({key for key, _ in FORGERIES}))
def test_the_program_ends_with_status_1_and_the_name_of_what_was_forged(key, tmp_path, capsys):
    folder = exported(key, {}, tmp_path / "export")
    content = analysis(folder)
    for path in (path for protocol, path in FORGERIES if protocol == key):
        (folder / "analysis.json").write_text(json.dumps(changed(content, path, forged)))
        assert recompute.main(folder) == 1
        assert f"differs: {'.'.join(map(str, path))}\n" in capsys.readouterr().out
    (folder / "analysis.json").write_text(json.dumps(content | {"lift": 0.93}))
    assert recompute.main(folder) == 1
    assert "not checked: lift\n" in capsys.readouterr().out


@pytest.mark.parametrize(("key", "design"), CASES)
def test_a_forged_number_in_the_headline_or_in_a_table_is_named(key, design, tmp_path, capsys):
    folder = exported(key, design, tmp_path / "export")
    content = analysis(folder)
    number = re.findall(r"\d+\.\d\d", content["headline"])[-1]
    fake = content["headline"].replace(number, "73.19")
    (folder / "analysis.json").write_text(json.dumps(content | {"headline": fake}))
    assert recompute.main(folder) == 1
    assert "differs: headline\n" in capsys.readouterr().out
    (folder / "analysis.json").write_text(json.dumps(content))
    (table,) = (folder / "tables").glob("what-became*.csv")
    text = table.read_text()
    table.write_text(text.replace("Answers counted,", "Answers counted,9"))
    assert recompute.main(folder) == 1
    assert f"differs: tables/{table.name} row" in capsys.readouterr().out
    table.write_text(text)
    assert recompute.main(folder) == 0


@pytest.mark.parametrize(("key", "design"), CASES)
def test_other_answers_are_noticed_in_every_protocol(key, design, tmp_path, capsys):
    folder = exported(key, design, tmp_path / "export")
    text = (folder / "answers.csv").read_text()
    given = sorted(set(re.findall(r",main,(\w+),,1,", text)))
    assert len(given) > 1
    other = dict(zip(given, given[1:] + given[:1], strict=True))
    (folder / "answers.csv").write_text(re.sub(r",main,(\w+),,1,", lambda m: f",main,{other[m[1]]},,1,", text))
    assert recompute.main(folder) == 1
    assert "DIFFERS" in capsys.readouterr().out


@pytest.mark.parametrize(("key", "rule"), UNEQUAL)
def test_unequal_panels_are_handled_by_the_designs_rule_and_found_again(key, rule, tmp_path, capsys):
    folder = exported(key, {"unequal_panels": rule}, tmp_path / "export", missing=0.1)
    assert recompute.main(folder) == 0
    assert "to the last digit" in capsys.readouterr().out
    found = analysis(folder)
    shares = [found["accepted_share"]] if "accepted_share" in found else []
    shares += [one["accepted_share"] for one in found.get("conditions", {}).values()]
    assert shares
    stimuli = found["counts"]["stimuli"] // len(shares)
    for share in shares:
        if rule == "top_up":
            assert (share["estimate"], share["low"]) == (None, None)
            assert "wait for more answers" in share["reason"]
        elif rule == "drop":
            assert share["denominator"] < stimuli
        else:
            assert share["denominator"] == stimuli


def test_two_rules_give_two_results_and_each_says_which_it_is(tmp_path):
    found = {
        rule: analysis(exported("rectified_labeling", {"unequal_panels": rule}, tmp_path / rule, missing=0.2))
        for rule in ("drop", "proportion")
    }
    assert found["drop"]["accepted_share"]["denominator"] < found["proportion"]["accepted_share"]["denominator"]
    for rule, one in found.items():
        assert one["rectified_error"]["panels"]["rule"] == rule
        assert f"rule {rule}" in " ".join(one["rectified_error"]["notes"])


@pytest.fixture
def registers(monkeypatch):
    """Have rectified labelling register these computations beside its own, and report the shares of yes answers too."""
    kind = type(protocols.get("rectified_labeling"))
    registered, summarised = kind.preregister, kind.summary

    def preregister(self, design, preparation, more):
        plan = registered(self, design, preparation)
        return replace(plan, computations=[*plan.computations, *more])

    def summary(self, design, preparation, stimuli, answers):
        found = summarised(self, design, preparation, stimuli, answers)
        said = answers.assign(yes=(answers["answer"].astype(str) == "yes").astype(int))
        shares = condition_comparison.shares(said, "yes", "stimulus", ["errors"])
        return replace(found, measures=found.measures | {"yes": shares})

    def register(*more):
        monkeypatch.setattr(kind, "preregister", lambda *given: preregister(*given, more))
        monkeypatch.setattr(kind, "summary", summary)

    return register


YES = {"kind": "shares", "under": "yes", "conditions": ["errors"], "right": {"answer": "yes"}}


def test_several_registered_computations_are_all_found_again(registers, tmp_path, capsys):
    registers(YES)
    folder = exported("rectified_labeling", {}, tmp_path / "export")
    assert recompute.main(folder) == 0
    said = capsys.readouterr().out
    assert "rectified_error.estimate: 0." in said
    assert "yes.errors.estimate: 0." in said
    found = analysis(folder)
    found["yes"]["errors"]["estimate"] += 0.01
    (folder / "analysis.json").write_text(json.dumps(found))
    assert recompute.main(folder) == 1
    assert "yes.errors.estimate: 0." in (differing := capsys.readouterr().out)
    assert differing.count("DIFFERS") == 1


@pytest.mark.parametrize(
    ("more", "line"),
    [
        ([YES, YES], "two registered computations give yes"),
        (
            [YES | {"kind": "guesses"}],
            "no kind of computation is called 'guesses'; there are panels, any_panel, classifiers, shares, "
            "image_shares, choices, preference, learning",
        ),
    ],
)
def test_computations_that_cannot_stand_beside_each_other_are_one_line(registers, more, line, tmp_path):
    registers(*more)
    with pytest.raises(SystemExit) as refused:
        recompute.main(exported("rectified_labeling", {}, tmp_path / "export"))
    assert refused.value.code == line
