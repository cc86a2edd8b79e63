"""Which output is which class: certain from names and numbers, or said, or refused with the remedy."""

import csv
import json

import pytest
from torchvision import models

from studies.catalog import imagenet
from studies.catalog.importing.image_classes import order_classes
from studies.catalog.output_mapping import map_outputs
from studies.lib.errors import StudyError
from studies.models import ImageClass, ImageSet
from studies.preparation.class_outputs import class_outputs
from tests.factories import make_classifier

pytestmark = pytest.mark.django_db

#: Ten classes of ImageNet, by their folders.
TEN = """
    n01440764 n02102040 n02979186 n03000684 n03028079 n03394916 n03417042 n03425413 n03445777 n03888257
""".split()  # noqa: SIM905
PLACES = (0, 217, 482, 491, 497, 566, 569, 571, 574, 701)
CATEGORIES = models.ResNet18_Weights.IMAGENET1K_V1.meta["categories"]


def image_set(*names: str, outputs: dict[str, int] | None = None) -> ImageSet:
    """The classes that an import of folders, or of a labels.csv with these indices, would have."""
    made = ImageSet.objects.create(name=f"things-{ImageSet.objects.count()}")
    classes = order_classes(outputs or dict.fromkeys(names))
    ImageClass.objects.bulk_create(
        ImageClass(
            image_set=made, index=i, name=one.name, title=one.title, output=one.output, wordnet_id=one.wordnet_id
        )
        for i, one in enumerate(classes)
    )
    return made


def test_the_list_of_imagenet_is_the_one_of_torchvisions_weights():
    known = imagenet.classes()
    assert [one.name for one in known] == CATEGORIES
    assert [one.wordnet_id for one in known] == sorted({one.wordnet_id for one in known})
    anchors = {one.output: (one.wordnet_id, one.name) for one in known}
    assert anchors[0] == ("n01440764", "tench")
    assert anchors[217] == ("n02102040", "English springer")
    assert anchors[701] == ("n03888257", "parachute")
    assert anchors[999] == ("n15075141", "toilet tissue")


# --- certain by itself ------------------------------------------------------------------------------------------------


def test_as_many_classes_as_outputs_are_taken_in_the_order_of_their_names():
    found = map_outputs(image_set("bell", "ant", "cup"), 3)
    assert (found.classes, found.by) == ((0, 1, 2), "in the order of the class names")


def test_accents_that_sort_in_two_ways_are_asked_about():
    birds = image_set("Ente", "École", "Zebra")
    with pytest.raises(StudyError, match="Zebra comes before École, but after it where accents are letters"):
        map_outputs(birds, 3)
    assert map_outputs(birds, 3, given="text-order").classes == (0, 1, 2)
    assert map_outputs(birds, 3, given="Ente\nÉcole\nZebra\n").classes == (0, 2, 1)
    assert map_outputs(image_set("Ente", "Möwe", "Zebra"), 3).classes == (0, 1, 2)


def test_folders_named_by_whole_numbers_are_these_outputs():
    twelve = image_set(*(str(i) for i in range(12)))
    assert [row.name for row in twelve.classes.all()] == [str(i) for i in range(12)]
    assert map_outputs(twelve, 12).classes == tuple(range(12))


def test_some_numbers_are_some_of_the_outputs():
    assert map_outputs(image_set("007", "217", "33"), 1000).classes == (7, 33, 217)


def test_the_column_index_says_which_output_a_class_is():
    assert map_outputs(image_set(outputs={"ant": 2, "bell": 0}), 3).classes == (0, 2)


@pytest.mark.parametrize("names", [(), CATEGORIES], ids=["a network of one's own", "a network of torchvision"])
def test_wordnet_ids_find_their_place_among_imagenets_thousand(names):
    found = map_outputs(image_set(*TEN), 1000, names=names)
    assert found.classes == PLACES
    assert found.names[1] == "goldfish"


def test_the_names_a_network_comes_with_find_theirs_whatever_their_order():
    found = map_outputs(
        image_set("cat", "Great_Dane", "tench"), 5, names=["tench, Tinca tinca", "x", "great dane", "cat", "y"]
    )
    assert found.classes == (2, 3, 0)


