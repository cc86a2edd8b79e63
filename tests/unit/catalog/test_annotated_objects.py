"""Annotated objects come in with the photographs, from each format, or not at all."""

import io
import json
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from PIL import Image as Pillow

from explainers import images
from studies.catalog.importing.image_folders import import_images
from studies.catalog.objects import seen_objects
from studies.models import Image, ImageObject, ImageSet
from tests.factories import make_picture

pytestmark = pytest.mark.django_db


@pytest.fixture
def folder(tmp_path) -> Path:
    """Two classes of two square pictures of 32 pixels, and one that lies on its side: 32 wide in the file, 20 high."""
    for seed, name in enumerate(("bell/1.png", "bell/2.png", "gold_fish/1.png", "gold_fish/3.png")):
        path = tmp_path / "photographs" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(make_picture(seed))
    exif = Pillow.Exif()
    exif[images.ORIENTATION] = 6
    picture = Pillow.open(io.BytesIO(make_picture(9))).crop((0, 0, 32, 20))
    picture.save(tmp_path / "photographs/bell/turned.png", exif=exif)
    return tmp_path / "photographs"


def written(tmp_path, name: str, content: str | bytes) -> Path:
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def rows(*lines: str) -> str:
    return "\n".join(("file,label,x0,y0,x1,y1", *lines)) + "\n"


def stored() -> list[tuple]:
    """Path, class and box of every object."""
    return [(one.image.path, one.label, one.box) for one in ImageObject.objects.select_related("image").order_by("pk")]


def refused(capsys, folder: Path, objects: Path, *options: str) -> list[str]:
    """The lines a command refuses with, having imported nothing."""
    with pytest.raises(CommandError) as caught:
        call_command("import_images", "things", str(folder), "--objects", str(objects), *options)
    assert not ImageSet.objects.exists()
    assert not Image.objects.exists()
    assert not ImageObject.objects.exists()
    assert "\n" not in str(caught.value)
    return capsys.readouterr().err.splitlines() or [str(caught.value)]


# --- CSV --------------------------------------------------------------------------------------------------------------


def test_rows_of_several_objects_an_image(folder, tmp_path, capsys):
    objects = written(
        tmp_path,
        "boxes.csv",
        rows("bell/1.png,bell,1,2,10.5,12", "bell/1.png,gold_fish,0,0,32,32", "3.png,bell,4,4,5,6"),
    )
    call_command("import_images", "things", str(folder), "--objects", str(objects))
    assert stored() == [
        ("bell/1.png", 0, (1, 2, 10.5, 12)),
        ("bell/1.png", 1, (0, 0, 32, 32)),
        ("gold_fish/3.png", 0, (4, 4, 5, 6)),
    ]
    assert "3 annotated objects." in capsys.readouterr().out


def test_labels_are_matched_by_name_title_and_wordnet_id(tmp_path):
    for seed, name in enumerate(("n01440764/1.png", "n01443537/1.png")):
        (tmp_path / "fish" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "fish" / name).write_bytes(make_picture(seed))
    lines = [f"n01440764/1.png,{label},0,0,4,4" for label in ("n01440764", "tench", "Tench", "goldfish", "n01443537")]
    import_images("fish", tmp_path / "fish", objects=written(tmp_path, "boxes.csv", rows(*lines)))
    assert [label for _, label, _ in stored()] == [0, 0, 0, 1, 1]


def test_a_box_is_turned_with_its_photograph_unless_it_is_said_to_be_upright(folder, tmp_path):
    csv = written(tmp_path, "boxes.csv", rows("bell/turned.png,bell,0,0,32,10"))
    import_images("things", folder, objects=csv)
    # Held on its side: the upper half of the file is the right half of the upright picture, 20 wide and 32 high.
    assert stored() == [("bell/turned.png", 0, (10, 0, 20, 32))]
    upright = written(tmp_path, "upright.csv", rows("bell/turned.png,bell,0,0,20,10"))
    call_command("import_images", "again", str(folder), "--objects", str(upright), "--objects-upright")
    assert stored()[-1] == ("bell/turned.png", 0, (0, 0, 20, 10))


