"""Folders, zips and labels.csv as researchers have them: the right classes, or a line that says why not."""

import io
import struct
import zipfile
import zlib
from pathlib import Path

import pillow_heif
import pytest
from django.core.management import CommandError, call_command
from PIL import Image as Pillow

from studies.models import Image, ImageClass, ImageSet
from tests.archives import packed
from tests.factories import make_picture

pytestmark = pytest.mark.django_db


def files(*folders: str, n: int = 2) -> dict[str, bytes]:
    """Photographs, no two the same, n in each of these folders."""
    return {f"{folder}/{i}.png": make_picture(10 * k + i) for k, folder in enumerate(folders) for i in range(n)}


def written(root: Path, content: dict[str, bytes]) -> Path:
    for path, data in content.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(data)
    return root


@pytest.fixture(params=["folder", "zip"])
def source(request, tmp_path):
    """The same files as a folder and as a zip."""

    def make(content: dict[str, bytes]) -> Path:
        if request.param == "folder":
            return written(tmp_path / "source", content)
        (tmp_path / "source.zip").write_bytes(packed(content))
        return tmp_path / "source.zip"

    return make


def imported(path: Path, **options) -> dict[str, list[str]]:
    """The paths of each class that a command imported, by the class's name in order."""
    call_command("import_images", "things", path, **options)
    rows = ImageSet.objects.get().classes.order_by("index")
    return {row.name: list(Image.objects.filter(label=row.index).values_list("path", flat=True)) for row in rows}


def refusal(path: Path, **options) -> str:
    with pytest.raises(CommandError) as caught:
        call_command("import_images", "things", path, **options)
    assert not ImageSet.objects.exists()
    assert "\n" not in str(caught.value)
    return str(caught.value)


# --- the level of the classes -----------------------------------------------------------------------------------------


def test_a_wrapper_with_a_readme_beside_the_classes_is_seen_through(source, capsys):
    content = files("birds/cat", "birds/dog", "birds/eel", n=3) | {"birds/README.txt": b"words"}
    classes = imported(source(content))
    assert list(classes) == ["cat", "dog", "eel"]
    assert classes["cat"] == ["cat/0.png", "cat/1.png", "cat/2.png"]
    assert "left out birds/README.txt: beside the folders of the classes, and is a text file" in capsys.readouterr().err


def test_folders_within_the_classes_that_all_have_one_name_are_seen_through(source):
    assert imported(source(files("cat/images", "dog/images"))) == {
        "cat": ["cat/images/0.png", "cat/images/1.png"],
        "dog": ["dog/images/0.png", "dog/images/1.png"],
    }


UNCERTAIN = {
    "train and val above the classes": (
        files("birds/train/cat", "birds/train/dog", "birds/val/cat", "birds/val/dog"),
        "folders differ at several levels, train, val at level 2 and cat, dog at level 3",
        3,
        ["cat", "dog"],
    ),
    "train and val above one class": (
        files("train/cat", "val/cat"),
        "train, val look like parts of a data set, not like classes",
        1,
        ["train", "val"],
    ),
    "parts of a data set beside another folder": (
        files("train", "val", "extra"),
        "train, val look like parts of a data set, not like classes",
        1,
        ["extra", "train", "val"],
    ),
    "parts of a data set with a year": (
        files("Train2017", "val2017"),
        "Train2017, val2017 look like parts of a data set, not like classes",
        1,
        ["Train2017", "val2017"],
    ),
    "parts of a data set in several words": (
        files("images_testset", "training-set"),
        "images_testset, training-set look like parts of a data set, not like classes",
        1,
        ["images_testset", "training-set"],
    ),
    "photographs at several depths": (
        files("cat", "cat/more", "dog"),
        "photographs lie at several depths, cat/0.png and cat/more/0.png for example",
        1,
        ["cat", "dog"],
    ),
    "one class": (
        files("pets/cat"),
        "there is one folder only at every level, pets, cat, and so one class",
        2,
        ["cat"],
    ),
}


