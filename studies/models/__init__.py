from .answers import Consent, Participant, Slot, Trial
from .artifacts import Artifact
from .catalogue import Classifier, Image, ImageClass, ImageSet
from .records import Amendment, Look
from .studies import Condition, Role, Stimulus, Study

__all__ = [
    "Amendment",
    "Artifact",
    "Classifier",
    "Condition",
    "Consent",
    "Image",
    "ImageClass",
    "ImageSet",
    "Look",
    "Participant",
    "Role",
    "Slot",
    "Stimulus",
    "Study",
    "Trial",
]