def test_a_box_a_rounding_beyond_the_edge_is_clipped(folder, tmp_path):
    import_images("things", folder, objects=written(tmp_path, "b.csv", rows("bell/1.png,bell,-0.5,3,32.4,33")))
    assert stored() == [("bell/1.png", 0, (0, 3, 32, 32))]


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("bell/9.png,bell,0,0,4,4", "there is no photograph bell/9.png in the image set"),
        ("1.png,bell,0,0,4,4", "several photographs could be 1.png: bell/1.png and gold_fish/1.png; give the path"),
        ("bell/1.png,drum,0,0,4,4", "drum is not a class of the image set (bell, gold_fish)"),
        ("bell/1.png,,0,0,4,4", "it has no label"),
        (",bell,0,0,4,4", "it names no file"),
        ("bell/1.png,bell,a,0,4,4", "x0 must be a number, not a"),
        ("bell/1.png,bell,0,0,4", "y1 must be a number, not nothing"),
        ("bell/1.png,bell,0,0,nan,4", "x1 must be a number, not nan"),
        ("bell/1.png,bell,0,0,1e999,4", "x1 must be a number, not 1e999"),
        ("bell/1.png,bell,0,0,1_0,4", "x1 must be a number, not 1_0"),
        ("bell/1.png,bell,4,0,4,4", "its box is empty: from 4, 0 to 4, 4"),
        ("bell/1.png,bell,8,0,4,4", "its box is empty: from 8, 0 to 4, 4"),
        ("bell/1.png,bell,0,0,34,4", "its box 0, 0, 34, 4 is not inside bell/1.png, 32 × 32 pixels"),
        ("bell/1.png,bell,40,0,50,4", "its box 40, 0, 50, 4 is not inside bell/1.png, 32 × 32 pixels"),
    ],
)
def test_a_bad_row_is_one_line_with_its_file_and_number(folder, tmp_path, capsys, line, why):
    objects = written(tmp_path, "boxes.csv", rows("bell/1.png,bell,0,0,4,4", line))
    assert refused(capsys, folder, objects) == [f"boxes.csv, line 3: {why}"]


def test_every_bad_row_has_its_line(folder, tmp_path, capsys):
    objects = written(tmp_path, "boxes.csv", rows(*(f"bell/1.png,drum,0,0,4,{n}" for n in range(30))))
    lines = refused(capsys, folder, objects)
    assert len(lines) == 30
    assert lines[-1].startswith("boxes.csv, line 31: ")


@pytest.mark.parametrize(
    ("name", "content", "why"),
    [
        ("boxes.csv", "file,label,x0,y0,x1\n", "boxes.csv: no column y1 (there must be file, label, x0, y0, x1, y1)"),
        ("boxes.csv", "", "boxes.csv: is empty: copy or download it again"),
        ("boxes.csv", b"\xff\xfe\xfd", "boxes.csv: not UTF-8 text"),
        ("boxes.csv", rows(), "there are no objects in it"),
    ],
)
def test_a_file_that_is_no_table_is_refused_in_one_line(folder, tmp_path, capsys, name, content, why):
    assert refused(capsys, folder, written(tmp_path, name, content)) == [why]


def test_a_file_that_is_not_there_and_options_without_objects_are_refused(folder, tmp_path, capsys):
    assert refused(capsys, folder, tmp_path / "none.csv") == [f"{tmp_path}/none.csv: No such file or directory"]
    with pytest.raises(CommandError, match="--objects-upright and --skip-other-objects go with --objects"):
        call_command("import_images", "things", str(folder), "--objects-upright")


def test_objects_of_other_classes_can_be_left_out_and_are_counted(folder, tmp_path, capsys):
    objects = written(tmp_path, "boxes.csv", rows("bell/1.png,bell,0,0,4,4", "bell/1.png,drum,0,0,4,4"))
    call_command("import_images", "things", str(folder), "--objects", str(objects), "--skip-other-objects")
    assert len(stored()) == 1
    assert "left out 1 objects: of another class" in capsys.readouterr().err
    only = written(tmp_path, "others.csv", rows("bell/1.png,drum,0,0,4,4"))
    with pytest.raises(CommandError, match="all of its objects would be left out"):
        call_command("import_images", "more", str(folder), "--objects", str(only), "--skip-other-objects")


def test_objects_on_photographs_that_are_left_out_are_left_out_and_counted(folder, tmp_path, capsys):
    (folder / "bell/copy.png").write_bytes((folder / "bell/1.png").read_bytes())
    objects = written(tmp_path, "b.csv", rows("bell/copy.png,bell,0,0,4,4", "bell/1.png,bell,0,0,4,4"))
    call_command("import_images", "things", str(folder), "--objects", str(objects))
    assert stored() == [("bell/1.png", 0, (0, 0, 4, 4))]
    assert "left out 1 objects: on photographs that are left out" in capsys.readouterr().err


