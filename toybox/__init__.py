"""`toybox`: a drawn image set and the small network trained on it, so that a demonstration needs no photographs."""

from .imageset import EVALUATION_SEED, IMAGES_PER_CLASS, draw
from .things import KINDS

CLASSES = tuple(KINDS)  # in the order of the network's outputs, which is the alphabet's
MEAN = (0.485, 0.456, 0.406)  # what the network's input is normalised by, RGB in [0, 1]
STD = (0.229, 0.224, 0.225)

__all__ = ["CLASSES", "EVALUATION_SEED", "IMAGES_PER_CLASS", "MEAN", "STD", "draw"]
