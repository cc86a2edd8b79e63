"""Networks of timm, transformers and open_clip: random weights made here, laid where the libraries keep theirs, and
loaded by their own code."""

import json
import sys
from pathlib import Path

import pytest
import safetensors.torch
import torch

from explainers import libraries
from explainers.classifier_checks import examine, refuse
from explainers.classifiers import ClassifierError, ImageClassifier, check
from explainers.lime import Lime

timm = pytest.importorskip("timm")
transformers = pytest.importorskip("transformers")
open_clip = pytest.importorskip("open_clip")

COMMIT = "0" * 40
ARCHITECTURE = {
    "embed_dim": 16,
    "vision_cfg": {"image_size": 32, "patch_size": 16, "width": 32, "layers": 1, "head_width": 16},
    "text_cfg": {"context_length": 16, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 1},
}


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch, without_network) -> Path:
    """An empty cache of the hub, on a machine without a network."""
    from huggingface_hub import constants

    folder = tmp_path / "hub"
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(folder))
    for module in [value for name, value in sys.modules.items() if name.startswith("huggingface_hub")]:
        if hasattr(module, "HF_HUB_CACHE"):
            monkeypatch.setattr(module, "HF_HUB_CACHE", str(folder))
    hub = pytest.importorskip("transformers.utils.hub")
    for name in ("TRANSFORMERS_CACHE", "PYTORCH_TRANSFORMERS_CACHE"):
        monkeypatch.setattr(hub, name, str(folder), raising=False)
    return folder


def repository(cache: Path, name: str) -> Path:
    """The folder of a repository's files in the cache, as the hub's own client lays it."""
    root = cache / f"models--{name.replace('/', '--')}"
    (root / "refs").mkdir(parents=True)
    (root / "refs" / "main").write_text(COMMIT)
    files = root / "snapshots" / COMMIT
    files.mkdir(parents=True)
    return files


def put_timm(cache: Path, name: str):
    """timm's network with random weights, in its place in the cache."""
    torch.manual_seed(0)
    network = timm.create_model(name).eval()
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, 0, 0.1)
    files = repository(cache, timm.get_pretrained_cfg(name).hf_hub_id)
    safetensors.torch.save_file(network.state_dict(), files / "model.safetensors")
    return network


def put_transformers(folder: Path, **config):
    """A tiny vision transformer with its processor."""
    torch.manual_seed(0)
    sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
    labels = {0: "tench, Tinca tinca", 1: "goldfish", 2: "shark"}
    model = transformers.ViTForImageClassification(
        transformers.ViTConfig(**sizes, image_size=32, patch_size=16, id2label=labels)
    ).eval()
    model.save_pretrained(folder)
    processor = {"image_processor_type": "ViTImageProcessor", "size": {"height": 32, "width": 32}, "do_normalize": True}
    processor |= {"image_mean": [0.5, 0.4, 0.3], "image_std": [0.2, 0.2, 0.1], "do_resize": True, "do_rescale": True}
    (folder / "preprocessor_config.json").write_text(json.dumps(processor | config))
    return model


def put_open_clip(folder: Path):
    """A tiny CLIP network with its configuration."""
    torch.manual_seed(0)
    model = open_clip.CLIP(**ARCHITECTURE).eval()
    safetensors.torch.save_file(model.state_dict(), folder / "open_clip_model.safetensors")
    facts = {"mean": [0.5, 0.4, 0.3], "std": [0.2, 0.2, 0.1]}
    config = {"model_cfg": ARCHITECTURE, "preprocess_cfg": facts}
    (folder / "open_clip_config.json").write_text(json.dumps(config))
    return model


def loaded(key, name, **options):
    module = libraries.library(key)
    prepared = module.preprocessing(name)
    classifier = libraries.load(key, name, mean=prepared["mean"], std=prepared["std"], **options)
    return classifier, prepared


def tried(classifier, side, n_outputs):
    """A network is what it says, whatever its architecture."""
    torch.manual_seed(2)
    pictures = torch.rand(4, 3, side, side)
    assert check(classifier, (side, side), n_outputs) == n_outputs
    findings = examine(classifier, pictures)
    refuse(findings)
    return pictures, {finding.check: finding.ok for finding in findings}


