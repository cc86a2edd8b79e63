"""More of what networks do that nobody means: refused at import with its remedy, or named before a study opens."""

from pathlib import Path

import pytest
import safetensors.torch
import torch
from django.core.management import CommandError, call_command

import toybox
from studies.catalog import evaluation, judgement
from studies.models import Classifier
from tests.unit.catalog.test_networks_as_they_come import own, refusal, things  # noqa: F401

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"begin": "self.train()"}, "no train() in forward"),
        ({"begin": "self.norm.train()"}, "no train() in forward"),
        ({"end": "x = x[:, :, None, None]"}, "x.flatten(1)"),
        ({"after": ".double()"}, "return network.float()"),
        ({"end": "x = x.bfloat16()"}, "return network.float()"),
        ({"end": "x = x[:, :1]"}, "has 1 outputs, too few for 3 classes"),
        ({"end": "x = x * float('nan')"}, "not finite"),
        ({"end": "x = x - x.mean(0)"}, "depends on the others in its batch"),
        ({"end": "x = x.squeeze()[None] if len(x) == 1 else x.sort(0).values"}, "depends on the others in its batch"),
        ({"end": "x = x + torch.randn_like(x) * 0.1"}, "something in forward is drawn at random"),
        ({"end": "self.linear.bias.data += 1e-3"}, "its own tensors"),
        ({"end": "x = x.argmax(1)"}, "not [n, classes]"),
        ({"end": "x = x.numpy()"}, "not a tensor of logits"),
        ({"end": "x = None"}, "not a tensor of logits"),
        ({"after": ", 1"}, "returns tuple, not an nn.Module"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_what_nobody_means_is_refused_with_what_mends_it(things, tmp_path, changes, said):  # noqa: F811
    assert said in refusal(**own(tmp_path, **changes))


def test_a_network_that_is_left_in_training_is_asked_as_it_is_used(things, tmp_path, capsys):  # noqa: F811
    call_command(
        "import_classifier", "net", **own(tmp_path, after=".train()", begin="x = F.dropout(x, 0.5, self.training)")
    )
    assert all(check["ok"] for check in Classifier.objects.get().checks)


@pytest.mark.parametrize("prefix", ["module.", "model.", "_orig_mod.", "net.module."])
def test_a_prefix_that_all_names_share_is_left_away(things, tmp_path, capsys, prefix):  # noqa: F811
    call_command("import_classifier", "net", **own(tmp_path, prefix=prefix))
    assert Classifier.objects.exists()


def test_a_checkpoint_of_a_whole_training_is_refused_with_the_names_that_are_too_many(things, tmp_path):  # noqa: F811
    options = own(tmp_path)
    state = safetensors.torch.load_file(options["checkpoint"])
    safetensors.torch.save_file(state | {"optimizer.step": torch.zeros(1)}, options["checkpoint"])
    assert "optimizer.step" in refusal(**options)


# --- what costs accuracy ----------------------------------------------------------------------------------------------


def toynet(folder: Path, *, begin: str = "pass", end: str = "pass") -> dict:
    package = Path(toybox.__file__).parent
    module, checkpoint = folder / "net.py", folder / "net.safetensors"
    text = (package / "network.py").read_text()
    module.write_text(
        f"import torch\n{text}\n\nclass Changed(ToyboxNet):\n    def forward(self, x):\n        {begin}\n"
        f"        x = super().forward(x)\n        {end}\n        return x\n\ndef net():\n    return Changed()\n"
    )
    checkpoint.write_bytes((package / "toybox.safetensors").read_bytes())
    mean_and_std = {"mean": list(toybox.MEAN), "std": list(toybox.STD)}
    return {"images": "toys", "module": f"{module}:net", "checkpoint": checkpoint, **mean_and_std}


@pytest.fixture(scope="module")
def drawn(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("drawn") / "toybox"
    toybox.draw(folder, images_per_class=8)
    return folder


@pytest.fixture
def numbered(drawn, tmp_path) -> Path:
    """The toybox with its classes called by their numbers."""
    folder = tmp_path / "numbered"
    folder.mkdir()
    for number, name in enumerate(toybox.CLASSES):
        _copied(drawn / name, folder / str(number))
    return folder


def _copied(source: Path, target: Path) -> None:
    target.mkdir()
    for file in source.iterdir():
        (target / file.name).write_bytes(file.read_bytes())


def doubts(**options) -> str:
    call_command("import_classifier", "net", **options)
    evaluation.evaluate_here(Classifier.objects.get())
    return " ".join(judgement.of_classifier(Classifier.objects.get()))


def test_a_background_class_before_the_others_is_named(numbered, tmp_path, capsys):
    """Folders 0 to 11 and 13 outputs: the numbers fit, and each is off by one."""
    call_command("import_images", "toys", numbered)
    said = doubts(**toynet(tmp_path, end="x = torch.nn.functional.pad(x, (1, 0), value=-5.0)"))
    assert "With its outputs in another order net would be right on" in said
    assert "output 1 seems to be 0, output 2 seems to be 1" in said


def test_numbers_that_a_folder_sorts_as_text_are_named(numbered, tmp_path, capsys):
    """The network was trained by a folder that sorts 10 before 2."""
    call_command("import_images", "toys", numbered)
    order = [sorted(map(str, range(12))).index(str(n)) for n in range(12)]
    back = [order.index(n) for n in range(12)]
    said = doubts(**toynet(tmp_path, end=f"x = x[:, {back}]"))
    assert "With its outputs in another order net would be right on" in said


def test_folders_that_count_from_one_are_refused_with_the_remedy(numbered, tmp_path):
    for number in reversed(range(12)):
        (numbered / str(number)).rename(numbered / str(number + 1))
    call_command("import_images", "toys", numbered)
    with pytest.raises(CommandError) as refused:
        call_command("import_classifier", "net", **toynet(tmp_path))
    assert "class 12 would be output 12, and the network has outputs 0 to 11" in str(refused.value)
    assert "--outputs number-order" in str(refused.value)
    assert doubts(**toynet(tmp_path), outputs="number-order") == ""


def test_normalising_inside_the_network_and_outside_it_is_named(drawn, tmp_path, capsys):
    call_command("import_images", "toys", drawn)
    mean, std = (f"torch.tensor({list(values)}).view(1, 3, 1, 1)" for values in (toybox.MEAN, toybox.STD))
    said = doubts(**toynet(tmp_path, begin=f"x = (x - {mean}) / {std}"))
    assert "Given pixels from 0 to 1 without normalisation, net would be right on" in said


def test_levels_of_0_to_255_inside_the_network_are_named(drawn, tmp_path, capsys):
    call_command("import_images", "toys", drawn)
    mean, std = (f"torch.tensor({list(values)}).view(1, 3, 1, 1)" for values in (toybox.MEAN, toybox.STD))
    inside = toynet(tmp_path, begin=f"x = (x / 255 - {mean}) / {std}")
    said = doubts(**{**inside, "mean": None, "std": None})
    assert "Given pixels from 0 to 255, net would be right on" in said


def test_a_network_that_says_one_thing_is_named(drawn, tmp_path, capsys):
    call_command("import_images", "toys", drawn)
    said = doubts(**toynet(tmp_path, end="x = x * 1e-3 + torch.eye(12)[3]"))
    assert "is one class," in said
