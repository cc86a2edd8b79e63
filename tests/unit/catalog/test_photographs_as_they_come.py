"""More of what people have: how folders, tables, zips and files really look, and what becomes of each."""

import io
import unicodedata
import zipfile

import numpy as np
import pytest
from django.core.management import CommandError, call_command
from PIL import Image as Pillow

from explainers.images import ImageError, load
from studies.models import ImageClass, ImageSet
from tests.archives import packed
from tests.factories import make_picture
from tests.unit.catalog.test_folders_as_they_come import files, imported, refusal, source, written  # noqa: F401

pytestmark = pytest.mark.django_db


def encoded(picture: Pillow.Image, kind: str, **options) -> bytes:
    file = io.BytesIO()
    picture.save(file, kind, **options)
    return file.getvalue()


# --- folders ----------------------------------------------------------------------------------------------------------


def test_numbers_with_zeros_before_them_are_numbers(source):  # noqa: F811
    names = [f"{n:02}" for n in range(12)]
    assert list(imported(source(files(*names, n=1)))) == names
    assert list(ImageClass.objects.values_list("output", flat=True)) == list(range(12))


def test_numbers_that_begin_at_one_or_have_a_hole_stay_the_numbers_they_are(source):  # noqa: F811
    assert list(imported(source(files("1", "2", "4", "10", n=1)))) == ["1", "2", "4", "10"]
    assert list(ImageClass.objects.values_list("output", flat=True)) == [1, 2, 4, 10]


@pytest.mark.parametrize(
    ("one", "other"),
    [("Heron", "heron"), ("heron", "heron "), ("café", unicodedata.normalize("NFD", "café")), ("ﬁsh", "fish")],
    ids=["capitals", "a space behind", "composed in two ways", "a ligature"],
)
def test_folders_that_people_cannot_tell_apart_are_refused(source, one, other):  # noqa: F811
    assert "differ in spelling only" in refusal(source(files(one, other)))


def test_labels_that_people_cannot_tell_apart_are_refused(source):  # noqa: F811
    other = unicodedata.normalize("NFD", "café")
    table = f"file,label\na/0.png,café\nb/0.png,{other}\n".encode()
    assert "differ in spelling only" in refusal(source(files("a", "b", n=1) | {"labels.csv": table}))


def test_what_systems_and_notebooks_leave_beside_photographs_is_passed_over(source):  # noqa: F811
    content = files("a", "b", n=1)
    left = {"a/Thumbs.db": b"x", "b/.ipynb_checkpoints/0-checkpoint.png": make_picture(9), "__MACOSX/a/._0.png": b"x"}
    assert imported(source(content | left)) == {"a": ["a/0.png"], "b": ["b/0.png"]}


def test_the_same_photograph_in_train_and_val_counts_once_and_is_named(source, capsys):  # noqa: F811
    content = files("train/a", "train/b", "val/a", "val/b")
    content["val/a/0.png"] = content["train/a/1.png"]
    assert [len(paths) for paths in imported(source(content), level=2).values()] == [3, 4]
    assert "left out val/a/0.png: the same photograph as train/a/1.png" in capsys.readouterr().err


def test_the_same_photograph_under_two_classes_of_train_and_val_is_refused(source):  # noqa: F811
    content = files("train/a", "train/b", "val/a", "val/b")
    content["val/b/0.png"] = content["train/a/1.png"]
    said = refusal(source(content), level=2)
    assert "train/a/1.png and val/b/0.png are the same photograph under two labels, a and b" in said


@pytest.mark.parametrize("level", [-1, 0, 2, 9])
def test_a_level_of_folders_that_there_is_not_is_refused(source, level):  # noqa: F811
    assert f"there is no level {level} of folders (there are 1)" in refusal(source(files("a", "b")), level=level)


@pytest.mark.parametrize("n", [101, 300])
def test_a_name_that_no_column_has_room_for_is_refused_on_every_database(source, n):  # noqa: F811
    with pytest.raises(CommandError) as refused:
        call_command("import_images", n * "x", source(files("a", "b")))
    assert f"has {n} characters, and a short name at most 100" in str(refused.value)
    with pytest.raises(CommandError) as refused:
        call_command("import_images", "x" * n + "\n", source(files("a", "b")))
    assert "is not a valid short name" in str(refused.value)
    assert len(str(refused.value)) < 200
    assert not ImageSet.objects.exists()


