"""Whether results are the same in every bit, and whether a method left the world as it was."""

import copy
import random

import numpy as np
import torch
from torch import nn

from explainers.base import Attacked, ExamplePool, Examples, Explanation, HeatMap, Pool, Selection


def same(one, two):
    """Equal in every bit: results, arrays, tensors."""
    if isinstance(one, torch.Tensor):
        return torch.equal(one, two) and one.dtype == two.dtype
    if isinstance(one, np.ndarray):
        return one.dtype == two.dtype and one.shape == two.shape and one.tobytes() == two.tobytes()
    if isinstance(one, list):
        return len(one) == len(two) and all(same(a, b) for a, b in zip(one, two, strict=True))
    if isinstance(one, Explanation | HeatMap | Attacked | Selection | Examples):
        return type(one) is type(two) and all(same(getattr(one, name), getattr(two, name)) for name in vars(one))
    return one == two


class Untouched:
    """The world as it was before a method ran: its input, the classifier and every global generator."""

    def __init__(self, *things):
        self.things = things
        self.before = [self._picture(thing) for thing in things]
        self.world = self._world()

    @staticmethod
    def _picture(thing):
        if isinstance(thing, nn.Module):
            flags = [module.training for module in thing.modules()] + [p.requires_grad for p in thing.parameters()]
            strides = [value.stride() for value in thing.state_dict().values()]
            kinds = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
            hooks = [sum(len(getattr(module, kind)) for kind in kinds) for module in thing.modules()]
            return copy.deepcopy(thing.state_dict()), flags, strides, hooks
        return copy.deepcopy(thing)

    @staticmethod
    def _world():
        switches = torch.is_grad_enabled(), torch.is_inference_mode_enabled(), torch.get_num_threads()
        switches += (torch.overrides._get_current_function_mode_stack(),)
        return torch.get_rng_state().tolist(), np.random.get_state()[1].tolist(), random.getstate(), switches  # noqa: NPY002

    def holds(self):
        for thing, before in zip(self.things, self.before, strict=True):
            now = self._picture(thing)
            if isinstance(thing, nn.Module):
                assert all(torch.equal(now[0][name], value) for name, value in before[0].items())
                assert now[1:] == before[1:]
            elif isinstance(thing, Pool | ExamplePool):
                assert all(same(getattr(now, name), getattr(before, name)) for name in vars(before) if name != "head")
                assert same(list(getattr(now, "head", None) or ()), list(getattr(before, "head", None) or ()))
            else:
                assert same(now, before)
        assert self._world() == self.world
        return True
