"""What others call: functions whose names, parameters and results stay as they are, and parameters of methods."""

import inspect
from collections.abc import Callable
from dataclasses import fields

import pytest

from explainers import base, cascade, ifgsm, influence, lime, measures, mmd_critic, neighbours

PUBLIC = [
    (
        lime.fit_surrogate,
        "masks, scores, *, n_features, kernel_width=0.25, kernel='lime'",
        lime.Surrogate,
        ["coefficients", "intercept", "r2"],
    ),
    (
        mmd_critic.select_from_kernel,
        "kernel, n_prototypes, n_criticisms, *, regularizer=1e-05",
        mmd_critic.PrototypesAndCriticisms,
        ["prototypes", "criticisms"],
    ),
    (
        ifgsm.attack,
        "model, images, labels, *, step, max_steps, norm='linf', unit='pixel', stop_at_flip=False",
        ifgsm.AttackResult,
        ["images", "flip_step", "predictions"],
    ),
]

#: Functions that return values of no class of ours.
PLAIN = [
    (neighbours.nearest, "features, queries, n, *, metric='euclidean', exclude=None"),
    (influence.influence_on_loss, "features, labels, query_features, query_labels, *, weights, l2"),
    (measures.bounding_box, "values, share=0.15"),
    (measures.iou, "box, other"),
    (measures.pointing_hit, "values, box, tolerance=15"),
    (measures.curve, "classifier, image, label, values, *, kind='deletion', n_steps, fill"),
    (cascade.cascade, "classifier, seed"),
]

#: Methods by name, with the parameters that they have at the least.
METHODS = {
    "gradients": "",
    "gradient_times_input": "",
    "smoothgrad": "n_samples=50, noise=0.15",
    "integrated_gradients": "n_steps=50, baseline='black'",
    "guided_backprop": "",
    "deconvolution": "",
    "gradcam": "layer=None, relu=True, counterfactual=False, fine='none'",
    "occlusion": "window=32, stride=16",
    "rise": "n_masks=4000, cells=7, share=0.5",
    "kernel_shap": "n_samples=1000, fill='mean'",
}


@pytest.mark.parametrize(("function", "parameters", "result", "names"), PUBLIC)
def test_a_public_function_is_called_as_it_was_promised(function, parameters, result, names):
    assert takes(function, parameters)
    assert inspect.signature(function).return_annotation == result.__name__
    assert set(names) <= {field.name for field in fields(result)}


@pytest.mark.parametrize(("function", "parameters"), PLAIN)
def test_a_function_that_returns_plain_values_is_called_as_it_was_promised(function, parameters):
    assert takes(function, parameters)


@pytest.mark.parametrize(("name", "parameters"), list(METHODS.items()))
def test_an_explainer_is_made_as_it_was_promised(name, parameters):
    assert takes(base.get("explainer", name), parameters, of_keywords_alone=False)


def takes(function: Callable, parameters: str, *, of_keywords_alone: bool = True) -> bool:
    """Whether it begins with these parameters, and asks for none of the others, which are named where asked."""
    signature = inspect.signature(function)
    bare = [each.replace(annotation=inspect.Parameter.empty) for each in signature.parameters.values()]
    promised = [word for word in parameters.replace("*, ", "").split(", ") if word]
    further = bare[len(promised) :]
    optional = all(each.default is not each.empty for each in further)
    named = all(each.kind is each.KEYWORD_ONLY for each in further) or not of_keywords_alone
    return str(inspect.Signature(bare)).strip("()").startswith(parameters) and optional and named
