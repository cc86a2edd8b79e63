"""Making classifiers from torchvision's names and from a researcher's own files."""

import hashlib
import io
import struct
import zipfile

import numpy as np
import pytest
import safetensors.torch
import torch
import torchvision
from torch import nn
from torchvision import models

from explainers.classifiers import (
    ClassifierError,
    ImageClassifier,
    check,
    from_module,
    from_torchvision,
    torchvision_preprocessing,
)

UNIT = {"mean": (0.0, 0.0, 0.0), "std": (1.0, 1.0, 1.0)}
OWN_FILE = """
from dataclasses import dataclass
from torch import nn

@dataclass
class Settings:
    width: int = 4

class Small(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, Settings().width, 3)
        self.norm = nn.BatchNorm2d(4)
        self.out = nn.Linear(4, 5)

    def forward(self, x):
        return self.out(self.norm(self.conv(x)).mean((2, 3)))

def small():
    return Small()

def nothing():
    return None

def broken():
    raise RuntimeError("no such\\ndepth")
"""


@pytest.fixture
def own(tmp_path):
    """A researcher's file and a checkpoint that fits it."""
    file, checkpoint = tmp_path / "own.py", tmp_path / "own.safetensors"
    file.write_text(OWN_FILE)
    torch.manual_seed(0)
    modules = nn.ModuleDict({"conv": nn.Conv2d(3, 4, 3), "norm": nn.BatchNorm2d(4), "out": nn.Linear(4, 5)})
    safetensors.torch.save_file(modules.state_dict(), checkpoint)
    return file, checkpoint


@pytest.fixture
def cache(tmp_path, monkeypatch, without_network):
    """An empty cache for torchvision's weights, on a machine without a network."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    folder = tmp_path / "hub" / "checkpoints"
    folder.mkdir(parents=True)
    return folder


def put_squeezenet(cache):
    """The smallest of torchvision's files, with weights made here."""
    torch.manual_seed(0)
    network = models.squeezenet1_1()
    torch.save(network.state_dict(), cache / "squeezenet1_1-b8a52dc0.pth")
    return network


