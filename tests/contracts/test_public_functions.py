"""Three functions are called by checks outside the repository: their names, parameters and results stay as they are."""

import inspect
from dataclasses import fields

import pytest

from explainers import ifgsm, lime, mmd_critic

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


@pytest.mark.parametrize(("function", "parameters", "result", "names"), PUBLIC)
def test_a_public_function_is_called_as_it_was_promised(function, parameters, result, names):
    signature = inspect.signature(function)
    bare = [each.replace(annotation=inspect.Parameter.empty) for each in signature.parameters.values()]
    assert str(inspect.Signature(bare)).strip("()").startswith(parameters)
    further = bare[len(parameters.replace("*, ", "").split(", ")) :]
    assert all(each.kind is each.KEYWORD_ONLY and each.default is not each.empty for each in further)
    assert signature.return_annotation == result.__name__
    assert set(names) <= {field.name for field in fields(result)}
