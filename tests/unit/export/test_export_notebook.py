"""The notebook in the export runs from its folder, in the order of its cells, for every protocol."""

import json
import subprocess
import sys

import pytest

from studies import lifecycle, protocols
from studies.export import export
from studies.results import figures
from tests.bench import made_up_study
from tests.factories import simulated_rows

ALLOWED = {"numpy", "scipy", "pandas", "matplotlib", "recompute"}


def cells() -> list[str]:
    notebook = json.loads(export.NOTEBOOK.read_text())
    return ["".join(cell["source"]) for cell in notebook["cells"] if cell["cell_type"] == "code"]


@pytest.mark.django_db
@pytest.mark.parametrize("key", protocols.available())
def test_the_notebook_runs_and_finds_the_headline_again(key, tmp_path, monkeypatch):
    monkeypatch.setattr(figures, "svg", lambda figure: "<svg/>")
    study = made_up_study(key, n_images=96)
    lifecycle.open_study(study)
    folder = tmp_path / "export"
    export.write(simulated_rows(study), folder)
    before = {path.name for path in folder.iterdir()}
    program = "import matplotlib; matplotlib.use('Agg')\n" + "\n".join(cells())
    done = subprocess.run([sys.executable, "-c", program], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "agrees with analysis.json" in done.stdout
    assert json.loads((folder / "analysis.json").read_text())["headline"] in done.stdout
    assert {path.name for path in folder.iterdir()} == before


def test_the_notebook_needs_only_the_libraries_it_names():
    import ast

    tree = ast.parse("\n".join(cells()))
    names = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    names |= {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert {name.split(".")[0] for name in names} - sys.stdlib_module_names <= ALLOWED


def test_the_notebook_comes_without_outputs():
    notebook = json.loads(export.NOTEBOOK.read_text())
    assert notebook["nbformat"] == 4
    assert all(not cell.get("outputs") for cell in notebook["cells"])
    assert len({cell["id"] for cell in notebook["cells"]}) == len(notebook["cells"])
