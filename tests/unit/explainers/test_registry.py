"""Finding methods, their recipes and seeds."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal

import pytest

import explainers
from explainers import base
from explainers.base import Explanation, Method, MethodError, seed_from

NEW_METHOD = '''
from dataclasses import dataclass
from typing import ClassVar
from .base import Explainer

@dataclass(frozen=True)
class Blank(Explainer):
    """Says nothing."""
    name: ClassVar[str] = "blank"
    version: ClassVar[int] = 3
    title: ClassVar[str] = "Blank"
    depth: int = 2

    def explain(self, classifier, images, labels, *, seeds, segmenter=None):
        return []
'''


def test_adding_a_method_is_adding_a_file(tmp_path):
    shutil.copytree(Path(explainers.__file__).parent, tmp_path / "explainers")
    (tmp_path / "explainers" / "blank.py").write_text(NEW_METHOD)
    code = """
import json, sys
from explainers import base
names = base.available("explainer")
assert "torch" not in sys.modules
method = base.from_recipe("explainer", {"method": "blank", "version": 3, "parameters": {"depth": 5}})
print(json.dumps([names, method.recipe()]))
"""
    printed = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    names, recipe = json.loads(printed.stdout)
    assert names == sorted([*base.available("explainer"), "blank"])
    assert recipe == {"method": "blank", "version": 3, "parameters": {"depth": 5}}


def test_two_methods_of_one_name_are_an_error(tmp_path):
    shutil.copytree(Path(explainers.__file__).parent, tmp_path / "explainers")
    for file in ("blank.py", "blanker.py"):
        (tmp_path / "explainers" / file).write_text(NEW_METHOD)
    code = "from explainers import base; base.available('explainer')"
    failed = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True)
    assert "MethodError: explainers.blanker and explainers.blank are both the explainer 'blank'" in failed.stderr


def installed(folder: Path, value: str, source: str = NEW_METHOD) -> None:
    """A package of others in `folder`, as pip would have installed it, with a method and an entry point for it."""
    for name in ("lab", "lab-1.0.dist-info"):
        (folder / name).mkdir()
    (folder / "lab" / "__init__.py").touch()
    (folder / "lab" / "blank.py").write_text(source.replace("from .base", "from explainers.base"))
    (folder / "lab-1.0.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: lab\nVersion: 1.0\n")
    (folder / "lab-1.0.dist-info" / "entry_points.txt").write_text(f"[{base.ENTRY_POINTS}]\nblank = {value}\n")


def run_with(folder: Path, code: str) -> subprocess.CompletedProcess:
    root = Path(explainers.__file__).parents[1]
    environment = {**os.environ, "PYTHONPATH": f"{folder}{os.pathsep}{root}"}
    return subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)


def test_a_package_of_others_adds_a_method_by_its_entry_point(tmp_path):
    installed(tmp_path, "lab.blank")
    code = """
