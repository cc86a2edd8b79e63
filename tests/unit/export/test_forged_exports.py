"""What is changed in analysis.json is named, or is among the texts that the program says it did not check."""

import json
import random
from pathlib import Path

import pytest

from studies import lifecycle
from studies.export import export, recompute
from studies.results import figures
from tests.bench import made_up_study
from tests.factories import simulated_rows

pytestmark = pytest.mark.django_db

#: Of every kind of computation one, as far as small studies have them.
PROTOCOLS = {
    "rectified_labeling": {},
    "adversarial_trials": {},
    "attribute_annotation": {"images": 20},
    "class_assignment": {"rounds": 24, "conditions": ["mmd-prototypes", "random"]},
}
SAMPLE, SEED = 200, 20261201


@pytest.fixture(params=PROTOCOLS)
def folder(request, tmp_path, monkeypatch) -> Path:
    monkeypatch.setattr(figures, "svg", lambda figure: "<svg/>")
    study = made_up_study(request.param, PROTOCOLS[request.param], n_images=160)
    lifecycle.open_study(study)
    simulated_rows(study)
    export.write(study, tmp_path / "export")
    return tmp_path / "export"


def nodes(value, path=()):
    if path:
        yield path, value
    if isinstance(value, dict | list):
        for key, one in value.items() if isinstance(value, dict) else enumerate(value):
            yield from nodes(one, (*path, key))


def inside(content, path):
    for key in path:
        content = content[key]
    return content


def changes_of(path, value):
    """What a forger may do to one part: (what, change of its parent, what it touches)."""
    key = path[-1]
    if isinstance(value, bool):
        yield "turned", lambda parent: parent.__setitem__(key, not value), value
    elif isinstance(value, int | float):
        other = value + 1 if isinstance(value, int) else value * (1 + 1e-9) + 2e-9
        yield "last digit", lambda parent: parent.__setitem__(key, other), value
    yield "emptied", lambda parent: parent.__setitem__(key, None), value
    yield "a text", lambda parent: parent.__setitem__(key, "0.93"), value
    yield "taken out", lambda parent: parent.__delitem__(key), value
    if isinstance(value, dict | list):
        yield "added", lambda parent: add(parent[key]), 0.93
        names = list(value) if isinstance(value, dict) else range(len(value))
        for first, second in zip(names, list(names)[1:], strict=False):
            yield (
                "exchanged",
                lambda parent, a=first, b=second: exchange(parent[key], a, b),
                [value[first], value[second]],
            )


def add(part):
    if isinstance(part, dict):
        part["extra"] = 0.93
    else:
        part.append(0.93)


def exchange(part, first, second):
    part[first], part[second] = part[second], part[first]


def holds_figures(value) -> bool:
    return any(True for _ in recompute.figures_in(value))


def compared(found, content) -> recompute.Comparison:
    seen = recompute.Comparison()
    seen.of(found, {name: one for name, one in content.items() if name not in recompute.ELSEWHERE}, "")
    return seen


def test_every_kind_of_forgery_is_named_or_is_a_text_that_is_told_as_not_checked(folder):
    content = json.loads((folder / "analysis.json").read_text())
    found = recompute.recompute(recompute.Tables(folder), content["state"])
    genuine = compared(found, content)
    assert (genuine.differ, genuine.unchecked) == ([], [])
    attacks = [
        (path, what, change, touched)
        for path, value in nodes(content)
        if path[0] not in recompute.ELSEWHERE
        for what, change, touched in changes_of(path, value)
    ]
    noticed = 0
    for path, what, change, touched in random.Random(SEED).sample(attacks, SAMPLE):
        copy = json.loads(json.dumps(content))
        change(inside(copy, path[:-1]))
        if copy == content:
            continue  # An exchange of two equal figures, or a text that is the same.
        seen, name = compared(found, copy), ".".join(map(str, path))
        if seen.differ or seen.unchecked:
            noticed += 1
            continue
        told = {text for text in [*genuine.texts, *seen.texts] if text == name or text.startswith(f"{name}.")}
        assert told or not inside(content, path), (what, name)
        assert not holds_figures(touched), (what, name)
    assert noticed > SAMPLE / 2


def test_an_exchange_of_the_figures_of_two_parts_is_named_at_both_places(folder):
    content = json.loads((folder / "analysis.json").read_text())
    found = recompute.recompute(recompute.Tables(folder), content["state"])
    times = content["response_times"]["page"]
    times["p25"], times["p75"] = times["p75"], times["p25"]
    assert compared(found, content).differ == ["response_times.page.p25", "response_times.page.p75"]


def forge_json(folder: Path, name: str, change) -> None:
    told = json.loads((folder / name).read_text())
    change(told)
    (folder / name).write_text(json.dumps(told))


def forge_text(folder: Path, name: str) -> None:
    (path,) = folder.glob(name)
    path.write_text(path.read_text().replace("a", "e", 3))


FILES = {
    "flow.json": lambda f: forge_json(f, "flow.json", lambda told: told["answers"].update(counted=10**6)),
    "texts/ consent": lambda f: forge_text(f, "texts/consent-v1-en.txt"),
    "stimuli.csv stimulus 1": lambda f: (f / "stimuli.csv").write_text(
        (f / "stimuli.csv").read_text().replace('"{""', '"{""x"":1,""', 1)
    ),
    "design.json stimuli_sha256": lambda f: forge_json(
        f, "design.json", lambda told: told["frozen"].update(stimuli_sha256="0" * 64)
    ),
    "design.json sha256": lambda f: forge_json(f, "design.json", lambda told: told.update(sha256="0" * 64)),
    "README.md headline": lambda f: (f / "README.md").write_text("# A study\n\nAll errors are right.\n"),
    "title": lambda f: forge_json(f, "analysis.json", lambda told: told.update(title="Another")),
    "state": lambda f: forge_json(f, "analysis.json", lambda told: told.update(closed_at=None)),
}


def test_a_file_beside_that_tells_another_hash_or_figure_is_named_and_the_genuine_one_agrees(folder, capsys):
    assert recompute.main(folder) == 0
    said = capsys.readouterr().out.splitlines()[-1]
    assert said.startswith("agrees with analysis.json to the last digit; not checked: ")
    for part in ("headline", "tables/", "versions", "figures/", "paper/", "index.html"):
        assert part in said
    for name, forge in FILES.items():
        before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
        forge(folder)
        assert recompute.main(folder) == 1, name
        assert f"differs: {name}" in capsys.readouterr().out
        for path, content in before.items():
            path.write_bytes(content)
    assert recompute.main(folder) == 0
