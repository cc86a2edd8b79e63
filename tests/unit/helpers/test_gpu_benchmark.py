"""The benchmark of a GPU runs where there is none, on a tiny network, so that it runs where one is lent for minutes."""

import json

import pytest
import torch

from benchmarks import gpu


def test_the_tiny_one_measures_every_row_and_finds_one_device_equal_to_itself(capsys, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert gpu.main(["--tiny"]) == 0
    *lines, line = capsys.readouterr().out.splitlines()
    rows = {row["what"]: row for row in json.loads(line)["rows"]}
    assert len(lines) == len(rows) + 1
    for what in ("LIME, float32", "LIME, bfloat16", "IFGSM, 10 steps, strict float32", *gpu.GRADIENTS):
        assert rows[what]["figure"] > 0
        assert rows[what]["beside"] > 0
    assert rows["MMD-critic, 60 × 16"]["figure"] > 0
    for what in ("LIME: largest difference of a coefficient", "IFGSM: share of values that differ"):
        assert rows[what]["figure"] == 0
    for what in ("IFGSM: share of equal flip steps", "MMD-critic: share of equal choices"):
        assert rows[what]["figure"] == 1


def test_without_a_gpu_the_whole_one_is_refused_in_one_line(capsys, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert gpu.main([]) == 1
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err == "gpu: no CUDA device here; --tiny tries the program on the CPU\n"


def test_rows_have_a_share_of_the_bare_passes_where_there_are_some():
    told = gpu.table([gpu.Row("a", 90, "passes/s", 100, "share 0.9"), gpu.Row("b", 1.5, "s")])
    assert told.splitlines()[1].split() == ["a", "90", "passes/s", "100", "0.900", "share", "0.9"]
    assert told.splitlines()[2].split() == ["b", "1.5", "s"]


@pytest.mark.parametrize("name", gpu.GRADIENTS)
def test_the_methods_of_the_table_are_methods(name):
    assert name in gpu.base.available("explainer")
