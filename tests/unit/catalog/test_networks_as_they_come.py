"""Networks as researchers bring them: what is refused at import, with its remedy, and what works but for one thing."""

from pathlib import Path

import pytest
import safetensors.torch
import torch
from django.core.management import CommandError, call_command

from explainers.computations import inputs
from explainers.images import load
from studies import lifecycle, preparation, protocols
from studies.designs.choices import catalogue
from studies.lib import storage
from studies.lib.errors import StudyError
from studies.models import Classifier
from studies.protocols import Catalogue, DesignError
from tests.factories import make_image_set

pytestmark = pytest.mark.django_db(transaction=True)

MODULE = """
import torch
from torch import nn
from torch.nn import functional as F

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3, padding=1)
        self.norm = nn.BatchNorm2d(8, track_running_stats={tracked})
        self.linear = nn.Linear(128, 3)

    def forward(self, x):
        {begin}
        x = self.norm(self.conv(x)).relu()[:, :, ::8, ::8].flatten(1)
        {middle}
        x = self.linear(x)
        {end}
        return x

def net():
    return Net(){after}
"""
WHOLE = {"tracked": True, "begin": "pass", "middle": "pass", "end": "pass", "after": ""}


@pytest.fixture
def things():
    return make_image_set("things", n_images=12)


def own(folder: Path, *, prefix: str = "", half: bool = False, **changes) -> dict:
    """The options of import_classifier for the network with these changes, its weights random."""
    module, checkpoint = folder / "net.py", folder / "net.safetensors"
    module.write_text(MODULE.format(**WHOLE | changes))
    generator = torch.Generator().manual_seed(1)
    shapes = {"conv.weight": (8, 3, 3, 3), "conv.bias": (8,), "linear.weight": (3, 128), "linear.bias": (3,)}
    state = {name: torch.randn(shape, generator=generator) for name, shape in shapes.items()}
    state |= {"norm.weight": torch.ones(8), "norm.bias": torch.zeros(8)}
    if changes.get("tracked", True):
        state |= {"norm.running_mean": torch.zeros(8), "norm.running_var": torch.ones(8)}
    if half:
        state = {name: value.half() for name, value in state.items()}
    safetensors.torch.save_file({prefix + name: value for name, value in state.items()}, checkpoint)
    return {"images": "things", "module": f"{module}:net", "checkpoint": checkpoint}


def refusal(name: str = "net", **options) -> str:
    with pytest.raises(CommandError) as refused:
        call_command("import_classifier", name, **options)
    assert "\n" not in str(refused.value)
    assert not Classifier.objects.exists()
    return str(refused.value)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"begin": "x = F.dropout(x)"}, "F.dropout(x, training=self.training)"),
        ({"tracked": False}, "track_running_stats=True"),
        ({"end": "x = x.softmax(1)"}, "--outputs-are probabilities"),
        ({"end": "x = {'logits': x, 'aux': x}"}, "return self.network(x)['logits']"),
        ({"end": "x = x, x"}, "return self.network(x)[0]"),
        ({"after": ".half()"}, "return network.float()"),
        ({"end": "x = x[:1]"}, "returns shape [1, 3] for 2 images, not [n, classes]"),
    ],
)
def test_what_is_not_what_it_says_is_refused_with_the_remedy(things, tmp_path, changes, said):
    assert said in refusal(**own(tmp_path, **changes))


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"mean": [123.7, 116.3, 103.5], "std": [58.4, 57.1, 57.4]}, "--mean must lie in [0, 1]"),
        ({"mean": [0.5] * 3, "std": [58.4] * 3}, "--std must lie in [0, 1]"),
        ({"mean": [0.5] * 3}, "--mean without --std: give both, or neither"),
        ({"std": [0.5] * 3}, "--std without --mean"),
        ({"weights": "X"}, "--weights goes with --torchvision"),
        ({"expected_accuracy": "0.8"}, "--expected-accuracy 0.8: must be a percentage above 1"),
        ({"outputs_are": "probabilities"}, "--outputs-are probabilities: its outputs are none"),
    ],
)
def test_options_that_make_no_sense_are_refused(things, tmp_path, given, said):
    assert said in refusal(**own(tmp_path) | given)


def imported(capsys, **options) -> Classifier:
    call_command("import_classifier", "net", **options)
    capsys.readouterr()
    return Classifier.objects.get(name="net")


@pytest.mark.parametrize(
    ("options", "changes"),
    [
        ({}, {"end": "x = x.log_softmax(1)"}),
        ({"outputs_are": "probabilities"}, {"end": "x = x.softmax(1)"}),
        ({}, {"prefix": "module."}),
        ({}, {"half": True}),
        ({"expected_accuracy": "81.3%"}, {}),
    ],
)
def test_what_only_looks_odd_is_taken(things, tmp_path, capsys, options, changes):
    row = imported(capsys, **own(tmp_path, **changes), **options)
    assert all(check["ok"] for check in row.checks)
    assert row.source.get("outputs_are", "logits") == options.get("outputs_are", "logits")
    assert row.expected_accuracy == (0.813 if "expected_accuracy" in options else None)


