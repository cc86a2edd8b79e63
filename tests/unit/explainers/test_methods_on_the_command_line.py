"""`python -m explainers`."""

import hashlib
import json
import shutil
import subprocess
import sys

import numpy as np
import pytest
import safetensors.torch
import torch
from torch import nn

from explainers import base, stimulus_recipes
from explainers.classifiers import from_module
from explainers.command_line import main
from explainers.heat_map_rendering import top_pixels
from explainers.images import encode_png, load, to_tensor
from explainers.lime import Lime
from explainers.rendering import top_superpixels
from explainers.smoothgrad import SmoothGrad

OWN_FILE = """
import torch
from torch import nn

def colours():
    return nn.Sequential(nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(12, 8), nn.ReLU(), nn.Linear(8, 3))
"""


def save_network(folder, seed):
    torch.manual_seed(seed)
    network = nn.Sequential(nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(12, 8), nn.ReLU(), nn.Linear(8, 3))
    nn.init.normal_(network[4].weight, 0, 5)
    safetensors.torch.save_file(network.state_dict(), folder / "own.safetensors")


@pytest.fixture
def folder(tmp_path):
    """A small classifier, and twelve photographs of one class."""
    (tmp_path / "own.py").write_text(OWN_FILE)
    save_network(tmp_path, seed=0)
    (tmp_path / "class").mkdir()
    rng = np.random.default_rng(0)
    for number in range(12):
        blocks = rng.integers(0, 256, (4, 4, 3), dtype=np.uint8).repeat(8, axis=0).repeat(8, axis=1)
        (tmp_path / "class" / f"{number:02}.png").write_bytes(encode_png(blocks))
    return tmp_path


def arguments(folder, method, source, *more):
    classifier = f"{folder / 'own.py'}:colours:{folder / 'own.safetensors'}"
    given = [method, folder / source, folder / "out.png", "--classifier", classifier, "--device", "cpu"]
    return [str(part) for part in (*given, "--mean", 0.5, 0.5, 0.5, "--std", 0.2, 0.2, 0.2, *more)]


def run(capsys, folder, method, source, *more):
    status = main(arguments(folder, method, source, *more))
    printed = capsys.readouterr()
    assert status == 0, printed.err
    assert printed.out.count("\n") == 1
    return json.loads(printed.out), load((folder / "out.png").read_bytes())


def refused(capsys, argv):
    try:
        status = main(argv)
    except SystemExit as stopped:
        status = stopped.code
    printed = capsys.readouterr()
    assert status
    assert not printed.out
    return printed.err


SLIC = ("--segmentation", "slic", "--slic-n-segments", 9, "--n-samples", 60)


def test_an_explanation_is_drawn_and_told(folder, capsys):
    facts, picture = run(capsys, folder, "lime", "class/00.png", *SLIC, "--label", 1)
    assert facts["parameters"]["n_samples"] == 60
    assert facts["label"] == 1
    assert 0 < facts["r2"] <= 1
    assert 0 <= facts["positive"] <= facts["superpixels"]
    photo = load((folder / "class/00.png").read_bytes())
    assert picture.shape == photo.shape
    hidden = (picture == 128).all(axis=2)
    assert hidden.any()
    assert np.array_equal(picture[~hidden], photo[~hidden])


@pytest.mark.parametrize(("draw", "width"), [("top", 32), ("heat", 32), ("beside", 3 * 32 + 2 * 8)])
def test_every_drawing_can_be_magnified(folder, capsys, draw, width):
    _, picture = run(capsys, folder, "lime", "class/01.png", *SLIC, "--draw", draw, "--magnify", 2)
    assert picture.shape == (64, 2 * width, 3)


def test_the_path_shows_one_picture_a_step(folder, capsys):
    facts, picture = run(capsys, folder, "lime", "class/01.png", *SLIC, "--draw", "path", "--show", 2)
    steps = min(2, facts["positive"])
    assert picture.shape == (32, 32 * steps + 8 * (steps - 1), 3)


@pytest.mark.parametrize("name", base.available("explainer"))
def test_every_explainer_draws_a_photograph(folder, capsys, name):
    more = {"rise": ("--n-masks", 50), "gradcam": ("--relu", "false"), "lime": SLIC, "kernel_shap": SLIC}.get(name, ())
    for draw, width in (((), 32), (("--draw", "beside"), 3 * 32 + 2 * 8)):
        options = ("--classifier", rectified(folder), *more, *draw)
        facts, picture = run(capsys, folder, name, "class/03.png", *options)
        assert facts["method"] == name
        assert {"lowest", "highest"} <= set(facts) or {"superpixels", "positive", "r2"} <= set(facts)
        assert picture.shape == (32, width, 3)