# --- zips -------------------------------------------------------------------------------------------------------------


def test_a_zip_in_a_zip_is_named_and_not_opened(source, capsys):  # noqa: F811
    content = files("a", "b", n=1)
    assert list(imported(source(content | {"more.zip": packed(files("c"))}))) == ["a", "b"]
    assert "left out more.zip: beside the folders of the classes" in capsys.readouterr().err


def test_a_zip_in_the_place_of_a_photograph_is_refused(source):  # noqa: F811
    assert "a/more.zip: is a zip archive, not the picture: unpack it first" in refusal(
        source(files("a", "b") | {"a/more.zip": packed(files("c"))})
    )


POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:4665a5\nsize 12345\n"
NOT_PICTURES = {
    POINTER: "is a Git LFS pointer, not the picture: run git lfs pull",
    b"<!doctype html><html>404</html>": "is an HTML page, not the picture: download the file itself",
    b"": "is empty: copy or download it again",
    b"to be photographed": "is a text file, not the picture",
}


@pytest.mark.parametrize("data", NOT_PICTURES, ids=["pointer", "page", "empty", "text"])
def test_a_file_in_the_place_of_a_photograph_is_named_for_what_it_is(source, data):  # noqa: F811
    said = NOT_PICTURES[data]
    assert f"b/0.png: {said}" in refusal(source(files("a", "b") | {"b/0.png": data}))


def test_a_folder_of_pointers_alone_is_refused_as_such(source):  # noqa: F811
    assert f"a/0.png: {NOT_PICTURES[POINTER]}" in refusal(source(dict.fromkeys(files("a", "b"), POINTER)))


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (POINTER, "birds.zip: is a Git LFS pointer, not a zip archive: run git lfs pull"),
        (b"<html>Sign in</html>", "birds.zip: is an HTML page, not a zip archive: download the file itself"),
        (b"", "birds.zip: is empty: copy or download it again"),
        (b"7z\xbc\xaf\x27\x1c" + bytes(60), "birds.zip: is a 7-Zip archive, not a zip archive: pack the folder as zip"),
        (make_picture(0), "birds.zip: is a PNG picture, not a zip archive: pack the folder as zip"),
    ],
    ids=["pointer", "page", "empty", "7z", "picture"],
)
def test_a_file_in_the_place_of_a_zip_is_named_for_what_it_is(tmp_path, data, said):
    (tmp_path / "birds.zip").write_bytes(data)
    assert refusal(tmp_path / "birds.zip").startswith(said)


def test_a_zip_of_zips_is_refused(tmp_path):
    (tmp_path / "all.zip").write_bytes(packed({"cat.zip": packed(files("a")), "dog.zip": packed(files("b"))}))
    assert "cat.zip: is a zip archive, not the picture" in refusal(tmp_path / "all.zip")


def test_paths_as_windows_writes_them_are_refused_with_the_reason(tmp_path):
    with zipfile.ZipFile(tmp_path / "birds.zip", "w") as archive:
        for name, data in (("a\\0.png", make_picture(0)), ("b\\0.png", make_picture(1))):
            archive.writestr(name, data)
    assert "its path is written as on Windows" in refusal(tmp_path / "birds.zip")


# --- labels.csv -------------------------------------------------------------------------------------------------------


def test_paths_that_begin_with_a_point_are_taken(source):  # noqa: F811
    table = b"file,label\n./a/0.png,ant\n./b/0.png,bell\n"
    content = files("a", "b", n=1) | {"labels.csv": table}
    assert imported(source(content)) == {"ant": ["a/0.png"], "bell": ["b/0.png"]}


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ("file,label\na/0.png,é\n".encode("cp1252"), "labels.csv: not UTF-8 text"),
        (b"filename,label\na/0.png,ant\n", "labels.csv: no column file (there must be file, label)"),
        (b"file,label\na/0.png,ant\na/0.png,bell\n", "labels.csv, line 3: a/0.png is listed twice"),
        (b"file,label,index\na/0.png,ant,3.0\n", "index must be a whole number from 0 up, not 3.0"),
        (b"file,label\na\\0.png,ant\n", "its path is written as on Windows"),
        (b"file,label\na/7.png,ant\n", "a/7.png: No such file, though labels.csv lists it"),
        (b"file,label\n", "labels.csv: no line of it gives a file its class"),
        (b"file,label\na/0.png,\n", "gives a file its class (line 2: file and label must both be given)"),
        (b"", "labels.csv: is empty: copy or download it again"),
        (POINTER, "labels.csv: is a Git LFS pointer, not a table: run git lfs pull"),
        (
            b"PK\x03\x04" + bytes(22) + b"\x13\0\0\0[Content_Types].xml",
            "labels.csv: is a document of an office program",
        ),
    ],
    ids=[
        "a code page",
        "other headers",
        "twice",
        "fractions",
        "windows",
        "missing",
        "only headers",
        "no labels",
        "empty",
        "pointer",
        "workbook",
    ],
)
def test_a_table_that_cannot_be_followed_is_refused_with_its_line(source, table, said):  # noqa: F811
    assert said in refusal(source(files("a", "b", n=1) | {"labels.csv": table}))