# --- refused ----------------------------------------------------------------------------------------------------------

REFUSED = {
    "more outputs than classes": (("ant", "bell"), 5, (), "has 5 outputs, and the image set 2 classes: say which"),
    "a thousand outputs": (("ant", "bell"), 1000, (), "or --outputs imagenet"),
    "fewer outputs than classes": (("ant", "bell"), 1, (), "has 1 outputs, too few for 2 classes"),
    "numbers from one up": (("1", "2", "3"), 3, (), "class 3 would be output 3, and the network has outputs 0 to 2"),
    "only some names known": (
        ("cat", "dgo"),
        2,
        ("cat", "dog"),
        "1 of 2 classes is not among the names of the network’s outputs: dgo; say which",
    ),
    "one name twice": (("crane", "eel"), 3, ("crane", "crane", "eel"), "crane (outputs 0 and 1)"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_not_certain_is_refused_with_the_remedy(case):
    classes, n_outputs, names, said = REFUSED[case]
    with pytest.raises(StudyError) as caught:
        map_outputs(image_set(*classes), n_outputs, names=names)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


# --- said by the researcher -------------------------------------------------------------------------------------------

#: The outputs are cup, ant, -, bell in every form; classes are sorted, so ant, bell, cup.
LISTS = {
    "a line for each output": "cup\nant\nnothing\nbell\n",
    "with a byte-order mark and blanks": "cup \n ant\r\nnothing\nbell\n\n",
    "numbers, a line for each class": "1\n3\n0\n",
    "CSV": "class,index\nant,1\nbell,3\ncup,0\n",
    "CSV with semicolons and capital headers": "Index;Class\n1;ant\n3;bell\n0;cup\n2;nothing\n",
    "CSV with the column output": "class\toutput\nant\t1\nbell\t3\ncup\t0\n",
    "class_to_idx": json.dumps({"ant": 1, "bell": 3, "cup": 0}),
    "id2label": json.dumps({"0": "cup", "1": "ant", "2": "nothing", "3": "bell"}),
    "imagenet_class_index": json.dumps({str(i): [f"n{i}", n] for i, n in enumerate(("cup", "ant", "x", "bell"))}),
    "a JSON list of names": json.dumps(["cup", "ant", "nothing", "bell"]),
    "a JSON list of numbers": json.dumps([1, 3, 0]),
}


@pytest.mark.parametrize("form", LISTS)
def test_a_list_in_any_form_says_which_output_is_which_class(form):
    found = map_outputs(image_set("ant", "bell", "cup"), 4, given=LISTS[form], called="list.txt")
    assert (found.classes, found.by) == ((1, 3, 0), "by list.txt")


def test_lines_of_synsets_have_an_id_and_a_name():
    lines = "n02102040 English springer, springer spaniel\nn01440764 tench, Tinca tinca\nn03888257\n"
    found = map_outputs(image_set("n01440764"), 3, given=lines)
    assert found.classes == (1,)
    assert found.names == ("English springer, springer spaniel", "tench, Tinca tinca", "parachute")


def test_orders_have_names():
    twelve = image_set(*(str(i) for i in range(1, 13)))
    assert map_outputs(twelve, 12, given="number-order").classes == tuple(range(12))
    # As torchvision's ImageFolder sorts them: 1, 10, 11, 12, 2, …
    assert map_outputs(twelve, 12, given="text-order").classes == (0, 4, 5, 6, 7, 8, 9, 10, 11, 1, 2, 3)


@pytest.mark.parametrize(
    "names",
    [
        ("class 1", "class 2", "class 10"),
        ("0.0", "1.0", "2.0", "10.0"),
        ("0", "1", "2", "10", "other"),
        ("bird_9", "bird_12", "cat_1"),
    ],
    ids=["numbers behind", "fractions", "some of them numbers", "numbers of two classes"],
)
def test_an_order_that_depends_on_how_numbers_are_sorted_is_asked_for(names):
    made = image_set(*sorted(names))
    with pytest.raises(StudyError) as caught:
        map_outputs(made, len(names))
    assert "--outputs text-order, as torchvision’s ImageFolder sorts, or --outputs number-order" in str(caught.value)
    found = map_outputs(made, len(names), given="number-order").classes
    assert [found[sorted(names).index(name)] for name in names] == list(range(len(names)))
    assert map_outputs(made, len(names), given="text-order").classes == tuple(range(len(names)))


@pytest.mark.parametrize(
    "names", [("class-01", "class-02", "class-10"), ("cat", "cat-a", "cat1"), ("3d printer", "ant")]
)
def test_numbers_that_are_sorted_alike_either_way_are_no_question(names):
    assert map_outputs(image_set(*names), len(names)).classes == tuple(range(len(names)))


def test_an_order_by_numbers_needs_numbers():
    with pytest.raises(StudyError, match="--outputs number-order: there are no numbers in the class names, ant, bell"):
        map_outputs(image_set("ant", "bell"), 2, given="number-order")


WRONG_LISTS = {
    "a class that is not in it": ("cup\nant\nx\nbel\n", "list.txt: 1 of 3 classes is not in it: bell"),
    "too few names": ("cup\nant\nbell\n", "there are 3 names in it, and the network has 4 outputs"),
    "too few numbers": ("1\n3\n", "there are 2 numbers in it, and 3 classes"),
    "a number beyond the outputs": ("class,index\nant,1\nbell,4\ncup,0\n", "output 4 is in it, and the network has 4"),
    "a number twice": ("class,index\nant,1\nbell,1\ncup,0\n", "list.txt, line 3: output 1 is given a second time"),
    "no number": ("class,index\nant,one\n", "list.txt, line 2: there must be a class and its output’s number"),
    "an empty line": ("cup\n\nant\nbell\n", "list.txt, line 2: is empty"),
    "nothing": (" \n", "there is nothing in it"),
    "JSON that is none": ("{'cup': 0}", "not valid JSON"),
    "JSON of something else": ('{"a": {"b": 1}}', "JSON must be"),
    "two classes on one output": ("1\n1\n0\n", "the classes ant and bell would both be output 1"),
}


@pytest.mark.parametrize("case", WRONG_LISTS)
def test_a_list_that_does_not_fit_is_refused(case):
    text, said = WRONG_LISTS[case]
    with pytest.raises(StudyError) as caught:
        map_outputs(image_set("ant", "bell", "cup"), 4, given=text, called="list.txt")
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_numbers_that_can_be_read_in_two_ways_are_refused():
    with pytest.raises(StudyError, match="use CSV with the columns class and index"):
        map_outputs(image_set("0", "1", "2"), 3, given="1\n2\n0\n")
    # The same either way is no question.
    assert map_outputs(image_set("0", "1", "2"), 3, given="1\n0\n2\n").classes == (1, 0, 2)


# --- what outputs are called ------------------------------------------------------------------------------------------


def named(names_of_classes: tuple[str, ...], **mapping) -> tuple[str, ...]:
    classifier = make_classifier(image_set(*names_of_classes))
    classifier.n_outputs, classifier.class_mapping = 5, mapping
    return class_outputs(classifier).names


def test_an_output_without_a_class_has_its_own_name_or_its_number():
    assert named(("ant", "bell"), classes=[3, 1], names=[]) == ("output 0", "bell", "output 2", "ant", "output 4")
    names = ["eel", "?", "fox", "?", ""]
    assert named(("ant", "bell"), classes=[3, 1], names=names) == ("eel", "bell", "fox", "ant", "output 4")


def test_no_two_outputs_have_one_name():
    names = named(("crane", "output 4"), classes=[0, 1], names=["", "", "crane", "crane", ""])
    assert names == ("crane", "output 4", "crane (output 2)", "crane (output 3)", "output 4 (output 4)")


def test_the_file_of_imagenet_has_a_line_for_each_class():
    path = imagenet.Path(imagenet.__file__).parent / "imagenet_classes.csv"
    assert len(list(csv.reader(path.open(encoding="utf-8")))) == 1001