def error_of(function, *arguments, **options):
    with pytest.raises(ClassifierError) as caught:
        function(*arguments, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_torchvision_weights_come_from_its_cache_with_the_preprocessing_inside(cache):
    network = put_squeezenet(cache).eval()
    classifier = from_torchvision("squeezenet1_1")
    images = torch.rand(2, 3, 64, 64)
    normalised = torchvision.transforms.functional.normalize(images, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
    assert torch.equal(classifier(images), network(normalised))
    assert not any(parameter.requires_grad for parameter in classifier.parameters())


def test_another_mean_and_deviation_can_be_named(cache):
    network = put_squeezenet(cache).eval()
    images = torch.rand(1, 3, 64, 64)
    assert torch.equal(from_torchvision("squeezenet1_1", **UNIT)(images), network(images))


def test_an_unknown_network_is_named_with_its_neighbours():
    assert error_of(from_torchvision, "resnet19").endswith("did you mean resnet101 or resnet152 or resnet18?")
    assert "'frcnn'" in error_of(torchvision_preprocessing, "frcnn")


def test_unknown_weights_are_named_with_those_there_are():
    assert error_of(from_torchvision, "resnet18", "IMAGENET2") == (
        "resnet18 has no weights 'IMAGENET2'; did you mean IMAGENET1K_V1?"
    )


def test_without_a_network_one_line_says_what_is_missing(cache):
    assert "squeezenet" in error_of(from_torchvision, "squeezenet1_1").lower()
    assert "could not be downloaded" in error_of(from_torchvision, "squeezenet1_1")


@pytest.mark.parametrize("content", ["cut", "html", "empty", "other"])
def test_a_spoilt_file_in_the_cache_is_named(cache, content):
    put_squeezenet(cache)
    file = cache / "squeezenet1_1-b8a52dc0.pth"
    if content == "other":
        torch.save({"weight": torch.zeros(1)}, file)
    else:
        file.write_bytes({"cut": file.read_bytes()[:5000], "html": b"<html>", "empty": b""}[content])
    assert str(file) in error_of(from_torchvision, "squeezenet1_1")


def test_preprocessing_is_read_without_the_weights(cache):
    assert torchvision_preprocessing("resnet101") == {
        "resize": 256,
        "crop": 224,
        "mean": [0.485, 0.456, 0.406],
        "std": [0.229, 0.224, 0.225],
    }
    assert torchvision_preprocessing("resnet101", "IMAGENET1K_V2")["resize"] == 232
    assert not list(cache.iterdir())


def test_every_published_weight_of_a_classification_network_has_a_preprocessing():
    for name in models.list_models(module=models):
        for entry in models.get_model_weights(name):
            assert set(torchvision_preprocessing(name, entry.name)) == {"resize", "crop", "mean", "std"}


def test_an_own_network_is_loaded_with_its_checkpoint(own):
    file, checkpoint = own
    classifier = from_module(file, "small", checkpoint, **UNIT)
    assert check(classifier, (16, 16), 5) == 5
    saved = safetensors.torch.load_file(checkpoint)
    assert all(torch.equal(value, saved[name]) for name, value in classifier.network.state_dict().items())


def test_two_files_of_one_name_are_two_modules(own, tmp_path):
    file, checkpoint = own
    (tmp_path / "b").mkdir()
    other = tmp_path / "b" / "own.py"
    other.write_text(OWN_FILE.replace("def small", "def large"))
    from_module(file, "small", checkpoint, **UNIT)
    from_module(other, "large", checkpoint, **UNIT)
    assert "no function 'small'" in error_of(from_module, other, "small", checkpoint, **UNIT)


@pytest.mark.parametrize(
    ("factory", "said"),
    [
        ("smal", "own.py has no function 'smal'; did you mean Small or small?"),
        ("nn", "own.py has no function 'nn'"),
        ("nothing", "nothing() in own.py returns NoneType, not an nn.Module"),
        ("broken", "broken() in own.py fails: RuntimeError: no such depth"),
    ],
)
def test_a_factory_that_makes_no_network_is_named(own, factory, said):
    assert error_of(from_module, own[0], factory, own[1], **UNIT).startswith(said)


@pytest.mark.parametrize("source", ["import no_such_module", "def (", "raise SystemExit(3)", "1 / 0"])
def test_a_file_that_fails_to_import_is_named(own, source):
    own[0].write_text(source)
    assert error_of(from_module, own[0], "small", own[1], **UNIT).startswith("own.py cannot be imported: ")


def test_files_that_are_not_there_are_named(own, tmp_path):
    assert error_of(from_module, tmp_path / "no.py", "small", own[1], **UNIT).startswith("no.py cannot be read")
    assert error_of(from_module, own[0], "small", tmp_path / "no", **UNIT).startswith("no cannot be read")


@pytest.mark.parametrize("old", [True, False])
def test_a_pickle_is_refused_unread(own, old):
    torch.save({"x": torch.zeros(1)}, own[1], _use_new_zipfile_serialization=not old)
    assert error_of(from_module, own[0], "small", own[1], **UNIT).startswith("own.safetensors is a pickle")


@pytest.mark.parametrize("first", [0x80, 0x50])
def test_a_file_is_told_by_its_framing_and_not_by_its_first_byte(own, first):
    """One header in 32 has a length whose first byte is that of a pickle; torchvision's resnet50 is one."""
    state = safetensors.torch.load_file(own[1])
    for padding in range(256):
        safetensors.torch.save_file(state, own[1], metadata={"note": "x" * padding})
        if own[1].read_bytes()[0] == first:
            break
    assert own[1].read_bytes()[0] == first
    from_module(own[0], "small", own[1], **UNIT)


@pytest.mark.parametrize("prefix", ["module.", "_orig_mod.", "model.", "module._orig_mod."])
def test_a_prefix_that_all_names_of_a_checkpoint_have_is_left_away(own, prefix):
    plain = from_module(own[0], "small", own[1], **UNIT)
    state = safetensors.torch.load_file(own[1])
    safetensors.torch.save_file({prefix + name: value for name, value in state.items()}, own[1])
    assert from_module(own[0], "small", own[1], **UNIT).state_digest == plain.state_digest


def test_a_prefix_that_some_names_have_is_not(own):
    changed(own[1], lambda state: state.update({"module.out.bias": state.pop("out.bias")}))
    assert "it has unknown module.out.bias" in error_of(from_module, own[0], "small", own[1], **UNIT)


@pytest.mark.parametrize("length", [5, 40, -1])
def test_a_torn_checkpoint_is_refused(own, length):
    own[1].write_bytes(own[1].read_bytes()[:length])
    assert "is not a whole safetensors file" in error_of(from_module, own[0], "small", own[1], **UNIT)


def changed(checkpoint, change):
    state = safetensors.torch.load_file(checkpoint)
    change(state)
    safetensors.torch.save_file(state, checkpoint)


def test_a_checkpoint_that_does_not_fit_is_described(own):
    def spoil(state):
        del state["conv.bias"]
        state["head.bias"] = torch.zeros(2)
        state["out.weight"] = torch.zeros(6, 4)

    changed(own[1], spoil)
    assert error_of(from_module, own[0], "small", own[1], **UNIT) == (
        "own.safetensors does not fit the network: it lacks conv.bias; it has unknown head.bias; "
        "it has misshapen out.weight [6, 4] instead of [5, 4]"
    )


def test_whole_numbers_are_not_taken_for_weights(own):
    changed(own[1], lambda state: state.update({"out.bias": torch.ones(5, dtype=torch.int8)}))
    said = error_of(from_module, own[0], "small", own[1], **UNIT)
    assert "it has out.bias int8 instead of float32; save its weights as float32" in said


def npz() -> bytes:
    file = io.BytesIO()
    np.savez(file, weight=np.zeros(3))
    return file.getvalue()


def zipped() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("own.safetensors", b"weights")
    return file.getvalue()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (
            b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1234\n",
            "is a Git LFS pointer, not a safetensors file: run git lfs pull",
        ),
        (b"\r\n<!DOCTYPE html><html>Sign in</html>", "is an HTML page, not a safetensors file: download the file"),
        (b'{"weight_map": {"conv.bias": "part-1.safetensors"}}', "is a JSON file, not a safetensors file: where it is"),
        (b"", "is empty: copy or download it again"),
        (bytes(9000), "is filled with zero bytes where it should begin"),
        (b"epoch 12, accuracy 0.91", "is a text file, not a safetensors file"),
        (npz(), "is an archive of NumPy arrays (.npz), not a safetensors file: give its weights to the network"),
        (b"\x93NUMPY\x01\x00v\x00", "is a NumPy array (.npy), not a safetensors file"),
        (zipped(), "is a zip archive, not a safetensors file: unpack it, and name the safetensors file in it"),
        (b"\x89HDF\r\n\x1a\n" + bytes(500), "is an HDF5 file, as Keras writes, not a safetensors file"),
        (b"\x08\x07\x12\x07pytorch\x1a\x052.1.0", "is an ONNX network, not a safetensors file: take the network of"),
    ],
    ids=["LFS", "HTML", "JSON", "empty", "zeros", "text", "npz", "npy", "zip", "Keras", "ONNX"],
)
def test_what_lies_in_the_place_of_weights_is_named_with_the_remedy(own, content, said):
    own[1].write_bytes(content)
    assert error_of(from_module, own[0], "small", own[1], **UNIT).startswith(f"own.safetensors {said}")


