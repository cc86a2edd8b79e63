"""`make mutants` itself: what its table names is there, and what it makes are small faults in programs that run."""

import ast
from pathlib import Path

import pytest

pytest.importorskip("mutmut")

from benchmarks.mutant_runs import NOTICED, ROOT, SURVIVED, TOO_SLOW, Baseline, files
from benchmarks.mutant_sources import mutants_of, sample
from benchmarks.mutants import AREAS, report

CODE = '''
"""What a module says about itself."""
import logging

log = logging.getLogger(__name__)
AT_MODULE_LEVEL = 3


@decorated(1)
def share(part: int, whole: int = 2, *, strict: bool = True) -> float | None:
    """Its docstring."""
    log.info("counting %d", part)
    if not whole:
        raise ValueError("nothing to divide by")
    pairs = zip([part], [whole], strict=True)
    return max(part / whole, pairs["first"])
'''


@pytest.mark.parametrize("name", AREAS)
def test_every_area_has_the_files_and_the_tests_that_the_table_names(name):
    area = AREAS[name]
    assert files(area.paths)
    assert [path for path in (*area.paths, *area.tests, *area.slow) if not (ROOT / path).exists()] == []


def made(tmp_path: Path) -> list[tuple[str, str]]:
    (tmp_path / "code.py").write_text(CODE)
    return [(mutant.before, mutant.after) for mutant in mutants_of(tmp_path / "code.py", tmp_path)]


def test_mutants_change_what_functions_do_decorated_ones_too_and_neither_words_nor_guards(tmp_path):
    changes = made(tmp_path)
    assert ("part / whole", "part * whole") in changes
    assert ("not whole", "whole") in changes
    assert ('"first"', '"XXfirstXX"') in changes
    assert ('max(part / whole, pairs["first"])', 'max(pairs["first"])') in changes
    for untouched in ("counting", "nothing to divide by", "docstring", "decorated(", "AT_MODULE", "float", "= 2"):
        assert [before for before, _ in changes if untouched in before and "ValueError" not in before] == []
    assert [after for _, after in changes if "zip(" in after and "strict=True" not in after] == []


def test_each_mutant_is_a_program_that_differs_in_one_statement(tmp_path):
    (tmp_path / "code.py").write_text(CODE)
    for mutant in mutants_of(tmp_path / "code.py", tmp_path):
        changed = mutant.source()
        ast.parse(changed)
        lines = [
            number
            for number, (one, other) in enumerate(zip(CODE.split("\n"), changed.split("\n"), strict=True), start=1)
            if one != other
        ]
        assert lines == [mutant.line]
        assert mutant.statement <= mutant.line


def test_a_sample_is_of_its_seed_and_one_a_line(tmp_path):
    (tmp_path / "code.py").write_text("\n".join(f"def f{n}(a, b):\n    return a + b * {n}\n" for n in range(40)))
    paths = [tmp_path / "code.py"]
    drawn = sample(paths, tmp_path, 12, "0")
    assert [one.source() for one in sample(paths, tmp_path, 12, "0")] == [one.source() for one in drawn]
    assert len({one.line for one in drawn}) == 12
    assert len({one.after.split("b")[0] for one in drawn}) > 1
    assert [one.line for one in sample(paths, tmp_path, 12, "1")] != [one.line for one in drawn]
    assert len(sample(paths, tmp_path, 99, "0")) == 40


def test_the_tests_of_a_mutant_are_those_that_reach_its_statement_the_fastest_first():
    known = Baseline({"a.py": {"4": ["slow", "fast"], "6": ["other"]}}, {"slow": 2.0, "fast": 0.1}, 9, 10)
    assert known.tests_of("a.py", 4, 4) == known.tests_of("a.py", 4, 5) == ["fast", "slow"]
    assert known.tests_of("a.py", 5, 5) == known.tests_of("b.py", 1, 1) == []


def test_the_report_counts_by_area_and_names_each_survivor():
    mutant = {"area": "protocols", "path": "a.py", "line": 3, "before": "x = 1", "after": "x = 2", "by": ""}
    results = [{**mutant, "outcome": outcome} for outcome in (NOTICED, TOO_SLOW, NOTICED, SURVIVED)]
    told = report(results, {"protocols": Baseline({}, {}, 9, 12)})
    assert "| protocols | 4 | 3 | 75% | 75.0% |" in told
    assert told.endswith("Survivors: 1\n- a.py:3: `x = 1` → `x = 2`")