def test_a_dry_run_checks_objects_and_writes_nothing(folder, tmp_path, capsys):
    objects = written(tmp_path, "boxes.csv", rows("bell/1.png,bell,0,0,4,4"))
    call_command("import_images", "things", str(folder), "--objects", str(objects), "--dry-run")
    assert "1 annotated objects." in capsys.readouterr().out
    assert not ImageSet.objects.exists()
    assert not ImageObject.objects.exists()
    bad = written(tmp_path, "bad.csv", rows("bell/1.png,drum,0,0,4,4"))
    assert refused(capsys, folder, bad, "--dry-run")[0].startswith("bad.csv, line 2: drum is not a class")


# --- PASCAL VOC -------------------------------------------------------------------------------------------------------


def voc(*objects: str, file: str = "1.png", folder: str = "bell", size: str = "", head: str = "") -> str:
    return (
        f"{head}<annotation><folder>{folder}</folder><filename>{file}</filename>{size}{''.join(objects)}</annotation>"
    )


def thing(name: str = "bell", box: str = "<xmin>1</xmin><ymin>3</ymin><xmax>10</xmax><ymax>12</ymax>") -> str:
    return f"<object><name>{name}</name><part><name>x</name></part><bndbox>{box}</bndbox></object>"


def size(width: int, height: int) -> str:
    return f"<size><width>{width}</width><height>{height}</height><depth>3</depth></size>"


def test_a_folder_of_voc_files_counts_pixels_from_one_and_includes_the_last(folder, tmp_path):
    written(tmp_path, "xml/a.xml", voc(thing(), thing("gold fish"), file="2.png", size=size(32, 32)))
    written(tmp_path, "xml/b.XML", voc(thing(), file="bell/turned.png", size=size(32, 20)))
    written(tmp_path, "xml/none.xml", voc(file="3.png"))
    import_images("things", folder, objects=tmp_path / "xml")
    assert stored() == [
        ("bell/2.png", 0, (0, 2, 10, 12)),
        ("bell/2.png", 1, (0, 2, 10, 12)),
        ("bell/turned.png", 0, (8, 0, 18, 10)),
    ]


@pytest.mark.parametrize(
    ("xml", "why"),
    [
        ("<annotation>", "line 1: not XML (no element found)"),
        ("", "line 1: not XML (no element found)"),
        ("<html/>", "its outermost element is html, not annotation: not PASCAL VOC"),
        ("<annotation/>", "it has no filename"),
        (voc(thing(), file="2.png") + "<annotation/>", "line 1: not XML (junk after document element)"),
        (voc(thing(), file=""), "line 1, object 1: it names no file"),
        (voc("\n<object><name>bell</name></object>", file="2.png"), "line 2, object 1: it has no bndbox"),
        (voc(thing(box="<xmin>1</xmin>"), file="2.png"), "line 1, object 1: it has no ymin"),
        (voc(thing(box="<xmin>1</xmin><xmin>1</xmin>"), file="2.png"), "line 1, object 1: it has 2 elements xmin"),
        (voc(thing(), thing("drum"), file="2.png"), "line 1, object 2: drum is not a class of the image set"),
        (
            voc(thing(), file="2.png", size=size(64, 32)),
            "line 1, object 1: its picture has 64 × 32 pixels, and bell/2.png",
        ),
        (voc(thing(), file="turned.png", size=size(20, 32)), "it is turned by EXIF: give --objects-upright"),
        (
            voc(thing(), head='<!DOCTYPE annotation SYSTEM "x.dtd">'),
            "line 1: a document type or entity, which is not read",
        ),
        (voc(thing(), head='<!DOCTYPE a [<!ENTITY b "c">]>'), "line 1: a document type or entity, which is not read"),
        (voc(thing(), head='<?xml version="1.0" encoding="klingon"?>'), "unknown encoding: klingon"),
        ("<a>" * 100, "more than 32 elements within each other"),
    ],
)
def test_a_bad_voc_file_is_one_line_with_its_element(folder, tmp_path, capsys, xml, why):
    written(tmp_path, "xml/a.xml", voc(thing(), file="2.png"))
    written(tmp_path, "xml/bad.xml", xml)
    (line,) = refused(capsys, folder, tmp_path / "xml")
    assert line.startswith("bad.xml")
    assert why in line


def test_an_entity_that_grows_or_leads_elsewhere_is_never_read(folder, tmp_path, capsys):
    secret = written(tmp_path, "secret", "bell")
    head = f'<!DOCTYPE a [<!ENTITY label SYSTEM "file://{secret}">]>'
    written(tmp_path, "xml/a.xml", voc(thing("&label;"), file="2.png", head=head))
    assert refused(capsys, folder, tmp_path / "xml") == ["a.xml: line 1: a document type or entity, which is not read"]


