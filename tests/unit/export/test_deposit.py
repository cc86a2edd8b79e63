"""The zip to deposit: its licence, how to cite it, and metadata that name what is there."""

import json
import zipfile
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from studies.export import checksums, deposit
from studies.results import figures
from tests.factories import answered_study, open_study

pytestmark = pytest.mark.django_db
GIVEN = {"licence": "CC-BY-4.0", "author": ["Lovelace, Ada", "O'Brien, Flann"]}


@pytest.fixture(autouse=True)
def no_figures(monkeypatch):
    monkeypatch.setattr(figures, "svg", lambda figure: "<svg/>")


@pytest.fixture
def deposited(tmp_path) -> Path:
    answered_study(slug="birds-1")
    call_command("deposit_study", "birds-1", tmp_path / "birds.zip", **GIVEN)
    with zipfile.ZipFile(tmp_path / "birds.zip") as archive:
        archive.extractall(tmp_path / "out")
    return tmp_path / "out" / "birds-1"


def test_every_file_is_what_its_checksum_says_and_is_in_the_crate(deposited):
    assert list(checksums.problems(deposited)) == []
    crate = {one["@id"]: one for one in json.loads((deposited / deposit.RO_CRATE).read_text())["@graph"]}
    files = {path.relative_to(deposited).as_posix() for path in deposited.rglob("*") if path.is_file()}
    there = {name for name, one in crate.items() if one["@type"] == "File"}
    assert there == files - {deposit.RO_CRATE, checksums.NAME}
    assert {one["@id"] for one in crate["./"]["hasPart"]} == there
    assert crate[deposit.RO_CRATE]["conformsTo"] == {"@id": "https://w3id.org/ro/crate/1.1"}
    # Whatever is referred to is described.
    assert crate["./"]["license"]["@id"] in crate
    assert {one["@id"] for one in crate["#analysis"]["object"]} <= set(crate)
    assert [crate[one["@id"]]["familyName"] for one in crate["./"]["author"]] == ["Lovelace", "O'Brien"]


def test_croissant_names_each_file_with_its_digest_and_each_column(deposited):
    """What `mlcroissant validate` asks for; the program itself is too large for these tests."""
    told = json.loads((deposited / deposit.CROISSANT).read_text())
    assert {"name", "description", "license", "url", "creator", "datePublished", "version", "citeAs"} <= set(told)
    files = {one["@id"]: one["sha256"] for one in told["distribution"]}
    sums = dict(line.split("  ")[::-1] for line in (deposited / checksums.NAME).read_text().splitlines())
    assert {name: sums[name] for name in files} == files
    for table in told["recordSet"]:
        header = (deposited / f"{table['@id']}.csv").read_text("utf-8-sig").splitlines()[0].split(",")
        assert [field["source"]["extract"]["column"] for field in table["field"]] == header
        assert {field["source"]["fileObject"]["@id"] for field in table["field"]} <= set(files)
    prefixes = {name.partition(":")[0] for name in told if ":" in name}
    assert prefixes <= set(told["@context"])
    assert told["rai:annotationsPerItem"] == "5"


def test_tables_stand_once_more_as_psych_ds_names_them(deposited):
    described = json.loads((deposited / "dataset_description.json").read_text())
    known = {one["name"] for one in described["variableMeasured"]}
    tables = list((deposited / "data").iterdir())
    assert "study-birds1_description-answers_data.csv" in {path.name for path in tables}
    for path in tables:
        assert not path.read_bytes().startswith(b"\xef\xbb\xbf")
        assert set(path.read_text().splitlines()[0].split(",")) <= known


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"licence": "MIT"}, "--licence MIT: must be one of CC0-1.0, CC-BY-4.0"),
        ({"author": []}, "name an author: --author 'Family, Given'"),
        ({"author": ["Ada"]}, "--author 'Ada': must be Family, Given"),
        ({"author": ["A, \nB"]}, "must be Family, Given"),
    ],
)
def test_what_is_missing_is_said_before_anything_is_written(given, said, tmp_path):
    answered_study(slug="birds")
    with pytest.raises(CommandError, match=said):
        call_command("deposit_study", "birds", tmp_path / "birds.zip", **{**GIVEN, **given})
    assert list(tmp_path.iterdir()) == []


def test_a_running_study_and_a_file_that_is_there_are_refused(tmp_path):
    open_study(slug="running")
    with pytest.raises(CommandError, match="study running is open: only a closed study is deposited"):
        call_command("deposit_study", "running", tmp_path / "birds.zip", **GIVEN)
    answered_study(slug="birds")
    (tmp_path / "birds.zip").write_text("mine")
    with pytest.raises(CommandError, match="there already; choose another name"):
        call_command("deposit_study", "birds", tmp_path / "birds.zip", **GIVEN)
    assert (tmp_path / "birds.zip").read_text() == "mine"
