from .answers import Consent, Participant, Slot, Trial
from .artifacts import Artifact
from .catalogue import Classifier, Image, ImageClass, ImageSet
from .studies import Condition, Stimulus, Study

__all__ = [
    "Artifact",
    "Classifier",
    "Condition",
    "Consent",
    "Image",
    "ImageClass",
    "ImageSet",
    "Participant",
    "Slot",
    "Stimulus",
    "Study",
    "Trial",
]
