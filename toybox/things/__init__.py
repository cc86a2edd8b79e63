"""The things: one file each, with one function `paint(brush, taste)` that paints the thing upright and centred."""

from collections.abc import Callable
from dataclasses import dataclass

from toybox.brush import Brush
from toybox.taste import Taste

from . import anchor, bell, boat, fish, key, lamp, leaf, mug, mushroom, rocket, snail, umbrella


@dataclass(frozen=True)
class Kind:
    """A class of things: how it is painted and how far, in degrees (standard deviation), it may lie askew."""

    paint: Callable[[Brush, Taste], None]
    askew: float


KINDS: dict[str, Kind] = {
    "anchor": Kind(anchor.paint, 22),
    "bell": Kind(bell.paint, 16),
    "boat": Kind(boat.paint, 10),
    "fish": Kind(fish.paint, 25),
    "key": Kind(key.paint, 60),
    "lamp": Kind(lamp.paint, 9),
    "leaf": Kind(leaf.paint, 60),
    "mug": Kind(mug.paint, 11),
    "mushroom": Kind(mushroom.paint, 13),
    "rocket": Kind(rocket.paint, 30),
    "snail": Kind(snail.paint, 10),
    "umbrella": Kind(umbrella.paint, 20),
}
