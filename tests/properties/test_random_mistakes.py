"""A classifier that is set up wrongly is told of: random mistakes on the toybox, and none costs accuracy silently."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st

import toybox
from studies import lifecycle, preparation
from studies.catalog import evaluation, judgement
from studies.catalog.classifiers import import_classifier
from studies.catalog.importing.image_folders import import_images
from studies.lib.errors import StudyError
from studies.models import Classifier

pytestmark = pytest.mark.django_db(transaction=True)

N_CLASSES = len(toybox.CLASSES)
PER_CLASS = 8
#: A mistake that costs so much is named.
COSTS = 0.05

WRONG = """
from torch import nn
{network}

class Wrong(ToyboxNet):
    def forward(self, x):
        x = x.flip(1) if {swapped} else x
        x = super().forward(x)[:, {order}]
        {before}
        return x.softmax(1) if {softmax} else x

def wrong():
    return Wrong()
"""
RIGHT = {"mean": list(toybox.MEAN), "std": list(toybox.STD)}

permutations = st.one_of(
    st.permutations(range(N_CLASSES)),
    # Two that change places.
    st.lists(st.integers(0, N_CLASSES - 1), min_size=2, max_size=2, unique=True).map(
        lambda pair: [pair[1 - pair.index(i)] if i in pair else i for i in range(N_CLASSES)]
    ),
)
shares = st.floats(0.01, 1).map(lambda value: round(value, 3))
normalisations = st.one_of(
    st.sampled_from([([0.0] * 3, [1.0] * 3), ([0.5] * 3, [0.5] * 3), ([0.0] * 3, [1 / 255] * 3)]),
    st.tuples(st.lists(shares, min_size=3, max_size=3), st.lists(shares, min_size=3, max_size=3)),
).map(lambda pair: {"mean": pair[0], "std": pair[1]})
sizes = st.one_of(
    st.sampled_from([{"resize": 32}, {"resize": 64}, {"resize": 192}]), st.just({"crop": 64}), st.just({"crop": 96})
)
KINDS = {
    "order": permutations,
    "preprocessing": normalisations,
    "size": sizes,
    "softmax": st.just(True),
    "extra": st.integers(1, 3),
    "swapped": st.just(True),
}
mistakes = st.lists(st.sampled_from(list(KINDS)), min_size=1, max_size=2, unique=True).flatmap(
    lambda names: st.fixed_dictionaries({name: KINDS[name] for name in names})
)


@pytest.fixture(scope="module")
def drawn(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("drawn") / "toybox"
    toybox.draw(folder, images_per_class=PER_CLASS)
    return folder


def imported(name: str, folder: Path, made: dict) -> Classifier:
    """The toybox's classifier with these mistakes, for the image set of its name."""
    package = Path(toybox.__file__).parent
    module, checkpoint = folder / f"{name}.py", folder / f"{name}.safetensors"
    extra = made.get("extra", 0)
    text = WRONG.format(
        network=(package / "network.py").read_text(),
        swapped=made.get("swapped", False),
        order=list(made.get("order", range(N_CLASSES))),
        # A background class before the others is the commonest of extra outputs.
        before=f"x = nn.functional.pad(x, ({extra}, 0), value=-5.0)" if extra else "",
        softmax=made.get("softmax", False),
    )
    module.write_text(text)
    checkpoint.write_bytes((package / "toybox.safetensors").read_bytes())
    outputs = "class,index\n" + "".join(f"{name},{i}\n" for i, name in enumerate(toybox.CLASSES)) if extra else ""
    prepared = RIGHT | made.get("preprocessing", {}) | made.get("size", {})
    return import_classifier(
        name,
        image_set="toybox",
        module=f"{module}:wrong",
        checkpoint=checkpoint,
        preprocessing=prepared,
        outputs=outputs,
    )


def accuracy(classifier: Classifier) -> float:
    return evaluation.evaluate_here(classifier).result["accuracy"]


@settings(
    max_examples=12,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(made=mistakes)
def test_every_mistake_that_costs_accuracy_is_named_before_a_study_opens(drawn, tmp_path, made):
    set_up(drawn, tmp_path)
    right = accuracy(Classifier.objects.get(name="right"))
    name = f"wrong-{Classifier.objects.count()}"
    if "softmax" in made:
        with pytest.raises(StudyError, match="probabilities"):
            imported(name, tmp_path, made)
        return
    classifier = imported(name, tmp_path, made)
    loss = right - accuracy(classifier)
    classifier.refresh_from_db()
    lines = list(judgement.of_classifier(classifier))
    note(f"{made} costs {100 * loss:.1f} points: {lines}")
    assert lines or loss < COSTS


def test_a_classifier_that_is_set_up_rightly_is_not_in_doubt_and_a_wrong_one_is_asked_about(drawn, tmp_path):
    set_up(drawn, tmp_path)
    for name, made in (("right", {}), ("wrong", {"preprocessing": {"mean": [0.5] * 3, "std": [1 / 255] * 3}})):
        classifier = Classifier.objects.filter(name=name).first() or imported(name, tmp_path, made)
        accuracy(classifier)
        study = lifecycle.create_study(slug=name, protocol="rectified_labeling", design={"classifier": name})
        preparation.prepare(study)
        if name == "right":
            assert list(judgement.of_classifier(classifier)) == []
            lifecycle.open_study(study)
            continue
        with pytest.raises(StudyError, match=r"not opened without a confirmation: .*ImageNet’s mean and deviation"):
            lifecycle.open_study(study)
        lifecycle.open_study(study, anyway=True)
        opened = study.events.get(what="opened")
        assert any("ImageNet’s mean" in line for line in opened.details["in_spite_of"])


def set_up(drawn: Path, folder: Path) -> None:
    """The toybox with its own classifier, once in each database."""
    if not Classifier.objects.filter(name="right").exists():
        import_images("toybox", drawn)
        imported("right", folder, {})
