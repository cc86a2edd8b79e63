"""The free choices in a drawing: a generator with an eye for colours that go together."""

import numpy as np

from .palette import METALS, PAINTS, distance

BRIGHT = ("tomato", "coral", "tangerine", "marigold", "grass", "teal", "sky", "royal", "plum", "rose")


class Taste:
    """Draws numbers and paints; paints too close to the `ground` a thing lies on are drawn seldom."""

    def __init__(self, rng: np.random.Generator, ground: np.ndarray):
        self.rng, self.ground = rng, ground

    def between(self, low: float, high: float) -> float:
        return float(self.rng.uniform(low, high))

    def chance(self, share: float) -> bool:
        return bool(self.rng.random() < share)

    def choice(self, *options):
        return options[int(self.rng.integers(len(options)))]

    def paint(self, *names: str, apart_from: np.ndarray | None = None) -> np.ndarray:
        """Return a named paint or metal, a little off its standard shade, clear of the ground and `apart_from`."""
        paints = [PAINTS[name] if name in PAINTS else METALS[name] for name in names or BRIGHT]
        apart = np.array(
            [min(distance(p, other) for other in (self.ground, apart_from) if other is not None) for p in paints]
        )
        odds = np.clip(apart - 0.12, 0.004, 0.4) ** 2
        paint = paints[int(self.rng.choice(len(paints), p=odds / odds.sum()))]
        return np.clip(paint + self.rng.normal(0, 0.022, 3), 0, 1).astype(np.float32)
