"""The things: one file each, with one function `paint(brush, taste)` that paints the thing upright and centred."""

from collections.abc import Callable
from dataclasses import dataclass

from toybox.brush import Brush
from toybox.taste import Taste

from . import anchor, bell, boat, fish, key, lamp, leaf, mug, mushroom, rocket, snail, umbrella


@dataclass(frozen=True)
class Thing:
    """A class of things: how it is painted and how far, in degrees (standard deviation), it may lie askew."""

    paint: Callable[[Brush, Taste], None]
    askew: float


KINDS: dict[str, Thing] = {
    "anchor": Thing(anchor.paint, 22),
    "bell": Thing(bell.paint, 16),
    "boat": Thing(boat.paint, 10),
    "fish": Thing(fish.paint, 25),
    "key": Thing(key.paint, 60),
    "lamp": Thing(lamp.paint, 9),
    "leaf": Thing(leaf.paint, 60),
    "mug": Thing(mug.paint, 11),
    "mushroom": Thing(mushroom.paint, 13),
    "rocket": Thing(rocket.paint, 30),
    "snail": Thing(snail.paint, 10),
    "umbrella": Thing(umbrella.paint, 20),
}