@pytest.mark.parametrize("case", UNCERTAIN)
def test_what_is_not_certain_is_refused_with_the_choices_and_level_decides(source, case):
    content, said, level, classes = UNCERTAIN[case]
    path = source(content)
    line = refusal(path)
    assert said in line
    assert f"--level {level} ({classes[0]} " in line
    assert list(imported(path, level=level)) == classes


def test_a_single_class_of_trains_is_a_class(source):
    assert list(imported(source(files("boat", "train")))) == ["boat", "train"]


def test_photographs_above_the_level_that_was_chosen_are_refused(source):
    path = source(files("cat", "cat/more", "dog"))
    names = ("cat/0.png", "cat/1.png", "dog/0.png", "dog/1.png")
    lines = [f"{name}: above the classes" for name in names]
    assert refusal(path, level=2) == f"4 files are refused: {'; '.join(lines)}"


def test_photographs_without_any_folder_have_no_class(source):
    assert "lie in no folders: put one folder a class there" in refusal(source({"0.png": make_picture(0)}))


def test_a_class_whose_folder_is_empty_is_not_lost_without_a_word(tmp_path):
    for path in ("birds/eel", "val"):
        (tmp_path / "source" / path).mkdir(parents=True)
    path = written(tmp_path / "source", files("birds/cat", "birds/dog"))
    assert refusal(path) == "birds/eel: a class without images"
    archive = tmp_path / "source.zip"
    archive.write_bytes(packed(files("birds/cat", "birds/dog")))
    with zipfile.ZipFile(archive, "a") as opened:
        opened.mkdir("birds/eel")
    assert refusal(archive) == "birds/eel: a class without images"


def test_all_files_that_are_refused_are_named(source, capsys):
    path = source(files("cat", "dog") | {"cat/a.txt": b"words", "dog/b.txt": b"words", "cat/c.png": b"words"})
    line = refusal(path)
    assert line.startswith("3 files are refused: ")
    told = capsys.readouterr().err
    for name in ("cat/a.txt", "dog/b.txt", "cat/c.png"):
        assert f"{name}: is a text file, not the picture" in line
        assert f"{name}: is a text file, not the picture" in told


def test_the_classes_are_shown_before_anything_is_written(source, capsys):
    path = source(files("cat", "n01440764"))
    call_command("import_images", "things", path, dry_run=True)
    shown = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert shown[:3] == [
        ["class", "participants", "read", "WordNet", "id", "images"],
        ["cat", "cat", "2"],
        ["n01440764", "n01440764", "n01440764", "2"],
    ]
    assert not ImageSet.objects.exists()


# --- names ------------------------------------------------------------------------------------------------------------


def test_folders_that_are_numbers_are_in_the_order_of_the_numbers(source):
    assert list(imported(source(files(*(str(i) for i in range(12)), n=1)))) == [str(i) for i in range(12)]
    assert list(ImageClass.objects.values_list("output", flat=True)) == list(range(12))


def test_numbers_that_differ_in_zeros_only_are_one_class_spelt_twice(source):
    assert "the classes 01 and 1 differ in spelling only" in refusal(source(files("01", "1", "2")))


def test_folders_of_wordnet_ids_get_readable_titles_by_themselves(source):
    imported(source(files("n01440764", "n02102040")))
    assert list(ImageClass.objects.values_list("title", "wordnet_id")) == [
        ("tench", "n01440764"),
        ("English springer", "n02102040"),
    ]


def test_class_names_of_imagenet_are_asked_for_or_declined(source):
    path = source(files("golden_retriever", "tench"))
    imported(path, class_names="imagenet")
    assert list(ImageClass.objects.values_list("name", "title", "wordnet_id")) == [
        ("golden_retriever", "golden retriever", "n02099601"),
        ("tench", "tench", "n01440764"),
    ]
    call_command("import_images", "plain", path, class_names="folders")
    assert set(ImageSet.objects.get(name="plain").classes.values_list("wordnet_id", flat=True)) == {""}


def test_class_names_that_are_not_imagenets_are_refused(source):
    said = "class names of ImageNet: unicorn is not among its 1,000 WordNet ids and names"
    assert refusal(source(files("tench", "unicorn")), class_names="imagenet") == said