def test_a_folder_without_xml_and_a_link_are_refused(folder, tmp_path, capsys):
    (tmp_path / "xml").mkdir()
    assert refused(capsys, folder, tmp_path / "xml") == [
        f"{tmp_path}/xml: no XML files in it (a folder of annotations is PASCAL VOC)"
    ]
    (tmp_path / "xml/a.xml").symlink_to(written(tmp_path, "elsewhere.xml", voc(thing(), file="2.png")))
    assert refused(capsys, folder, tmp_path / "xml") == ["a.xml: is a link"]


# --- COCO -------------------------------------------------------------------------------------------------------------


def coco(**changes) -> dict:
    return {
        "images": [{"id": 7, "file_name": "photographs/bell/1.png", "width": 32, "height": 32}],
        "annotations": [{"id": 1, "image_id": 7, "category_id": 3, "bbox": [1, 2.5, 10, 12], "iscrowd": 0}],
        "categories": [{"id": 3, "name": "gold fish"}],
    } | changes


def one(**changes) -> dict:
    return coco(annotations=[coco()["annotations"][0] | changes])


def test_coco_is_told_by_its_content_and_crowds_are_left_out(folder, tmp_path, capsys):
    given = coco(annotations=[*coco()["annotations"], coco()["annotations"][0] | {"iscrowd": 1}])
    objects = written(tmp_path, "no-ending", "\ufeff " + json.dumps(given))
    call_command("import_images", "things", str(folder), "--objects", str(objects))
    assert stored() == [("bell/1.png", 1, (1, 2.5, 11, 14.5))]
    assert "left out 1 objects: a crowd, not one object" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ("{", "coco.json, line 1: not valid JSON"),
        ("[" * 100_000, "coco.json: not valid JSON"),
        ("[1]", "coco.json: not COCO: there must be the lists images, annotations, categories, and images is not one"),
        (json.dumps(coco(categories={})), "coco.json: not COCO"),
        ('{"images": [], "annotations": [NaN], "categories": []}', "coco.json: not valid JSON (NaN is not a number"),
        (json.dumps(coco(images=[{"id": 7}])), "coco.json, images[0]: has no file_name"),
        (json.dumps(coco(images=[3])), "coco.json, images[0]: must be an object with an id"),
        (
            json.dumps(coco(categories=coco()["categories"] * 2)),
            "coco.json, categories[1]: id 3 is given a second time",
        ),
        (json.dumps(coco(annotations=[3])), "coco.json, annotations[0]: must be an object"),
        (json.dumps(one(image_id=8)), "coco.json, annotations[0]: image_id 8 is not among the images"),
        (json.dumps(one(category_id=[])), "coco.json, annotations[0]: category_id [] is not among the categories"),
        (json.dumps(one(bbox=[1, 2, 3])), "coco.json, annotations[0]: bbox must be a list of four numbers"),
        (json.dumps(one(bbox=[1, 2, 3, True])), "coco.json, annotations[0]: bbox must be a list of four numbers"),
        (
            json.dumps(one(bbox=[1, 2, 3, 10**400])),
            "coco.json, annotations[0]: its bbox has a number that is not finite",
        ),
        (json.dumps(one(bbox=[1, 2, 0, 4])), "coco.json, annotations[0]: its box is empty"),
        (
            json.dumps(coco(images=[coco()["images"][0] | {"width": 64}])),
            "coco.json, annotations[0]: its picture has 64 × 32 pixels, and bell/1.png has 32 × 32",
        ),
        (json.dumps(coco(images=[coco()["images"][0] | {"width": "wide"}])), "is not a number of pixels"),
    ],
)
def test_a_bad_element_of_coco_is_one_line(folder, tmp_path, capsys, given, why):
    lines = refused(capsys, folder, written(tmp_path, "coco.json", given))
    assert why in lines[0]


# --- as a classifier sees them ----------------------------------------------------------------------------------------


def test_objects_follow_the_crop_and_those_cropped_away_are_counted(folder, tmp_path):
    lines = ("bell/turned.png,bell,0,0,3,3", "bell/turned.png,bell,14,4,20,8", "bell/1.png,gold_fish,0,0,32,32")
    import_images("things", folder, objects=written(tmp_path, "boxes.csv", rows(*lines)))
    found = seen_objects(Image.objects.all(), {"resize": 10, "crop": 8})
    by_path = {one.path: found.by_image[one.sha256] for one in Image.objects.all()}
    # Upright it is 20 wide and 32 high; resized 10 wide and 16 high, of which the middle 8 × 8 stay.
    assert found.cropped_away == 1
    assert by_path["bell/turned.png"] == [(0, (5, 3, 7, 6))]
    assert by_path["bell/1.png"] == [(1, (0, 0, 8, 8))]
    assert by_path["bell/2.png"] == []