import json, sys
from explainers import base
names = base.available("explainer")
assert not {"torch", "lab.blank"} & set(sys.modules)
method = base.from_recipe("explainer", {"method": "blank", "version": 3, "parameters": {"depth": 5}})
print(json.dumps([names, type(method).__module__]))
"""
    printed = run_with(tmp_path, code)
    assert printed.returncode == 0, printed.stderr
    assert json.loads(printed.stdout) == [sorted([*base.available("explainer"), "blank"]), "lab.blank"]


@pytest.mark.parametrize(
    ("value", "source", "said"),
    [
        ("lab.nothing", NEW_METHOD, "the entry point 'blank' of quorum.methods names lab.nothing, not a module"),
        ("nowhere.blank", NEW_METHOD, "the entry point 'blank' of quorum.methods names nowhere.blank, not a module"),
        (
            "lab.blank",
            NEW_METHOD.replace('"blank"', f'"{base.available("explainer")[0]}"'),
            "lab.blank and explainers.",
        ),
        ("lab.blank", NEW_METHOD.replace('    name: ClassVar[str] = "blank"\n', ""), "lab.blank.Blank has no literal"),
    ],
)
def test_what_others_bring_and_cannot_be_used_is_named_in_one_line(tmp_path, value, source, said):
    installed(tmp_path, value, source)
    failed = run_with(tmp_path, "from explainers import base; base.available('explainer')")
    (line,) = (line for line in failed.stderr.splitlines() if "MethodError: " in line)
    assert said in line


def test_listing_the_methods_loads_neither_torch_nor_a_method():
    code = (
        "import sys; from explainers import base; found = [base.available(kind) for kind in base.kinds()];"
        "light = ('explainers.base', 'explainers.results');"
        "sys.exit(not all(found) or any(m == 'torch' or m.startswith('explainers.') and m not in light"
        " for m in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


@pytest.mark.parametrize("kind", base.kinds())
def test_an_unknown_name_is_answered_with_the_names_there_are(kind):
    with pytest.raises(MethodError, match=f"no {kind} is called 'nope'; there are {base.available(kind)[0]}"):
        base.get(kind, "nope")


def test_an_unknown_kind_is_answered_with_the_kinds_there_are():
    for function in (base.available, lambda kind: base.get(kind, "x")):
        with pytest.raises(MethodError, match="there are explainer, attack, selector"):
            function("painter")


@dataclass(frozen=True)
class Example(Method):
    """One field of each type."""

    kind: ClassVar[str] = "example"
    name: ClassVar[str] = "example"
    version: ClassVar[int] = 1
    title: ClassVar[str] = "Example"

    count: int = 3
    width: float = 0.5
    fast: bool = False
    mode: Literal["a", "b"] = "a"
    limit: float | None = None


def test_a_recipe_is_the_fields_with_the_name_and_version():
    assert Example(count=4).recipe() == {
        "method": "example",
        "version": 1,
        "parameters": {"count": 4, "width": 0.5, "fast": False, "mode": "a", "limit": None},
    }
    assert Example.parameters() == {"count": 3, "width": 0.5, "fast": False, "mode": "a", "limit": None}


def test_a_whole_number_is_a_number_and_gives_the_same_recipe():
    one, other = Example(width=1, limit=2), Example(width=1.0, limit=2.0)
    assert json.dumps(one.recipe()) == json.dumps(other.recipe())


@pytest.mark.parametrize(
    ("parameters", "said"),
    [
        ({"count": 3.0}, "example: count must be a whole number, not 3.0"),
        ({"count": True}, "count must be"),
        ({"count": None}, "count must be"),
        ({"width": "1"}, "width must be a finite number, not '1'"),
        ({"width": float("nan")}, "finite number"),
        ({"limit": float("inf")}, "finite number"),
        ({"limit": "x"}, "limit must be a finite number"),
        ({"fast": 1}, "fast must be true or false"),
        ({"mode": "c"}, "mode must be one of a, b, not 'c'"),
        ({"mode": ["a"]}, "mode must be one of a, b"),
        ({"colour": 1}, "example has no parameter 'colour'; it has count, width, fast, mode, limit"),
    ],
)
def test_parameters_of_another_type_are_refused_in_one_line(parameters, said):
    with pytest.raises(MethodError) as caught:
        Example.from_parameters(parameters)
    assert said in str(caught.value)


def test_a_recipe_of_another_version_is_not_computed():
    name = base.available("explainer")[0]
    recipe = base.get("explainer", name)().recipe()
    assert base.from_recipe("explainer", recipe).recipe() == recipe
    with pytest.raises(MethodError, match=f"{name} is at version"):
        base.from_recipe("explainer", {**recipe, "version": recipe["version"] + 1})


def test_a_seed_depends_on_all_of_its_parts_and_on_nothing_else():
    recipe = {"method": "x", "parameters": {"a": 1, "b": 2.5}}
    seed = seed_from("ab12", recipe)
    assert seed == seed_from("ab12", {"parameters": {"b": 2.5, "a": 1}, "method": "x"})
    text = '["ab12",{"method":"x","parameters":{"a":1,"b":2.5}}]'
    assert seed == int(hashlib.sha256(text.encode()).hexdigest()[:16], 16) >> 1
    others = {seed_from("ab13", recipe), seed_from("ab12", {**recipe, "method": "y"}), seed_from("ab12"), seed_from()}
    assert seed not in others
    assert len(others) == 4


def test_every_seed_is_one_that_a_generator_takes():
    seeds = [seed_from(number) for number in range(200)]
    assert all(0 <= seed < 2**63 for seed in seeds)
    assert len(set(seeds)) == 200
    assert max(seeds) > 2**62


def test_results_cannot_be_changed_by_assignment():
    explanation = Explanation(None, None, 0.0, 0.0, 0, 0, 0)  # type: ignore[arg-type]
    with pytest.raises(AttributeError):
        explanation.label = 2  # type: ignore[misc]
