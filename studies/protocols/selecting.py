"""The ways of choosing images of a class that the protocols about prototypes and criticisms compare."""

from collections.abc import Mapping
from typing import Any

#: By the word for it in designs: what `bench.selections` is told (Stock & Cissé 2018, section 3.4).
WAYS: Mapping[str, Mapping[str, Any]] = {
    "adversarial": {"method": {"method": "adversarial"}, "attack": {"method": "ifgsm"}},
    "mmd": {"method": {"method": "mmd_critic"}},
    "probability": {"method": {"method": "probability"}},
}
AT_RANDOM: Mapping[str, Any] = {"method": {"method": "random"}}

TITLES = {"adversarial": "Adversarial", "mmd": "MMD-critic", "probability": "Probability", "random": "Random"}
