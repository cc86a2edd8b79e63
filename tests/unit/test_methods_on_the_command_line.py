"""`python -m explainers`."""

import json
import subprocess
import sys

import numpy as np
import pytest
import safetensors.torch
import torch
from torch import nn

from explainers import base
from explainers.__main__ import main
from explainers.images import encode_png, load

OWN_FILE = """
import torch
from torch import nn

def colours():
    return nn.Sequential(nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(12, 8), nn.ReLU(), nn.Linear(8, 3))
"""


@pytest.fixture
def folder(tmp_path):
    """A small classifier, and twelve photographs of one class."""
    (tmp_path / "own.py").write_text(OWN_FILE)
    torch.manual_seed(0)
    network = nn.Sequential(nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(12, 8), nn.ReLU(), nn.Linear(8, 3))
    nn.init.normal_(network[4].weight, 0, 5)
    safetensors.torch.save_file(network.state_dict(), tmp_path / "own.safetensors")
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


def test_images_are_resized_and_cropped_on_request(folder, capsys):
    _, picture = run(capsys, folder, "lime", "class/00.png", *SLIC, "--resize", 48, "--crop", 40)
    assert picture.shape == (40, 40, 3)


@pytest.mark.parametrize(
    ("source", "more", "said"),
    [
        ("no.png", (), "no.png: No such file or directory"),
        ("own.py", (), "own.py: not an image"),
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
    assert "is no folder" in refused(capsys, arguments(folder, "random", "class/00.png"))
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
    assert "there are lime, ifgsm," in refused(capsys, ["lyme", "a", "b"])
    assert "METHOD" in refused(capsys, [])


def test_listing_the_methods_does_not_load_torch():
    code = (
        "import sys\nfrom explainers.__main__ import main\ntry:\n main(['--help'])\nexcept SystemExit: pass\n"
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True).returncode == 0
