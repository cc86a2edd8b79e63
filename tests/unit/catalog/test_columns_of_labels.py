"""Columns of a labels.csv beside file and label: parts are asked about, and what is not read is named."""

import pytest

from studies.catalog.importing.folders import Folder
from studies.catalog.importing.image_folders import import_images
from studies.catalog.importing.photographs import listed
from tests.unit.catalog.test_folders_as_they_come import files, imported, refusal, source, written  # noqa: F401

pytestmark = pytest.mark.django_db


def table(column: str, *values: str, header: str = "file,label") -> dict[str, bytes]:
    """Photographs of two classes with a labels.csv whose further column has these values."""
    content = files("a", "b")
    lines = [f"{path},{path[0]},{value}" for path, value in zip(content, values, strict=True)]
    return content | {"labels.csv": "\n".join([f"{header},{column}", *lines]).encode()}


PARTS = {
    "split": ("train", "val", "train", "train"),
    "Subset": ("1", "2", "2", "1"),
    "purpose": ("training", "test", "test", "training"),
    "fold": ("0", "1", "", "0"),
}


@pytest.mark.parametrize("column", PARTS)
def test_a_column_that_divides_the_photographs_is_asked_about(source, column):  # noqa: F811
    said = refusal(source(table(column, *PARTS[column])))
    first, second = sorted(set(PARTS[column]), key=PARTS[column].count, reverse=True)[:2]
    assert said.startswith(f"labels.csv: its column {column.lower()} divides the photographs into ")
    assert f"{first} {PARTS[column].count(first)}" in said
    assert f"{second} {PARTS[column].count(second)}" in said
    assert "--part all" in said


def test_one_part_or_all_of_them_are_imported_as_it_is_said(source, capsys):  # noqa: F811
    path = source(table("split", "train", "val", "train", "train"))
    assert imported(path, part="train") == {"a": ["a/0.png"], "b": ["b/0.png", "b/1.png"]}
    assert "left out a/1.png: of another part, split val" in capsys.readouterr().err


def test_all_parts_are_imported_where_that_is_said(source, capsys):  # noqa: F811
    path = source(table("split", "train", "val", "train", "train"))
    assert imported(path, part="all") == {"a": ["a/0.png", "a/1.png"], "b": ["b/0.png", "b/1.png"]}
    assert "left out" not in capsys.readouterr().err


def test_a_class_of_another_part_alone_is_not_a_class(source):  # noqa: F811
    content = table("split", "train", "train", "train", "train") | files("c", n=1)
    content["labels.csv"] += b"\nc/0.png,c,val"
    content["c/0.png"] = content["a/0.png"][:-12] + b"\0" * 12  # A broken one, which no part that is taken needs.
    assert list(imported(source(content), part="train")) == ["a", "b"]


@pytest.mark.parametrize(
    ("part", "said"),
    [("test", "the column split has train 3, val 1, and not test"), ("Train", "and not Train"), ("", "say which are")],
)
def test_a_part_that_there_is_not_is_refused_with_those_there_are(source, part, said):  # noqa: F811
    assert said in refusal(source(table("split", "train", "val", "train", "train")), part=part)


def test_a_part_without_a_column_or_a_table_is_refused(source):  # noqa: F811
    assert "has no column of parts such as split" in refusal(source(table("by", "x", "x", "y", "y")), part="train")


def test_a_part_of_folders_is_refused(source):  # noqa: F811
    assert "--part is for a labels.csv" in refusal(source(files("a", "b")), part="all")


def test_a_column_with_one_value_divides_nothing_and_is_named_as_not_read(source, capsys):  # noqa: F811
    assert len(imported(source(table("split", *4 * ["train"])))) == 2
    assert "left out labels.csv: the classes are taken from it; its column split is not read" in capsys.readouterr().err


@pytest.mark.parametrize("column", ["photographer", "title", "weight"])
def test_a_column_that_is_not_read_is_named_in_the_report(source, capsys, column):  # noqa: F811
    assert len(imported(source(table(column, "x", "y", "x", "z")))) == 2
    assert f"its column {column} is not read" in capsys.readouterr().err


def test_of_many_columns_the_first_are_named_and_the_rest_counted(tmp_path):
    columns = ",".join(["", "Ünit", *(f"c{n}" for n in range(9))])
    content = table(columns, *4 * ["1"])
    _, left_out = import_images("things", written(tmp_path / "set", content))
    assert left_out == ["labels.csv"]
    (line,) = [one.left_out for one in listed(Folder(tmp_path / "set")) if one.left_out]
    assert line.endswith("its columns one without a name, ünit, c0, c1, c2, c3, c4, c5 and 3 more are not read")


def test_boxes_in_the_place_of_labels_are_named_with_what_reads_them(source, capsys):  # noqa: F811
    assert imported(source(table("x0,y0,x1,y1", *4 * ["0,0,8,8"])))
    assert "its columns x0, y0, x1, y1 are not read; boxes are read from a file of their own" in capsys.readouterr().err


def test_columns_that_are_read_are_no_news(source, capsys):  # noqa: F811
    """The negative control."""
    assert len(imported(source(table("index", "0", "0", "1", "1")))) == 2
    assert "labels.csv" not in capsys.readouterr().err


def test_labels_that_are_parts_are_not_taken_for_classes(source):  # noqa: F811
    content = files("a", "b", n=1) | {"labels.csv": b"file,label\na/0.png,train\nb/0.png,val\n"}
    assert "train, val look like parts of a data set, not like classes" in refusal(source(content))


def test_a_label_with_a_comma_does_not_lose_what_stands_behind_it(source):  # noqa: F811
    content = files("a", "b", n=1) | {"labels.csv": b"file,label\na/0.png,heron, grey\nb/0.png,stork\n"}
    assert "labels.csv, line 2: has more cells than there are columns" in refusal(source(content))


def test_a_label_with_a_comma_between_quotation_marks_is_whole(source):  # noqa: F811
    content = files("a", "b", n=1) | {"labels.csv": b'file,label\na/0.png,"heron, grey",\nb/0.png,stork\n'}
    assert list(imported(source(content))) == ["heron, grey", "stork"]