# --- files ------------------------------------------------------------------------------------------------------------


def test_a_photograph_is_known_by_its_content_whatever_its_name_ends_in(source):  # noqa: F811
    grey = Pillow.effect_noise((24, 16), 60)
    content = {"a/0.PNG": make_picture(0), "a/1.png": encoded(grey.convert("RGB"), "JPEG"), "b/noend": make_picture(2)}
    assert imported(source(content)) == {"a": ["a/0.PNG", "a/1.png"], "b": ["b/noend"]}


def stripes(mode: str = "RGB") -> Pillow.Image:
    """Red, green, blue and white, in columns."""
    columns = np.array([(255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)], np.uint8)
    return Pillow.fromarray(np.repeat(np.repeat(columns[None], 4, 0), 4, 1)).convert(mode)


def test_a_picture_for_printing_has_the_colours_it_has_on_a_screen():
    colours = load(encoded(stripes("CMYK"), "JPEG", quality=100, subsampling=0))[2, 2::4]
    assert abs(colours.astype(int) - [(255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)]).max() < 12


def test_what_is_transparent_lies_over_white_in_every_way_of_saying_so():
    clear = stripes("RGBA")
    clear.putpixel((0, 0), (255, 0, 0, 0))
    palette = stripes("P")
    red = palette.getpixel((0, 0))
    for data in (
        encoded(clear, "PNG"),
        encoded(clear, "WEBP", lossless=True),
        encoded(palette, "PNG", transparency=red),
        encoded(palette, "GIF", transparency=red),
        encoded(stripes(), "PNG", transparency=(255, 0, 0)),
        encoded(clear.convert("LA"), "PNG"),
    ):
        pixels = load(data)
        assert tuple(pixels[0, 0]) == (255, 255, 255)
        assert pixels.shape == (4, 16, 3)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_photograph_is_upright_however_the_camera_was_held(orientation):
    turned = Pillow.Exif()
    turned[0x0112] = orientation
    pixels = load(encoded(stripes(), "PNG", exif=turned))
    corner = {1: (255, 0, 0), 2: (255, 255, 255), 3: (255, 255, 255), 4: (255, 0, 0)}
    assert pixels.shape == ((4, 16, 3) if orientation < 5 else (16, 4, 3))
    assert tuple(pixels[0, 0]) == corner.get(orientation, (255, 0, 0) if orientation in (5, 6) else (255, 255, 255))


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (encoded(Pillow.new("I;16", (8, 8), 40_000), "PNG"), "has 16 bits a channel"),
        (encoded(Pillow.new("I;16", (8, 8), 40_000), "TIFF"), "has 16 bits a channel"),
        (encoded(Pillow.new("F", (8, 8), 0.5), "TIFF"), "has 32 bits a channel"),
        (encoded(stripes(), "PNG", save_all=True, append_images=[stripes().rotate(180)]), "2 frames"),
        (encoded(stripes(), "WEBP", save_all=True, append_images=[stripes().rotate(180)]), "2 frames"),
        (encoded(stripes(), "TIFF", save_all=True, append_images=[stripes().rotate(180)]), "2 frames"),
        (encoded(stripes(), "JPEG")[:-200], "damaged or cut short"),
        (b"", "is empty"),
    ],
    ids=["PNG 16", "TIFF 16", "floats", "moving PNG", "moving WebP", "pages of TIFF", "cut short", "no bytes"],
)
def test_what_would_be_another_picture_is_refused(data, said):
    with pytest.raises(ImageError, match=said):
        load(data)
