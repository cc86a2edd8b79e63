"""Adversarial trials with every explainer: superpixels, or the top share of the pixels, in a recipe that says which."""

import json
from pathlib import Path

import numpy as np
import pytest

from explainers import base, computations, images
from explainers.command_line import main
from explainers.computations import arrays
from explainers.heat_map_rendering import top_mask
from studies import lifecycle, preparation
from studies.designs.choices import catalogue
from studies.lib import storage
from studies.lib.errors import StudyError
from studies.models import Artifact
from studies.protocols import Catalogue, DesignError, get
from tests.factories import make_image_set
from tests.small_networks import import_small

KEY = "adversarial_trials"
#: Steps that flip many of these images but leave no probability at 1, and explainers fast enough to be made for each.
DESIGN = {"classifier": "net", "attack_step": 0.02, "attack_unit": "pixel", "attack_steps": 2}
FAST = {
    "kernel_shap": "n_samples=40,segmentation=slic,slic_n_segments=30",
    "occlusion": "window=8,stride=8",
    "rise": "n_masks=16,cells=3",
    "smoothgrad": "n_samples=2",
    "integrated_gradients": "n_steps=3",
}
LIME = {"lime_samples": 20, "segmentation": "slic", "slic_segments": 30, "superpixels": 1}


@pytest.fixture
def net(tmp_path):
    return import_small("net", make_image_set("things", n_images=18).name, tmp_path)


def prepared(**design):
    study = lifecycle.create_study(slug="study", protocol=KEY, design=DESIGN | LIME | design)
    preparation.prepare(study)
    study.refresh_from_db()
    return study


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("name", base.available("explainer"))
def test_every_explainer_can_be_shown_and_made_again_from_its_provenance(net, name, tmp_path):
    parameters = FAST.get(name, "") if name != "lime" else ""
    study = prepared(explainer=name, explainer_parameters=parameters)
    shown = {one.shown["picture"]["file"] for one in study.stimuli.all()}
    explanations = [one for one in Artifact.objects.filter(kind="explanation") if one.files.get("picture") in shown]
    assert explanations
    assert all(is_made_again(one, tmp_path) for one in explanations[:2])
    assert study.state == "ready"
    assert study.preparation["shown"] > 0
    recipes = [one.recipe for one in Artifact.objects.filter(kind="explanation")]
    assert {recipe["explainer"]["method"] for recipe in recipes} == {name}
    (table,), (gallery,) = get(KEY).preparation_report(study.preparation)
    parts = "superpixel" if "superpixels" in recipes[0]["shown"] else "pixel"
    facts = {row[0] for row in table.rows}
    assert f"{parts.capitalize()}s that speak for the label" in facts
    assert f" {parts}" in gallery.rows[0][0]


def is_made_again(artifact: Artifact, folder: Path) -> bool:
    """Whether `python -m explainers` makes the stimulus from its provenance, to the byte, knowing only the files."""
    picture, remade = folder / "picture.png", folder / "remade.png"
    picture.write_bytes(storage.read(artifact.recipe["picture"]))
    given = [picture, remade, "--classifier", f"{folder / 'net.py'}:small:{folder / 'net.safetensors'}"]
    recipe = ["--recipe", json.dumps(artifact.recipe), "--mean", 0, 0, 0, "--std", 1, 1, 1, "--device", "cpu"]
    assert main([artifact.recipe["explainer"]["method"], *map(str, given), *map(str, recipe)]) == 0
    return remade.read_bytes() == storage.read(artifact.files["picture"])


@pytest.mark.django_db(transaction=True)
def test_a_heat_map_shows_the_top_share_of_the_pixels_and_its_recipe_says_so(net):
    study = prepared(explainer="gradients", share_shown=0.05, fill="grey")
    shown = study.stimuli.filter(condition__key="explanation")
    assert shown.count() == study.preparation["shown"]
    for stimulus in shown:
        artifact = next(
            one
            for one in Artifact.objects.filter(kind="explanation")
            if one.files["picture"] == stimulus.shown["picture"]["file"]
        )
        assert artifact.recipe["shown"] == {"share": 0.05, "fill": "grey"}
        whole = images.load(storage.read(artifact.recipe["picture"]))
        seen = images.load(storage.read(artifact.files["picture"]))
        mask = top_mask(arrays.read(storage.read(artifact.files["values"])), 0.05)
        assert mask.sum() == 51  # 5% of 32 × 32
        assert np.array_equal(seen[mask], whole[mask])
        assert (seen[~mask] == 128).all()
        assert stimulus.truth["r2"] is None
        assert stimulus.truth["n_positive"] == artifact.value["n_positive"]
    # The gradient does not depend on a seed: all that is shown stays the same.
    assert study.preparation["stability"]["lowest"] == 1


@pytest.mark.django_db(transaction=True)
def test_an_explainer_that_draws_at_random_is_less_stable(net):
    study = prepared(explainer="smoothgrad", explainer_parameters="n_samples=2, noise=0.5", share_shown=0.05)
    assert 0 < study.preparation["stability"]["median"] < 1


@pytest.mark.django_db(transaction=True)
def test_parameters_that_the_explainer_does_not_have_are_one_line(net):
    with pytest.raises(StudyError, match="explainer: gradients has no parameter 'n'; it has none"):
        prepared(explainer="gradients", explainer_parameters="n=3")


CATALOGUE = Catalogue({"net": ("accordion",)}, explainers=("gradients", "lime"))


@pytest.mark.parametrize(
    ("design", "why"),
    [
        ({"explainer": "saliency"}, "explainer: Must be one of lime, gradients, not saliency."),
        ({"explainer_parameters": "n=3"}, "explainer_parameters: lime has settings of its own: leave this empty."),
        ({"explainer": "gradients", "explainer_parameters": "n"}, "A parameter is written NAME=VALUE, not 'n'."),
        ({"explainer": "gradients", "explainer_parameters": "n=1,n=2"}, "explainer_parameters: N is given twice."),
        ({"share_shown": 0}, "share_shown: "),
        ({"share_shown": 1.5}, "share_shown: "),
    ],
)
def test_a_design_that_makes_no_sense_is_refused_at_its_setting(design, why):
    with pytest.raises(DesignError) as caught:
        get(KEY).clean({"classifier": "net"} | design, catalogue=CATALOGUE)
    assert any(why in line for line in caught.value.messages)


@pytest.mark.django_db
def test_a_design_may_name_every_explainer_and_names_lime_by_itself():
    assert set(catalogue().explainers) == set(base.available("explainer"))
    design = get(KEY).clean({"classifier": "net"}, catalogue=CATALOGUE)
    assert (design["explainer"], design["explainer_parameters"], design["share_shown"]) == ("lime", "", 0.15)


def test_the_recipes_of_lime_are_those_of_earlier_studies():
    """A changed key would compute every explanation of a prepared study again."""
    kind = computations.get("explanation")
    method = base.get("explainer", "lime")().recipe()
    recipe = kind.recipe("artifacts/ab/ab.png", 3, "digest", method, n_shown=8, fill="grey", seed=0)
    assert list(recipe) == ["kind", "version", "picture", "label", "classifier", "explainer", "shown", "seed"]
    assert (recipe["version"], recipe["shown"]) == (2, {"superpixels": 8, "fill": "grey"})
