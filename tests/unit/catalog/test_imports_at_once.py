"""Photographs and classifiers come in whole or not at all, and a refusal says in one line what is wrong and where."""

import io
import json
from pathlib import Path

import pytest
import torch
from django.core.management import CommandError, call_command
from PIL import Image as Pillow
from safetensors.torch import save_file

from studies.models import Classifier, Image, ImageClass, ImageSet
from tests.factories import make_picture

pytestmark = pytest.mark.django_db

NETWORK = """
from torch import nn

class Pooled(nn.Module):
    def __init__(self, outputs=3):
        super().__init__()
        self.linear = nn.Linear(3, outputs)

    def forward(self, x):
        return self.linear(x.mean((2, 3)))

def pooled():
    return Pooled()

def two_outputs():
    return Pooled(2)

def no_network():
    return 42
"""


@pytest.fixture
def folder(tmp_path) -> Path:
    """Three classes of two pictures each."""
    for seed, name in enumerate(("bell", "fish", "key", "bell", "fish", "key")):
        path = tmp_path / "photographs" / name / f"{seed}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(make_picture(seed))
    return tmp_path / "photographs"


@pytest.fixture
def network(tmp_path) -> Path:
    path = tmp_path / "network.py"
    path.write_text(NETWORK)
    torch.manual_seed(0)
    linear = torch.nn.Linear(3, 3)
    save_file({f"linear.{k}": v for k, v in linear.state_dict().items()}, tmp_path / "three.safetensors")
    return path


def import_images(folder: Path, name: str = "things") -> None:
    call_command("import_images", name, str(folder))


def refusal(command: str, *arguments: str, **options) -> str:
    """The one line a command refuses with, having changed nothing."""
    models = (ImageSet, ImageClass, Image, Classifier)
    before = [model.objects.count() for model in models]
    with pytest.raises(CommandError) as caught:
        call_command(command, *arguments, **options)
    assert [model.objects.count() for model in models] == before
    line = str(caught.value)
    assert "\n" not in line
    return line


# --- photographs ------------------------------------------------------------------------------------------------------


def test_folders_are_classes_in_sorted_order(folder):
    import_images(folder)
    things = ImageSet.objects.get(name="things")
    assert list(things.classes.values_list("index", "name")) == [(0, "bell"), (1, "fish"), (2, "key")]
    assert list(things.images.values_list("path", "label")) == [
        ("bell/0.png", 0),
        ("bell/3.png", 0),
        ("fish/1.png", 1),
        ("fish/4.png", 1),
        ("key/2.png", 2),
        ("key/5.png", 2),
    ]


def test_labels_csv_names_the_classes(folder):
    (folder / "labels.csv").write_text('file,label\nbell/0.png,zebra\nfish/1.png,"ant, small"\n')
    import_images(folder)
    assert list(Image.objects.values_list("path", "label")) == [("bell/0.png", 1), ("fish/1.png", 0)]
    assert list(ImageClass.objects.values_list("name", flat=True)) == ["ant, small", "zebra"]


def test_hidden_files_are_passed_over(folder):
    (folder / ".DS_Store").write_bytes(b"junk")
    (folder / "bell" / ".DS_Store").write_bytes(b"junk")
    import_images(folder)
    assert Image.objects.count() == 6


def test_the_same_photograph_twice_in_one_class_counts_once(folder, capsys):
    (folder / "bell" / "copy.png").write_bytes((folder / "bell" / "0.png").read_bytes())
    import_images(folder)
    assert Image.objects.count() == 6
    assert "left out bell/copy.png" in capsys.readouterr().err


def empty(folder):
    for file in folder.rglob("*.png"):
        file.unlink()
    for place in list(folder.iterdir()):
        place.rmdir()
    return "no images in it"


def class_without_images(folder):
    (folder / "anchor").mkdir()
    return "anchor: a class without images"


def no_image(folder):
    (folder / "bell" / "notes.txt").write_text("not a picture")
    return "bell/notes.txt: is a text file, not the picture"


def truncated(folder):
    (folder / "bell" / "0.png").write_bytes(make_picture(0)[:-40])
    return "bell/0.png: damaged or cut short"


