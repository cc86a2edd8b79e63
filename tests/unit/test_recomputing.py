"""The export's own program finds the headline of every protocol again, and notices what was changed."""

import json
import re
from pathlib import Path

import pytest

from studies import lifecycle, protocols
from studies.reports import export, figures, recompute
from tests.bench import made_up_study
from tests.factories import simulated_rows

pytestmark = pytest.mark.django_db

#: By protocol the designs that are computed in ways of their own.
DESIGNS = {
    "adversarial_trials": [{}, {"meeting": "separate_groups", "threshold": 2}],
    "attribute_annotation": [{"images": 20}],
    "class_assignment": [{"rounds": 30}, {"rounds": 24, "conditions": ["mmd-prototypes", "random"]}],
    "rectified_labeling": [
        {},
        {"top_k": 5},
        {"top_k": 5, "selection": "top5_errors", "threshold": 3},
        {"top_k": 5, "asking": "each_label", "threshold": 3},
    ],
}
RULES = ("drop", "proportion", "top_up")
CASES = [pytest.param(key, design, id=f"{key}-{n}") for key, some in DESIGNS.items() for n, design in enumerate(some)]
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


def test_every_protocol_is_computed_again():
    assert set(DESIGNS) == set(protocols.available())


@pytest.mark.parametrize(("key", "design"), CASES)
def test_the_headline_of_every_protocol_is_found_again_to_the_last_digit(key, design, tmp_path, capsys):
    folder = exported(key, design, tmp_path / "export")
    assert recompute.main(folder) == 0, capsys.readouterr().out
    said = capsys.readouterr().out
    assert "agrees with analysis.json to the last digit" in said
    assert said.count("estimate: 0.") >= 2


@pytest.mark.parametrize(("key", "design"), CASES)
def test_other_answers_are_noticed_in_every_protocol(key, design, tmp_path, capsys):
    folder = exported(key, design, tmp_path / "export")
    other = {"yes": "no", "no": "yes"} | dict(zip("ABCDEF", "BCDEFA", strict=True))
    text = (folder / "answers.csv").read_text()
    (folder / "answers.csv").write_text(re.sub(r",(yes|no|[A-F]),,1,", lambda m: f",{other[m[1]]},,1,", text))
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