@pytest.mark.parametrize(
    ("factory", "said"),
    [
        ("s = Small(); s.out = nn.LazyLinear(5); return s", "its layer is lazy"),
        ("return Small().to('meta')", "on the device meta"),
        ("import torch; return torch.jit.script(nn.Linear(4, 5))", "returns TorchScript"),
        ("s = Small(); s.out.train = lambda: s.out; return s", "cannot be set up: TypeError"),
        ("s = Small(); s.state_dict = lambda: {}; return s", "cannot be set up: TypeError"),
    ],
)
def test_a_network_that_cannot_be_set_up_is_one_line(own, factory, said):
    own[0].write_text(f"{OWN_FILE}\ndef odd():\n    {factory}\n")
    assert said in error_of(from_module, own[0], "odd", own[1], **UNIT)


def test_only_the_first_few_missing_names_are_told(own):
    changed(own[1], lambda state: [state.pop(name) for name in list(state) if name != "out.bias"])
    assert "and 4 more" in error_of(from_module, own[0], "small", own[1], **UNIT)


def test_the_batch_counters_of_batch_norm_may_be_absent(own):
    changed(own[1], lambda state: state.pop("norm.num_batches_tracked"))
    from_module(own[0], "small", own[1], **UNIT)


@pytest.mark.parametrize(
    "bad",
    [
        {"std": (1, 1, 0)},
        {"std": (1, -1, 1)},
        {"mean": (0.5,)},
        {"mean": (0, 0, float("nan"))},
        {"mean": (123.7, 116.3, 103.5)},
        {"std": (58.4, 57.1, 57.4)},
        {"mean": (0.5, 0.5, -0.1)},
    ],
)
def test_a_normalisation_that_makes_no_sense_is_refused(bad):
    assert error_of(ImageClassifier, nn.Identity(), **{**UNIT, **bad})


class Network(nn.Module):
    """Linear layers declared in another order than they are executed, and one that never is."""

    def __init__(self):
        super().__init__()
        self.last = nn.Linear(4, 6)
        self.first = nn.Linear(3, 4)
        self.unused = nn.Linear(4, 6)

    def forward(self, x):
        return self.last(self.first(x.mean((2, 3))).relu_())


def test_the_hidden_values_are_what_the_last_executed_linear_layer_is_given():
    classifier = ImageClassifier(Network(), **UNIT)
    images = torch.rand(3, 3, 8, 8)
    logits, hidden = classifier.predict(images)
    assert torch.equal(hidden, classifier.network.first(images.mean((2, 3))).relu())
    assert torch.equal(logits, classifier.network.last(hidden))
    assert not any(module._forward_pre_hooks for module in classifier.modules())


