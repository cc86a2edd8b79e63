from .answers import Consent, Participant, Slot, Trial
from .artifacts import Artifact
from .catalogue import Classifier, Image, ImageClass, ImageSet
from .imports import Check, Import, ImportedFile, Mistake
from .records import Amendment, Look
from .studies import Condition, Role, Stimulus, Study

__all__ = [
    "Amendment",
    "Artifact",
    "Check",
    "Classifier",
    "Condition",
    "Consent",
    "Image",
    "ImageClass",
    "ImageSet",
    "Import",
    "ImportedFile",
    "Look",
    "Mistake",
    "Participant",
    "Role",
    "Slot",
    "Stimulus",
    "Study",
    "Trial",
]