def rectified(folder):
    """A classifier with a ReLU on the way of every pixel."""
    (folder / "rectified.py").write_text(
        "from torch import nn\n\ndef rectified():\n"
        "    return nn.Sequential(nn.Conv2d(3, 4, 5, 4), nn.ReLU(), nn.Flatten(), nn.Linear(196, 3))\n"
    )
    torch.manual_seed(1)
    network = nn.Sequential(nn.Conv2d(3, 4, 5, 4), nn.ReLU(), nn.Flatten(), nn.Linear(196, 3))
    safetensors.torch.save_file(network.state_dict(), folder / "rectified.safetensors")
    return f"{folder / 'rectified.py'}:rectified:{folder / 'rectified.safetensors'}"


def test_a_map_is_drawn_as_the_options_say(folder, capsys):
    options = ("--classifier", rectified(folder), "--map-over", "nothing", "--no-map-fade", "--map-opacity", 1)
    _, plain = run(capsys, folder, "gradients", "class/03.png", *options)
    _, thresholded = run(capsys, folder, "gradients", "class/03.png", *options, "--map-threshold", 0.5, "--map-legend")
    assert not (plain == 128).all(axis=2).any()
    assert (thresholded[:, :32] == 128).all(axis=2).mean() > 0.3
    assert thresholded.shape == (32, 32 + 4 + 6, 3)
    _, colours = run(capsys, folder, "guided_backprop", "class/03.png", *options[:2], "--draw", "colours")
    assert len(np.unique(colours)) > 20
    _, top = run(capsys, folder, "gradients", "class/03.png", *options[:2], "--draw", "top", "--show-share", 0.1)
    assert (top != 128).any(axis=2).sum() == round(0.1 * 32 * 32)


@pytest.mark.parametrize(
    ("name", "more", "said"),
    [
        ("gradients", ("--draw", "path"), "--draw path needs superpixels"),
        ("lime", ("--draw", "colours"), "--draw colours needs a map with channels"),
        ("gradcam", ("--draw", "colours", "--relu", "false"), "gives no channels"),
        ("gradients", ("--map-opacity", 2), "style: opacity is out of range: 2.0"),
        ("gradients", ("--draw", "top", "--show-share", 0), "share must be above 0"),
        ("gradcam", ("--layer", "nowhere"), "no layer 'nowhere'"),
        ("occlusion", ("--window", 40, "--stride", 8), "does not fit into images of 32 × 32"),
        ("occlusion", ("--window", 8), "stride must be in 1..8"),
    ],
)
def test_maps_that_cannot_be_made_or_drawn_are_one_line(folder, capsys, name, more, said):
    options = [*(SLIC if name == "lime" else ()), "--classifier", rectified(folder), *more]
    message = refused(capsys, [str(part) for part in arguments(folder, name, "class/03.png", *options)])
    assert message.startswith("explainers: ")
    assert message.count("\n") == 1
    assert said in message
    assert not (folder / "out.png").exists()


def test_the_same_command_gives_the_same_bytes(folder, capsys):
    first, _ = run(capsys, folder, "lime", "class/02.png", *SLIC)
    data = (folder / "out.png").read_bytes()
    again, _ = run(capsys, folder, "lime", "class/02.png", *SLIC)
    assert again == first
    assert (folder / "out.png").read_bytes() == data


def test_an_attack_tells_whether_the_picture_still_fools(folder, capsys):
    options = ("--step", 0.1, "--max-steps", 8)
    facts, picture = run(capsys, folder, "ifgsm", "class/00.png", *options)
    assert facts["flip_step"] > 0
    assert facts["fools"]
    assert facts["fools_as_displayed"] == (facts["prediction_as_displayed"] != facts["label"])
    assert not np.array_equal(picture, load((folder / "class/00.png").read_bytes()))


@pytest.mark.parametrize("name", base.available("selector"))
def test_every_selector_chooses_from_a_folder(folder, capsys, name):
    more = {
        "adversarial": ("--criticism-step", 2, "--attack-parameters", '{"step": 0.1, "max_steps": 3}'),
        "probability": ("--above", 0.9, "--below", 0.8),
    }.get(name, ())
    facts, picture = run(capsys, folder, name, "class", "--prototypes", 2, "--criticisms", 1, *more)
    assert len(facts["prototypes"]) == 2
    assert len(facts["criticisms"]) == 1
    assert not set(facts["prototypes"]) & set(facts["criticisms"])
    first = load((folder / "class" / facts["prototypes"][0]).read_bytes())
    assert np.array_equal(picture[:32, :32], first)