#: Persian *I want*, and the Hindi conjunct kṣa written with a joiner: both hold a letter that is not to be seen.
JOINED = ("می\u200cخواهم", "क्\u200dष")


def test_zero_width_joiners_are_letters(source):
    assert set(imported(source(files(*JOINED)))) == set(JOINED)


def test_names_that_differ_in_a_joiner_only_are_one_class_spelt_twice(source):
    assert "differ in spelling only" in refusal(source(files("میخواهم", JOINED[0])))


@pytest.mark.parametrize("mark", ["\u202e", "\u200b", "\u200f", "\ufeff"])
def test_characters_that_nobody_sees_are_refused_by_their_number(source, mark):
    assert f"characters that cannot be written (U+{ord(mark):04X})" in refusal(source(files("cat", f"d{mark}og")))


def test_names_composed_in_a_macs_way_are_the_names_that_people_type(source):
    assert list(imported(source(files("cafe\u0301", "dog")))) == ["caf\u00e9", "dog"]


# --- names in zips ----------------------------------------------------------------------------------------------------


def unflagged(content: dict[str, bytes], encoding: str) -> bytes:
    """A zip whose names are in an encoding that nothing says; as old programs write them."""
    # Each name of its length in ASCII, replaced in both places where a zip has it.
    places = {path: "x" * (len(path.encode(encoding)) - len(str(i))) + str(i) for i, path in enumerate(content)}
    data = packed({places[path]: one for path, one in content.items()})
    for path, place in places.items():
        data = data.replace(place.encode(), path.encode(encoding))
    return data


CATS = files("猫", "犬")


@pytest.fixture
def japanese(tmp_path) -> Path:
    path = tmp_path / "cats.zip"
    path.write_bytes(unflagged(CATS, "shift_jis"))
    return path


def test_names_that_are_not_utf8_are_said_with_what_they_could_be(japanese):
    line = refusal(japanese)
    assert "names in it are not UTF-8, 4 of them (the first is '猫/0.png' in shift_jis" in line
    assert line.endswith("say how they are encoded with --names-encoding")


def test_names_are_decoded_as_the_researcher_says(japanese):
    assert set(imported(japanese, names_encoding="shift_jis")) == {"犬", "猫"}
    assert "4 names in it are not euc_kr" in refusal_of_another(japanese, "euc_kr")
    assert "there is no encoding of names called klingon" in refusal_of_another(japanese, "klingon")


def refusal_of_another(path: Path, encoding: str) -> str:
    with pytest.raises(CommandError) as caught:
        call_command("import_images", "other", path, names_encoding=encoding)
    return str(caught.value)


def test_names_in_utf8_without_the_flag_are_read(tmp_path):
    path = tmp_path / "cats.zip"
    path.write_bytes(unflagged(CATS, "utf-8"))
    assert set(imported(path)) == {"犬", "猫"}


def test_the_name_that_an_extra_field_gives_wins(tmp_path):
    file, raw = io.BytesIO(), b"k\x82\x83t/0.png"
    with zipfile.ZipFile(file, "w") as archive:
        info = zipfile.ZipInfo("kxxt/0.png")
        told = "kät/0.png".encode()
        info.extra = struct.pack("<HHBL", 0x7075, 5 + len(told), 1, zlib.crc32(raw)) + told
        archive.writestr(info, make_picture(0))
        archive.writestr("dog/0.png", make_picture(1))
    (tmp_path / "cats.zip").write_bytes(file.getvalue().replace(b"kxxt/0.png", raw))
    assert list(imported(tmp_path / "cats.zip")) == ["dog", "kät"]


# --- labels.csv -------------------------------------------------------------------------------------------------------

TABLES = {
    "commas": b"file,label\na/0.png,ant\nb/0.png,bell\n",
    "semicolons": b"file;label\na/0.png;ant\nb/0.png;bell\n",
    "tabs": b"file\tlabel\na/0.png\tant\nb/0.png\tbell\n",
    "a byte-order mark": "file,label\na/0.png,ant\nb/0.png,bell\n".encode("utf-8-sig"),
    "a mark, semicolons and capitals": "File;Label\r\na/0.png;ant\r\nb/0.png;bell\r\n".encode("utf-8-sig"),
    "UTF-16": "FILE\tLABEL\na/0.png\tant\nb/0.png\tbell\n".encode("utf-16"),
    "quotes and other columns": b'"Label","note", "File" \n"ant","x",a/0.png\nbell,,"b/0.png"\n',
}


