"""The made-up bench is asked like the real one, so that what works on it works in a study."""

import inspect

from studies.preparation.bench import Bench
from studies.protocol_contract.made_up_bench import MadeUpBench


def calls(kind: type) -> dict[str, list[str]]:
    """The public methods, each with the names of its parameters."""
    methods = {name: value for name, value in vars(kind).items() if inspect.isfunction(value) and name[0] != "_"}
    return {name: list(inspect.signature(method).parameters) for name, method in methods.items()}


def test_every_call_of_the_bench_is_there_with_the_same_parameters():
    real = calls(Bench)
    assert len(real) > 12
    assert calls(MadeUpBench) == real