@pytest.fixture
def classes(folder):
    """The photographs in a folder for each class, by number: four each; the classifier takes some for each class."""
    save_network(folder, seed=5)
    for number, file in enumerate(sorted((folder / "class").iterdir())):
        (folder / "classes" / str(number % 3)).mkdir(parents=True, exist_ok=True)
        shutil.copy(file, folder / "classes" / str(number % 3))
    return folder / "classes"


def rarest(folder):
    """The class that the classifier gives to the fewest photographs: all others are a contrast to it."""
    classifier = from_module(folder / "own.py", "colours", folder / "own.safetensors", mean=[0.5] * 3, std=[0.2] * 3)
    photographs = to_tensor([load(file.read_bytes()) for file in sorted((folder / "class").iterdir())])
    return int(classifier(photographs).argmax(1).bincount(minlength=3).argmin())


@pytest.mark.parametrize("name", base.available("example_explainer"))
def test_every_explainer_by_examples_draws_a_sheet(folder, capsys, classes, name):
    options = ("--pool", classes, "--examples", 2, "--label", rarest(folder))
    facts, sheet = run(capsys, folder, name, "class/03.png", *options)
    assert len(facts["examples"]) == len(facts["scores"]) == 2
    assert facts["scores"] == sorted(facts["scores"], reverse=True)
    assert sheet.shape == (32, 3 * 32 + 24 + 8, 3)
    query, first, second = sheet[:, :32], sheet[:, 56:88], sheet[:, 96:]
    for picture, file in ((query, folder / "class/03.png"), *zip((first, second), facts["examples"], strict=True)):
        assert np.array_equal(picture, load((classes / file).read_bytes()))
    # The photograph itself, which is in the pool as well, is no example of itself.
    assert not any(file.endswith("/03.png") for file in facts["examples"])


def test_a_contrast_is_of_another_class_and_a_pool_needs_no_classes_for_it(folder, capsys, classes):
    options = ("--examples", 2, "--label", rarest(folder))
    facts, _ = run(capsys, folder, "nearest_contrast", "class/03.png", "--pool", classes, *options)
    classifier = from_module(folder / "own.py", "colours", folder / "own.safetensors", mean=[0.5] * 3, std=[0.2] * 3)
    shown = to_tensor([load((classes / file).read_bytes()) for file in facts["examples"]])
    assert facts["label"] not in classifier(shown).argmax(1).tolist()
    again, _ = run(capsys, folder, "nearest_contrast", "class/03.png", "--pool", folder / "class", *options)
    assert again["examples"] == [file.partition("/")[2] for file in facts["examples"]]


@pytest.mark.parametrize(
    ("name", "more", "said"),
    [
        ("influence", ("--pool", "class"), "needs a folder for each class"),
        ("class_prototypes", ("--pool", "class"), "needs a folder for each class"),
        ("nearest_neighbours", ("--pool", "nowhere"), "nowhere is not a folder of photographs"),
        ("nearest_neighbours", ("--pool", "empty"), "empty is empty"),
        ("nearest_neighbours", ("--pool", "mixed"), "beside folders of classes"),
        ("influence", ("--pool", "named"), "named has 2 folders for 3 classes"),
        ("influence", ("--pool", "numbered"), "folders are numbered 0 to 2, once each, not 1, 7"),
        (
            "nearest_neighbours",
            ("--pool", "class", "--examples", 12),
            "'class': 12 neighbours are wanted from 11 images",
        ),
        ("nearest_neighbours", ("--pool", "class", "--examples", 0), "at least 1, not 0"),
        ("nearest_neighbours", ("--pool", "alone"), "has no photograph beside"),
        ("nearest_neighbours", ("--pool", "text"), "notes.txt: is a text file, not the picture"),
    ],
)
def test_pools_that_give_no_examples_are_one_line(folder, capsys, name, more, said):
    for inner in ("empty", "mixed/0", "named/cat", "named/dog", "numbered/1", "numbered/7", "alone", "text"):
        (folder / inner).mkdir(parents=True)
    shutil.copy(folder / "class/00.png", folder / "mixed/loose.png")
    shutil.copy(folder / "class/00.png", folder / "alone")
    (folder / "text/notes.txt").write_text("no photograph")
    given = arguments(folder, name, "class/00.png", "--pool", folder / more[1], *more[2:])
    message = refused(capsys, given)
    assert message.startswith("explainers: ")
    assert message.count("\n") == 1
    assert said in message
    assert not (folder / "out.png").exists()