def test_hidden_values_of_a_resnet_are_its_pooled_features():
    torch.manual_seed(0)
    classifier = ImageClassifier(models.resnet18(), **UNIT)
    logits, hidden = classifier.predict(torch.rand(2, 3, 64, 64))
    assert hidden.shape == (2, 512)
    assert torch.allclose(classifier.network.fc(hidden), logits)


def test_a_network_without_a_linear_layer_has_no_hidden_values():
    assert "no linear layer" in error_of(ImageClassifier(nn.Flatten(), **UNIT).predict, torch.zeros(1, 3, 2, 2))
    per_pixel = nn.Sequential(nn.Flatten(2), nn.Linear(4, 5), nn.Flatten())
    assert "one row for each" in error_of(ImageClassifier(per_pixel, **UNIT).predict, torch.zeros(1, 3, 2, 2))


def test_a_classifier_stays_in_evaluation_mode():
    classifier = ImageClassifier(nn.Sequential(nn.Dropout(), nn.Flatten(), nn.Linear(12, 2)), **UNIT)
    assert not any(module.training for module in classifier.train().modules())


def test_gradients_reach_the_images_and_nothing_else():
    classifier = ImageClassifier(Network(), **UNIT)
    images = torch.rand(1, 3, 4, 4, requires_grad=True)
    classifier(images).sum().backward()
    assert images.grad is not None
    assert all(parameter.grad is None for parameter in classifier.parameters())


class Wrapped(nn.Module):
    """A linear network whose output something else is done to."""

    def __init__(self, change):
        super().__init__()
        self.out, self.change = nn.Linear(3, 4), change

    def forward(self, x):
        return self.change(self.out(x.mean((2, 3))))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda x: x, "has 4 outputs, too few for 5 classes"),
        (lambda x: x[:, :, None], "returns shape [2, 4, 1] for 2 images"),
        (lambda x: x[:1], "returns shape [1, 4] for 2 images"),
        (lambda x: {"out": x}, "returns dict of out, not a tensor of logits [n, classes]: wrap it in a module whose "),
        (lambda x: {"aux": x, "logits": x}, "forward is return self.network(x)['logits']"),
        (lambda x: (x, x), "returns tuple of 2"),
        (lambda x: [x], "forward is return self.network(x)[0]"),
        (lambda x: None, "returns NoneType, not a tensor of logits [n, classes]"),
        (lambda x: x.half(), "It computes in float16, images are float32: end its factory with return network.float()"),
        (lambda x: torch.cat([x, x]).T * float("nan"), "returns shape"),
        (lambda x: torch.cat([x, x / 0], 1), "not finite"),
        (lambda x: x.view(7), "fails on images of 8 × 8: RuntimeError"),
    ],
)
def test_a_network_that_is_no_classifier_of_these_classes_is_refused(change, said):
    assert said in error_of(check, ImageClassifier(Wrapped(change), **UNIT), (8, 8), 5)


def test_a_network_of_half_precision_is_told_how_to_be_float32():
    said = error_of(check, ImageClassifier(Network().half(), **UNIT), (8, 8), 5)
    assert said.endswith("It computes in float16, images are float32: end its factory with return network.float()")


def test_a_network_of_one_channel_is_told_how_to_take_three():
    network = nn.Sequential(nn.Conv2d(1, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 5))
    assert "x = x.mean(1, keepdim=True)" in error_of(check, ImageClassifier(network, **UNIT), (8, 8), 5)


def test_one_output_for_two_classes_is_told_how_to_be_two():
    network = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, 1))
    assert "torch.cat([-x, x], 1) / 2" in error_of(check, ImageClassifier(network, **UNIT), (8, 8), 2)


def test_the_digest_depends_on_every_tensor_and_on_nothing_else():
    torch.manual_seed(0)
    digest = ImageClassifier(Network(), **UNIT).state_digest
    torch.manual_seed(0)
    again = ImageClassifier(Network(), **UNIT)
    assert again.state_digest == digest
    for name, value in again.state_dict().items():
        before = value.clone()
        value.view(-1)[-1] += 1e-3
        assert again.state_digest != digest, name
        value.copy_(before)
    assert again.state_digest == digest
    assert again.double().state_digest != digest


def test_the_digest_is_what_its_docstring_says():
    classifier = ImageClassifier(nn.Linear(1, 2, bias=False), **UNIT)
    nn.init.ones_(classifier.network.weight)
    one = struct.pack("<f", 1)
    expected = b"mean\ntorch.float32\n[1, 3, 1, 1]\n" + bytes(12)
    expected += b"network.weight\ntorch.float32\n[2, 1]\n" + 2 * one
    expected += b"std\ntorch.float32\n[1, 3, 1, 1]\n" + 3 * one
    assert classifier.state_digest == hashlib.sha256(expected).hexdigest()