def study_of(protocol: str, **design):
    return lifecycle.create_study(slug="study", protocol=protocol, design={"classifier": "net", **design})


def designed(protocol: str, **settings) -> dict:
    # A round needs six classes, and these photographs have three: that is another matter.
    seen = catalogue()
    seen = Catalogue({name: tuple("abcdef") for name in seen.classifiers}, seen.lacks)
    return protocols.get(protocol).clean({"classifier": "net", **settings}, catalogue=seen)


def not_designed(protocol: str, **settings) -> str:
    with pytest.raises(DesignError) as refused:
        designed(protocol, **settings)
    (line,) = refused.value.messages
    return line


def test_without_gradients_everything_works_but_attacks(things, tmp_path, capsys):
    row = imported(capsys, **own(tmp_path, begin="x = (x * 255).round() / 255"))
    assert "attacks and methods by gradients cannot be used" in row.lacks("gradients")
    preparation.prepare(study_of("rectified_labeling"))
    lifecycle.delete_study(lifecycle.Study.objects.get())
    assert "classifier: net: no gradients reach the pictures" in not_designed("adversarial_trials")
    assert "conditions: net: no gradients" in not_designed("class_assignment", conditions=["adversarial-prototypes"])
    assert "selection: net: no gradients" in not_designed("attribute_annotation", selection="adversarial")
    for protocol, settings in (
        ("class_assignment", {"conditions": ["random", "mmd-prototypes"]}),
        ("attribute_annotation", {"selection": "mmd"}),
    ):
        designed(protocol, **settings)


def test_a_design_that_was_written_before_the_check_failed_is_refused_where_it_is_prepared(things, tmp_path, capsys):
    row = imported(capsys, **own(tmp_path))
    study = study_of("adversarial_trials")
    why = "no gradients reach the pictures (they are not finite)"
    failed = [check | {"ok": check["ok"] and check["check"] != "gradients", "line": why} for check in row.checks]
    Classifier.objects.update(checks=failed)
    with pytest.raises(StudyError, match="classifier: net: no gradients reach the pictures"):
        preparation.prepare(study)


def test_without_a_last_linear_layer_everything_works_but_what_goes_by_hidden_values(things, tmp_path, capsys):
    row = imported(capsys, **own(tmp_path, end="x = x.relu() - x.sigmoid()"))
    assert "MMD-critic for one" in row.lacks("hidden")
    assert "selection: net: it has no hidden values" in not_designed("attribute_annotation", selection="mmd")
    assert "conditions: net: it has no hidden values" in not_designed("class_assignment", conditions=["mmd-prototypes"])
    designed("attribute_annotation", selection="probability")
    designed("adversarial_trials")
    prediction = next(preparation.Bench().predictions("net", preparation.Bench().images("net")))
    assert prediction.hidden_file == ""
    bench = preparation.Bench()
    pool = bench.pool("things", list(bench.images("net")))
    with pytest.raises(ValueError, match="net: it has no hidden values"):
        bench.selection("net", pool, {"method": "mmd_critic"}, n_prototypes=1, n_criticisms=1)
    assert bench.selection("net", pool, {"method": "random"}, n_prototypes=1, n_criticisms=1).prototypes


def test_a_network_that_fx_misreads_is_explained_as_it_was_written(things, tmp_path, capsys):
    row = imported(capsys, **own(tmp_path, begin="x = x * 3 - 1 if isinstance(x, torch.Tensor) else x"))
    assert "another way through its code" in row.lacks("faster")
    assert inputs.classifier(row.digest).as_written


def test_a_network_that_fails_on_one_photograph_is_refused_with_its_name(things, tmp_path):
    image = things.images.order_by("label", "path").first()
    begin = "\n        ".join(["if (x[:, 0, 0, 0] == VALUE).any():", "    raise RuntimeError('cannot look at this')"])
    pixel = load(storage.read(image.file))[0, 0, 0] / 255
    said = refusal(**own(tmp_path, begin=begin.replace("VALUE", f"torch.tensor({pixel}, dtype=torch.float32)")))
    assert said.startswith(f"{image.path}: the network fails on it: RuntimeError: cannot look at this")


def test_check_classifier_tries_everything_again_and_says_what_is_doubtful(things, tmp_path, capsys):
    imported(capsys, **own(tmp_path), expected_accuracy="99")
    call_command("check_classifier", "net")
    printed = capsys.readouterr().out
    assert "ok   gradients reach the pictures" in printed
    assert "Given pixels from 0 to 255: " in printed
    assert "DOUBTFUL  net is right on " in printed
    assert "99.00% were expected." in printed
    with pytest.raises(CommandError, match="there is no classifier called other"):
        call_command("check_classifier", "other")