def test_folders_named_by_words_are_the_classes_in_their_order(folder, capsys, classes):
    for number, word in enumerate(("ant", "bee", "cat")):
        (folder / "words" / word).mkdir(parents=True)
        for file in sorted((classes / str(number)).glob("*")):
            shutil.copy(file, folder / "words" / word)
    by_number, _ = run(capsys, folder, "influence", "class/03.png", "--pool", classes, "--examples", 3)
    by_word, _ = run(capsys, folder, "influence", "class/03.png", "--pool", folder / "words", "--examples", 3)
    assert by_word["scores"] == by_number["scores"]


def test_an_attack_on_the_explanation_keeps_the_decision(folder, capsys):
    facts, picture = run(capsys, folder, "attribution_attack", "class/00.png", "--max-steps", 3, "--epsilon", 0.05)
    assert not facts["fools_as_displayed"]
    assert facts["prediction_as_displayed"] == facts["label"]
    assert picture.shape == (32, 32, 3)


def test_images_are_resized_and_cropped_on_request(folder, capsys):
    _, picture = run(capsys, folder, "lime", "class/00.png", *SLIC, "--resize", 48, "--crop", 40)
    assert picture.shape == (40, 40, 3)


@pytest.mark.parametrize(
    ("source", "more", "said"),
    [
        ("no.png", (), "no.png: No such file or directory"),
        ("own.py", (), "own.py: is a text file, not the picture"),
        ("class/00.png", ("--label", 3), "--label must be in 0..2, not 3"),
        ("class/00.png", ("--n-features", 0), "n_features must be at least 1"),
        ("class/00.png", ("--crop", 33), "smaller than the 33 × 33 crop"),
        ("class/00.png", ("--magnify", 0), "magnified by a whole number"),
        ("class/00.png", ("--classifier", "resnet19"), "did you mean"),
        ("class/00.png", ("--classifier", "own.py"), "FILE.py:FACTORY:CHECKPOINT.safetensors"),
        ("class/00.png", ("--std", 0, 1, 1), "std must be positive"),
        ("class/00.png", ("--kernel-width", 0), "kernel_width must be above 0"),
    ],
)
def test_failures_are_one_line_and_write_nothing(folder, capsys, source, more, said):
    message = refused(capsys, [str(part) for part in arguments(folder, "lime", source, *more)])
    assert message.startswith("explainers: ")
    assert message.count("\n") == 1
    assert said in message
    assert not (folder / "out.png").exists()


def test_an_image_that_cannot_be_explained_is_said_so(folder, capsys):
    (folder / "grey.png").write_bytes(encode_png(np.full((32, 32, 3), 128, np.uint8)))
    assert "no explanation: " in refused(capsys, arguments(folder, "lime", "grey.png", *map(str, SLIC)))


def test_a_selector_wants_a_folder_that_is_not_empty(folder, capsys):
    assert "is not a folder" in refused(capsys, arguments(folder, "random", "class/00.png"))
    (folder / "empty").mkdir()
    assert "is empty" in refused(capsys, arguments(folder, "random", "empty"))


def test_a_pool_that_is_too_small_is_named(folder, capsys):
    message = refused(capsys, arguments(folder, "random", "class", "--prototypes", "13"))
    assert "'class'" in message
    assert "12" in message


@pytest.mark.parametrize("name", [name for kind in base.kinds() for name in base.available(kind)])
def test_every_method_explains_its_parameters(capsys, name):
    with pytest.raises(SystemExit) as stopped:
        main([name, "--help"])
    assert stopped.value.code == 0
    text = capsys.readouterr().out
    method = next(base.get(kind, name) for kind in base.kinds() if name in base.available(kind))
    for parameter in method.parameters():
        assert f"--{parameter.replace('_', '-')}" in text


def test_an_unknown_method_is_answered_with_those_there_are(capsys):
    there_are = f"there are {', '.join(base.available('explainer'))}, {base.available('attack')[0]},"
    assert there_are in refused(capsys, ["lyme", "a", "b"])
    assert "METHOD" in refused(capsys, [])


def test_listing_the_methods_does_not_load_torch():
    code = (
        "import sys\nfrom explainers.command_line import main\ntry:\n main(['--help'])\nexcept SystemExit: pass\n"
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True).returncode == 0


