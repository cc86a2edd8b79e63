from .access import Share
from .answers import Consent, Participant, Slot, Trial
from .artifacts import Artifact
from .catalogue import Classifier, Image, ImageClass, ImageSet
from .events import Event
from .records import Amendment, Look
from .studies import Condition, Role, Stimulus, Study
from .visibility import Access

__all__ = [
    "Access",
    "Amendment",
    "Artifact",
    "Classifier",
    "Condition",
    "Consent",
    "Event",
    "Image",
    "ImageClass",
    "ImageSet",
    "Look",
    "Participant",
    "Role",
    "Share",
    "Slot",
    "Stimulus",
    "Study",
    "Trial",
]