def error_of(function, *arguments, **options):
    with pytest.raises(ClassifierError) as caught:
        function(*arguments, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("name", ["test_resnet", "test_vit.r160_in1k"])
def test_a_network_of_timm_comes_from_its_cache_with_its_preprocessing(cache, name):
    network = put_timm(cache, name)
    classifier, prepared = loaded("timm", name)
    assert prepared == {
        "resize": int(160 / timm.get_pretrained_cfg(name).crop_pct),
        "crop": 160,
        "mean": [0.5] * 3,
        "std": [0.5] * 3,
    }
    pictures, found = tried(classifier, 160, 1000)
    assert found["hidden"]
    assert found["gradients"]
    with torch.no_grad():
        assert torch.allclose(classifier(pictures), network((pictures - 0.5) / 0.5), atol=1e-5)


def test_timms_swin_with_its_tables_of_five_dimensions_can_be_explained():
    torch.manual_seed(0)
    network = timm.create_model(
        "swin_tiny_patch4_window7_224", num_classes=5, img_size=112, depths=(2, 1), num_heads=(2, 4), embed_dim=24
    )
    traced = torch.fx.symbolic_trace(network.eval())
    assert any(value.ndim == 5 for value in traced.buffers())
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, 0, 0.3)
    classifier = ImageClassifier(network, mean=[0.5] * 3, std=[0.5] * 3)
    pictures, found = tried(classifier, 112, 5)
    assert found["hidden"]
    assert found["faster"]
    method = Lime(n_samples=20, segmentation="slic", slic_n_segments=9)
    pictures = (pictures[:1] * 255).round() / 255
    (explanation,) = method.explain(classifier, pictures, torch.tensor([1]), seeds=[1])
    assert explanation.reason is None


def test_a_network_of_transformers_comes_from_a_folder_or_the_cache(cache, tmp_path):
    model = put_transformers(repository(cache, "someone/tiny"))
    put_transformers(tmp_path / "own")
    from_cache, prepared = loaded("transformers", "someone/tiny")
    from_folder, _ = loaded("transformers", str(tmp_path / "own"))
    assert prepared == {"resize": 32, "crop": 32, "mean": [0.5, 0.4, 0.3], "std": [0.2, 0.2, 0.1]}
    assert from_cache.state_digest == from_folder.state_digest
    assert libraries.library("transformers").output_names("someone/tiny") == ["tench, Tinca tinca", "goldfish", "shark"]
    pictures, found = tried(from_cache, 32, 3)
    assert found["hidden"]
    with torch.no_grad():
        expected = model(pixel_values=from_cache.normalised(pictures)).logits
    assert torch.allclose(from_cache(pictures), expected, atol=1e-5)


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ({"do_normalize": False}, {"mean": [0.0] * 3, "std": [1.0] * 3}),
        (
            {"size": {"shortest_edge": 40}, "do_center_crop": True, "crop_size": {"height": 32, "width": 32}},
            {"resize": 40},
        ),
        ({"do_rescale": False, "image_mean": [127.5] * 3, "image_std": [255.0] * 3}, {"mean": [0.5] * 3}),
        ({"rescale_factor": 1 / 127.5, "image_mean": [1.0] * 3, "image_std": [1.0] * 3}, {"std": [0.5] * 3}),
        ({"do_resize": False}, {"resize": None, "crop": 32}),
    ],
)
def test_a_processor_is_read_as_it_is_written(tmp_path, config, expected):
    put_transformers(tmp_path / "own", **config)
    prepared = libraries.library("transformers").preprocessing(str(tmp_path / "own"))
    for name, value in expected.items():
        assert prepared[name] == pytest.approx(value) if value is not None else prepared[name] is None


def test_a_network_without_a_trained_head_is_refused(tmp_path):
    put_transformers(tmp_path / "own")
    file = tmp_path / "own" / "model.safetensors"
    state = {name: value for name, value in safetensors.torch.load_file(file).items() if "classifier" not in name}
    safetensors.torch.save_file(state, file, metadata={"format": "pt"})
    assert "lacks classifier.bias, classifier.weight" in error_of(loaded, "transformers", str(tmp_path / "own"))


POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:4665a5\nsize 12345\n"


@pytest.mark.parametrize("file", ["model.safetensors", "preprocessor_config.json"])
def test_a_folder_that_was_cloned_without_git_lfs_is_told_by_its_pointers(tmp_path, file):
    put_transformers(tmp_path / "own")
    (tmp_path / "own" / file).write_bytes(POINTER)
    said = error_of(loaded, "transformers", str(tmp_path / "own"))
    assert said == f"{file} in {tmp_path / 'own'} is a Git LFS pointer, not the file itself: run git lfs pull"


def test_a_folder_with_pickles_alone_is_refused(tmp_path):
    model = put_transformers(tmp_path / "own")
    (tmp_path / "own" / "model.safetensors").unlink()
    torch.save(model.state_dict(), tmp_path / "own" / "pytorch_model.bin")
    assert error_of(loaded, "transformers", str(tmp_path / "own"))


PROMPTS = ["a photo of a cat", "a photo of a dog"]


@pytest.mark.parametrize("place", ["hf-hub:someone/clip", "local-dir:{folder}"])
def test_open_clip_compares_an_image_with_a_prompt_for_each_class(cache, tmp_path, place):
    folder = repository(cache, "someone/clip")
    model = put_open_clip(folder)
    name = place.format(folder=folder)
    classifier, prepared = loaded("open_clip", name, prompts=PROMPTS)
    assert prepared == {"resize": 32, "crop": 32, "mean": [0.5, 0.4, 0.3], "std": [0.2, 0.2, 0.1]}
    pictures, found = tried(classifier, 32, 2)
    assert found["hidden"]
    with torch.no_grad():
        images = model.encode_image(classifier.normalised(pictures), normalize=True)
        texts = model.encode_text(open_clip.get_tokenizer("ViT-B-32", context_length=16)(PROMPTS), normalize=True)
        expected = model.logit_scale.exp() * images @ texts.T
    assert torch.allclose(classifier(pictures), expected, atol=1e-4)
    others = libraries.load("open_clip", name, mean=[0.5] * 3, std=[0.5] * 3, prompts=["a", "b"])
    assert others.state_digest != classifier.state_digest


@pytest.mark.parametrize(
    ("key", "name", "said"),
    [
        ("timm", "test_resnet", "timm's test_resnet is not in the cache of this machine: hf download timm/test_resnet"),
        ("timm", "resnet5O", "did you mean resnet50"),
        ("timm", "resnet50.no_tag", "timm has no published weights 'resnet50.no_tag'; there are resnet50."),
        (
            "transformers",
            "someone/missing",
            "someone/missing is not in the cache of this machine: hf download someone/",
        ),
        ("transformers", "/nowhere/at/all", "there is no folder /nowhere/at/all"),
        ("open_clip", "ViT-B-33:openai", "did you mean ViT-B-32"),
        ("open_clip", "ViT-B-32:mine", "ViT-B-32 has no weights 'mine'"),
        ("open_clip", "ViT-B-32", "name it MODEL:WEIGHTS"),
        ("open_clip", "hf-hub:someone/missing", "is not in the cache of this machine: hf download someone/missing"),
        ("open_clip", "ViT-B-32:laion2b_s34b_b79k", "hf download laion/CLIP-ViT-B-32-laion2B-s34B-b79K"),
        ("open_clip", "local-dir:/nowhere", "open_clip's local-dir:/nowhere cannot be loaded"),
    ],
)
def test_what_is_not_there_is_said_in_one_line(key, name, said):
    options = {"prompts": PROMPTS} if key == "open_clip" else {}
    assert said in error_of(loaded, key, name, **options)


@pytest.mark.parametrize("key", libraries.LIBRARIES)
def test_a_library_that_is_not_installed_is_named(key, monkeypatch):
    monkeypatch.setitem(sys.modules, f"explainers.{key}_networks", None)
    assert "pip install -r requirements-networks.txt" in error_of(libraries.library, key)