def huge(folder):
    file = io.BytesIO()
    Pillow.new("1", (30_000, 30_000)).save(file, format="PNG")
    (folder / "fish" / "huge.png").write_bytes(file.getvalue())
    return "fish/huge.png: more than 50,000,000 pixels"


def two_labels(folder):
    (folder / "key" / "copy.png").write_bytes((folder / "bell" / "0.png").read_bytes())
    return "bell/0.png and key/copy.png are the same photograph under two labels, bell and key"


def stray_file(folder):
    (folder / "stray.png").write_bytes(make_picture(9))
    return "photographs lie at several depths, stray.png and bell/0.png"


def labels_without_column(folder):
    (folder / "labels.csv").write_text("file,class\nbell/0.png,bell\n")
    return "labels.csv: no column label"


def labels_of_a_missing_file(folder):
    (folder / "labels.csv").write_text("file,label\nbell/9.png,bell\n")
    return "bell/9.png: No such file"


def labels_outside(folder):
    (folder / "labels.csv").write_text("file,label\n../secret.png,bell\n")
    return "labels.csv: no line of it gives a file its class (line 2: ../secret.png is not below the folder)"


def labels_twice(folder):
    (folder / "labels.csv").write_text("file,label\nbell/0.png,bell\nbell/0.png,key\n")
    return "labels.csv, line 3: bell/0.png is listed twice"


def labels_in_another_encoding(folder):
    (folder / "labels.csv").write_bytes("file,label\nbell/0.png,Glöckchen\n".encode("latin-1"))
    return "labels.csv: not UTF-8 text"


def labels_left_empty(folder):
    (folder / "labels.csv").write_text("file,label\nbell/0.png,\n")
    return "labels.csv: no line of it gives a file its class (line 2: file and label must both be given)"


@pytest.mark.parametrize(
    "spoil",
    [
        empty,
        class_without_images,
        no_image,
        truncated,
        huge,
        two_labels,
        stray_file,
        labels_without_column,
        labels_of_a_missing_file,
        labels_outside,
        labels_twice,
        labels_in_another_encoding,
        labels_left_empty,
    ],
    ids=lambda spoil: spoil.__name__,
)
def test_a_bad_folder_is_refused_whole(folder, spoil):
    said = spoil(folder)
    assert said in refusal("import_images", "things", str(folder))


def test_a_missing_folder_is_refused(folder):
    assert "elsewhere: No such file or directory" in refusal("import_images", "things", str(folder / "elsewhere"))


@pytest.mark.parametrize("name", ["", "two words", "../up"])
def test_a_name_must_be_a_name(folder, name):
    assert "is not a valid short name" in refusal("import_images", name, str(folder))


def test_a_name_is_given_once(folder):
    import_images(folder)
    assert "the name things is taken" in refusal("import_images", "things", str(folder))


# --- classifiers ------------------------------------------------------------------------------------------------------


def module(network: Path, factory: str = "pooled", checkpoint: str = "three.safetensors") -> dict:
    return {
        "images": "things",
        "module": f"{network}:{factory}",
        "checkpoint": network.parent / checkpoint,
        "mean": [0.5, 0.5, 0.5],
        "std": [0.2, 0.2, 0.2],
    }


def test_a_module_of_ones_own_comes_in_with_its_preprocessing(folder, network):
    import_images(folder)
    call_command("import_classifier", "pooled", **module(network))
    row = Classifier.objects.get(name="pooled")
    assert row.n_outputs == 3
    assert row.preprocessing == {"resize": None, "crop": None, "mean": [0.5] * 3, "std": [0.2] * 3}


def test_a_module_without_normalisation_is_told_of_it(folder, network, capsys):
    import_images(folder)
    call_command("import_classifier", "normalised", **module(network))
    assert "--mean and --std" not in capsys.readouterr().err
    call_command("import_classifier", "plain", **module(network) | {"mean": None, "std": None})
    assert "Pixels go in as they are, from 0 to 1" in capsys.readouterr().err


