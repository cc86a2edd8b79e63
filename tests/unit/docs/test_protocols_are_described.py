"""The page of what protocols build with says what there is, and has a word for each block of the pages."""

import importlib.util
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
spec = importlib.util.spec_from_file_location("describe_protocols", ROOT / "docs" / "describe_protocols.py")
describing = importlib.util.module_from_spec(spec)
spec.loader.exec_module(describing)


def test_the_page_is_what_the_code_has():
    assert describing.PAGE.read_text() == describing.written(), "python docs/describe_protocols.py"


def test_every_call_of_the_bench_is_named_with_its_parameters():
    page = describing.PAGE.read_text()
    assert "| `selections(classifier, pools, method, *, n_prototypes, n_criticisms, seed=0, attack=None)` |" in page
    assert "| `draw(design, bench, images, *, main, visits=1)` |" in page
    assert "Settings: `attack_step`" in page


def test_something_is_said_of_everything():
    rows = [line for line in describing.PAGE.read_text().splitlines() if line.startswith("| `")]
    assert len(rows) > 90
    assert [row for row in rows if not row.split("|")[2].strip()] == []


def test_a_block_that_nobody_described_is_named(monkeypatch):
    monkeypatch.delitem(describing.BLOCKS, "gloss")
    with pytest.raises(KeyError, match="gloss"):
        describing.blocks()