def test_a_stimulus_is_made_again_from_its_provenance_bit_for_bit(folder, capsys):
    """As a study's preparation makes it: the picture's own seed, its superpixels, and what hides the rest."""
    source = folder / "class/03.png"
    recipe = {
        "kind": "explanation",
        "version": 1,
        "picture": f"artifacts/ab/{hashlib.sha256(source.read_bytes()).hexdigest()}.png",
        "label": 2,
        "classifier": "0" * 64,
        "explainer": Lime(n_samples=60, segmentation="slic", slic_n_segments=9).recipe(),
        "shown": {"superpixels": 3, "fill": "mean"},
        "seed": 7,
    }
    facts, _ = run(capsys, folder, "lime", "class/03.png", "--recipe", json.dumps(recipe))
    classifier = from_module(folder / "own.py", "colours", folder / "own.safetensors", mean=[0.5] * 3, std=[0.2] * 3)
    pixels = load(source.read_bytes())
    (explanation,) = Lime(n_samples=60, segmentation="slic", slic_n_segments=9).explain(
        classifier, to_tensor([pixels]), torch.tensor([2]), seeds=[stimulus_recipes.seed_of(recipe)]
    )
    expected = encode_png(top_superpixels(pixels, explanation, n_shown=3, fill="mean"))
    assert (folder / "out.png").read_bytes() == expected
    assert facts["seed"] == explanation.seed
    for changes, said in (
        ({"picture": "artifacts/ab/other.png"}, "the picture is another one than the recipe's"),
        ({"kind": "attack"}, "must be the provenance of an explanation"),
        ({"explainer": {**recipe["explainer"], "version": 99}}, "the recipe wants 99"),
    ):
        given = arguments(folder, "lime", "class/03.png", "--recipe", json.dumps(recipe | changes))
        assert said in refused(capsys, given)
    given = arguments(folder, "lime", "class/03.png", "--recipe", json.dumps(recipe), "--n-samples", 9)
    assert "--recipe has every parameter: leave n_samples away" in refused(capsys, given)


def test_a_heat_maps_stimulus_is_made_again_from_its_provenance(folder, capsys):
    source = folder / "class/03.png"
    recipe = {
        "kind": "explanation",
        "version": 2,
        "picture": f"artifacts/ab/{hashlib.sha256(source.read_bytes()).hexdigest()}.png",
        "label": 2,
        "classifier": "0" * 64,
        "explainer": SmoothGrad(n_samples=3).recipe(),
        "shown": {"share": 0.2, "fill": "mean"},
        "seed": 7,
    }
    facts, _ = run(capsys, folder, "smoothgrad", "class/03.png", "--recipe", json.dumps(recipe))
    classifier = from_module(folder / "own.py", "colours", folder / "own.safetensors", mean=[0.5] * 3, std=[0.2] * 3)
    pixels = load(source.read_bytes())
    (heat_map,) = SmoothGrad(n_samples=3).explain(
        classifier, to_tensor([pixels]), torch.tensor([2]), seeds=[stimulus_recipes.seed_of(recipe)]
    )
    expected = encode_png(top_pixels(pixels, heat_map, share=0.2, fill="mean"))
    assert (folder / "out.png").read_bytes() == expected
    assert facts["seed"] == heat_map.seed


PICKY = """
class Picky(nn.Sequential):
    def forward(self, x):
        if (x.amax((1, 2, 3)) < -2).any():
            raise RuntimeError('cannot look\\nat this')
        return super().forward(x)

def picky():
    return Picky(*colours())
"""


@pytest.mark.parametrize("method", ["lime", "ifgsm", "random"])
def test_a_network_that_fails_on_one_photograph_fails_with_its_name(folder, capsys, method):
    # The darkest of all pictures is the one it cannot look at.
    (folder / "class" / "05.png").write_bytes(encode_png(np.zeros((32, 32, 3), np.uint8)))
    (folder / "own.py").write_text(OWN_FILE + PICKY)
    source = "class" if method == "random" else "class/05.png"
    said = refused(capsys, [one.replace(":colours:", ":picky:") for one in arguments(folder, method, source)])
    assert "05.png: the classifier fails on it: RuntimeError: cannot look at this" in said
    assert said.count("\n") == 1


def test_an_interruption_ends_with_one_line_and_130(folder, capsys, monkeypatch):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(Lime, "explain", interrupted)
    assert main(arguments(folder, "lime", "class/00.png", *SLIC)) == 130
    assert capsys.readouterr().err == "explainers: interrupted\n"


def test_what_nobody_thought_of_is_one_line_too(folder, capsys, monkeypatch):
    def broken(*_, **__):
        raise ZeroDivisionError("division\nby zero")

    monkeypatch.setattr(Lime, "explain", broken)
    said = refused(capsys, arguments(folder, "lime", "class/00.png", *SLIC))
    assert said == "explainers: ZeroDivisionError: division by zero (--traceback shows where)\n"
    with pytest.raises(ZeroDivisionError):
        main([*arguments(folder, "lime", "class/00.png", *SLIC), "--traceback"])
