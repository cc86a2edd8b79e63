"""The made-up bench of the contract of protocols, as tests use it."""

from typing import Any

from studies.models import Study
from studies.protocol_contract import made_up_bench
from studies.protocol_contract.made_up_bench import CLASSES, MadeUpBench, Twins, prepare_made_up
from tests.examples import SMALL

__all__ = ["CLASSES", "MadeUpBench", "Twins", "made_up_study", "prepare_made_up"]


def made_up_study(protocol: str, design: dict[str, Any] | None = None, *, n_images: int = 24, **options: Any) -> Study:
    """A study of any protocol, ready to open; of few images one that few images suffice for."""
    small = SMALL.get(protocol, {}) if n_images <= 96 else {}
    return made_up_bench.made_up_study(protocol, {**small, **(design or {})}, n_images=n_images, **options)
