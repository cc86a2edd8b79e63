"""The ways in which a classifier is set up wrongly most often, one at a time: each is refused or named, with its cause.

On the toybox always; on photographs, with a residual network that others trained, where TEST_CIFAR10 names a folder
with `images/`, `cifar_resnet.py` and `resnet20.safetensors`.  The photographs are not part of this repository.
"""

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.urls import reverse

import toybox
from studies.catalog import evaluation, judgement
from studies.models import Classifier, ImageSet
from tests.logged_in_users import researcher, text

pytestmark = pytest.mark.django_db(transaction=True)

#: So many photographs of each class tell 10 to 70% from 81%, and larger sizes of all of them take minutes.
PER_CLASS = 20
IMAGENET = {"mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225]}


@dataclass(frozen=True)
class Subject:
    """A network that is right when it is set up so: its module, what makes it, its checkpoint, and the photographs."""

    module: str
    factory: str
    checkpoint: Path
    photographs: Path
    normalised: dict[str, list[float]]
    #: What two of its classes could be called, so that others are sorted before them.
    other_names: dict[str, str]


@pytest.fixture(scope="module", params=["toybox", "cifar10"])
def subject(request, tmp_path_factory) -> Subject:
    if request.param == "cifar10":
        if not (folder := os.environ.get("TEST_CIFAR10")):
            pytest.skip("NOT RUN: no photographs of CIFAR-10. Name their folder by TEST_CIFAR10.")
        root = Path(folder)
        names = {"airplane": "plane", "automobile": "car"}
        module = (root / "cifar_resnet.py").read_text()
        some = tmp_path_factory.mktemp("some") / "images"
        for photograph in sorted(root.glob("images/*/*")):
            target = some / photograph.parent.name
            target.mkdir(parents=True, exist_ok=True)
            if len(list(target.iterdir())) < PER_CLASS:
                shutil.copyfile(photograph, target / photograph.name)
        return Subject(module, "resnet20", root / "resnet20.safetensors", some, IMAGENET, names)
    folder = tmp_path_factory.mktemp("drawn") / "toybox"
    toybox.draw(folder, images_per_class=12)
    package = Path(toybox.__file__).parent
    first, second = sorted(toybox.CLASSES)[:2]
    return Subject(
        (package / "network.py").read_text() + "\n\ndef toyboxnet():\n    return ToyboxNet()\n",
        "toyboxnet",
        package / "toybox.safetensors",
        folder,
        {"mean": list(toybox.MEAN), "std": list(toybox.STD)},
        {first: f"the {first}", second: f"the {second}"},
    )


def imported(subject: Subject, folder: Path, *, after: str = "", images: str = "things", **options) -> Classifier:
    module = folder / "network_of_ours.py"
    module.write_text(subject.module + after)
    if not ImageSet.objects.filter(name=images).exists():
        call_command("import_images", images, subject.photographs)
    factory = "wrong" if after else subject.factory
    given = subject.normalised | options
    call_command(
        "import_classifier",
        "net",
        images=images,
        module=f"{module}:{factory}",
        checkpoint=subject.checkpoint,
        **{name: value for name, value in given.items() if value is not None},
    )
    return Classifier.objects.get()


def evaluated(classifier: Classifier) -> tuple[float, str]:
    """How often it is right, and what the check page says is doubtful."""
    accuracy = evaluation.evaluate_here(classifier).result["accuracy"]
    page = researcher().get(reverse("admin:studies_classifier_check", args=[classifier.pk]))
    lines = list(judgement.of_classifier(Classifier.objects.get()))
    assert all(" ".join(line.split()) in text(page) for line in lines)
    return accuracy, " ".join(lines)


SWAPPED = """

def wrong():
    network = {factory}()
    network.register_forward_pre_hook(lambda module, given: (given[0].flip(1),))
    return network
"""

NAMED = {
    "no normalisation": ({"mean": None, "std": None}, ("mean and deviation", "mean 0.5 and deviation 0.5")),
    "pixels from 0 to 255": ({"mean": [0.0] * 3, "std": [1 / 255] * 3}, ("mean and deviation", "0.5", "from 0 to 1")),
}


def test_a_right_set_up_is_right_and_nothing_is_doubtful(subject, tmp_path, capsys):
    accuracy, doubts = evaluated(imported(subject, tmp_path))
    assert (round(accuracy, 3) > 0.7, doubts) == (True, "")
    print(f"right on {accuracy:.1%}")


@pytest.mark.parametrize("case", NAMED)
def test_another_normalisation_is_named(subject, tmp_path, capsys, case):
    options, causes = NAMED[case]
    accuracy, doubts = evaluated(imported(subject, tmp_path, **options))
    print(f"{case}: {accuracy:.1%}; {doubts}")
    assert any(cause in doubts for cause in causes)


def test_channels_in_another_order_are_named(subject, tmp_path, capsys):
    accuracy, doubts = evaluated(imported(subject, tmp_path, after=SWAPPED.format(factory=subject.factory)))
    print(f"channels: {accuracy:.1%}; {doubts}")
    assert "blue, green, red instead of red, green, blue" in doubts


def test_classes_that_are_called_otherwise_are_named(subject, tmp_path, capsys):
    renamed = tmp_path / "renamed"
    renamed.mkdir()
    for folder in subject.photographs.iterdir():
        if folder.is_dir():
            shutil.copytree(folder, renamed / subject.other_names.get(folder.name, folder.name))
    call_command("import_images", "renamed", renamed)
    accuracy, doubts = evaluated(imported(subject, tmp_path, images="renamed"))
    print(f"classes: {accuracy:.1%}; {doubts}")
    assert "With its outputs in another order net would be right on" in doubts
    first = min(one.name for one in renamed.iterdir())
    assert f"seems to be {first}" in doubts


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"mean": [123.7, 116.3, 103.5], "std": [58.4, 57.1, 57.4]}, "--mean must lie in [0, 1]"),
        ({"std": None}, "--mean without --std: give both, or neither"),
    ],
    ids=["levels of 0 to 255", "a mean alone"],
)
def test_a_normalisation_that_nobody_can_mean_is_refused(subject, tmp_path, capsys, options, said):
    with pytest.raises(CommandError, match="--mean") as refused:
        imported(subject, tmp_path, **options)
    assert said in str(refused.value)
    assert not Classifier.objects.exists()