@pytest.mark.parametrize("form", TABLES)
def test_a_labels_file_is_read_as_spreadsheets_write_it(source, form):
    content = files("a", "b", n=1) | {"labels.csv": TABLES[form]}
    assert imported(source(content)) == {"ant": ["a/0.png"], "bell": ["b/0.png"]}


def test_a_labels_file_in_a_wrapper_is_found_and_what_it_does_not_list_is_said(source, capsys):
    content = {f"set/{path}": data for path, data in files("a", "b").items()} | {"set/Labels.CSV": TABLES["commas"]}
    assert imported(source(content)) == {"ant": ["set/a/0.png"], "bell": ["set/b/0.png"]}
    assert "left out set/a/1.png: not listed in labels.csv" in capsys.readouterr().err


def test_the_column_index_gives_the_outputs_and_their_order(source):
    table = b"file,label,index\na/0.png,zebra,0\nb/0.png,ant,217\n"
    assert list(imported(source(files("a", "b", n=1) | {"labels.csv": table}))) == ["zebra", "ant"]
    assert list(ImageClass.objects.values_list("output", flat=True)) == [0, 217]


WRONG_TABLES = {
    "a class with two indices": (b"a/0.png,ant,1\nb/0.png,ant,2\n", "line 3: class ant has two indices, 1 and 2"),
    "an index of two classes": (b"a/0.png,ant,1\nb/0.png,bell,1\n", "the classes ant and bell both have index 1"),
    "a class without": (b"a/0.png,ant,1\nb/0.png,bell,\n", "line 3: class bell has no index, and others have one"),
    "no number": (b"a/0.png,ant,-1\n", "line 2: index must be a whole number from 0 up, not -1"),
}


@pytest.mark.parametrize("case", WRONG_TABLES)
def test_indices_that_contradict_each_other_are_refused(source, case):
    rows, said = WRONG_TABLES[case]
    assert said in refusal(source(files("a", "b", n=1) | {"labels.csv": b"file,label,index\n" + rows}))


def test_several_labels_files_are_refused(source):
    content = files("train/a", "val/b") | {"train/labels.csv": b"x", "val/labels.csv": b"x"}
    assert "several labels.csv, train/labels.csv and val/labels.csv" in refusal(source(content))


def test_a_labels_file_of_a_part_is_refused(source):
    content = files("a", "b") | {"a/labels.csv": b"file,label\n0.png,ant\n"}
    assert "a/labels.csv is of the files beside it, and b/0.png lies elsewhere" in refusal(source(content))


# --- formats ----------------------------------------------------------------------------------------------------------


def test_photographs_of_phones_and_first_frames_come_in(source, capsys):
    colours = [Pillow.new("RGB", (24, 16), colour) for colour in ("red", "green", "blue", "white")]
    moving, avif, heic = io.BytesIO(), io.BytesIO(), io.BytesIO()
    colours[0].save(moving, "GIF", save_all=True, append_images=colours[1:2])
    colours[2].save(avif, "AVIF")
    pillow_heif.from_pillow(colours[3]).save(heic)
    content = {"a/1.gif": moving.getvalue(), "a/2.avif": avif.getvalue(), "b/3.HEIC": heic.getvalue()}
    assert imported(source(content)) == {"a": ["a/1.gif", "a/2.avif"], "b": ["b/3.HEIC"]}
    assert "a/1.gif: an animation, of which the first frame is taken" in capsys.readouterr().err


def test_a_photograph_of_48_megapixels_comes_in_by_default(tmp_path):
    file = io.BytesIO()
    Pillow.effect_noise((1008, 756), 60).convert("RGB").resize((8064, 6048)).save(file, "JPEG")
    assert imported(written(tmp_path / "source", {"a/1.jpg": file.getvalue()} | files("b")))["a"] == ["a/1.jpg"]