def test_the_digest_depends_on_everything_the_outputs_depend_on(folder, network):
    import_images(folder)
    call_command("import_classifier", "first", **module(network))
    call_command("import_classifier", "same", **module(network))
    call_command("import_classifier", "other-mean", **module(network) | {"mean": [0.4, 0.5, 0.5]})
    call_command("import_classifier", "cropped", **module(network), crop=24)
    network.write_text(NETWORK + "\n# changed\n")
    call_command("import_classifier", "edited", **module(network))
    digests = dict(Classifier.objects.values_list("name", "digest"))
    assert digests["first"] == digests["same"]
    assert len(set(digests.values())) == 4


def test_what_does_not_fit_is_refused(folder, network):
    import_images(folder)
    here = network.parent
    save_file({"linear.weight": torch.zeros(3, 4), "linear.bias": torch.zeros(3)}, here / "misshapen.safetensors")
    save_file({"linear.weight": torch.zeros(2, 3), "linear.bias": torch.zeros(2)}, here / "two.safetensors")
    torch.save({"linear.weight": torch.zeros(3, 3)}, here / "pickled.safetensors")
    (here / "torn.safetensors").write_bytes((here / "three.safetensors").read_bytes()[:-5])
    cases = {
        "it has misshapen linear.weight [3, 4] instead of [3, 3]": module(network, checkpoint="misshapen.safetensors"),
        "is a pickle": module(network, checkpoint="pickled.safetensors"),
        "is not a whole safetensors file": module(network, checkpoint="torn.safetensors"),
        "No such file": module(network, checkpoint="none.safetensors"),
        "has 2 outputs, too few for 3 classes": module(network, "two_outputs", "two.safetensors"),
        "returns int, not an nn.Module": module(network, "no_network"),
        "has no function 'pooling'": module(network, "pooling"),
        "must be FILE.py:FACTORY": module(network) | {"module": str(network)},
        "there is no image set called elsewhere": module(network) | {"images": "elsewhere"},
        "std must be positive": module(network) | {"std": [0.0, 1.0, 1.0]},
        "is smaller than --crop 64": module(network) | {"crop": 64},
        "torchvision has no classification model 'resnet81'": {"images": "things", "torchvision": "resnet81"},
        "resnet18 has no weights 'V9'": {"images": "things", "torchvision": "resnet18", "weights": "V9"},
    }
    for said, options in cases.items():
        assert said in refusal("import_classifier", "net", **options)


def test_photographs_of_several_sizes_need_a_crop(folder, network):
    (folder / "key" / "wide.png").write_bytes(make_picture(9, 40))
    import_images(folder)
    assert "differ in size: give --crop" in refusal("import_classifier", "net", **module(network))
    call_command("import_classifier", "net", **module(network), crop=32)


def test_torchvisions_weights_come_from_its_cache_and_a_miss_says_so(folder, tmp_path, monkeypatch):
    from torchvision import models

    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr("torch.hub.download_url_to_file", _no_network)
    import_images(folder)
    options = {"images": "things", "torchvision": "squeezenet1_1"}
    assert "could not be downloaded" in refusal("import_classifier", "net", **options)
    entry = models.get_model_weights("mobilenet_v3_small").IMAGENET1K_V1
    cached = tmp_path / "cache" / "hub" / "checkpoints" / Path(entry.url).name
    cached.parent.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(0)
    torch.save(models.mobilenet_v3_small().state_dict(), cached)
    options = {"images": "things", "torchvision": "mobilenet_v3_small", "resize": 32, "crop": 32}
    assert "1,000 outputs, and the image set 3 classes" in refusal("import_classifier", "net", **options)
    outputs = tmp_path / "outputs.csv"
    outputs.write_text("class,index\nbell,494\nfish,1\nkey,508\n")
    call_command("import_classifier", "net", **options, outputs=str(outputs))
    row = Classifier.objects.get(name="net")
    assert row.source == {"torchvision": "mobilenet_v3_small", "weights": "IMAGENET1K_V1"}
    assert row.n_outputs == 1000
    assert row.class_mapping["classes"] == [494, 1, 508]
    assert json.loads(json.dumps(row.preprocessing))["crop"] == 32


def _no_network(*args, **kwargs):
    raise OSError("no network")
