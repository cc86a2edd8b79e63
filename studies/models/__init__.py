from .access import Share
from .amendments import Amendment, InterimLook
from .answers import Consent, Participant, Slot, Trial
from .artifacts import Artifact
from .catalog import Classifier, Image, ImageClass, ImageObject, ImageSet
from .events import Event
from .imports import ClassifierEvaluation, ExplanationMeasurement, Import, ImportedFile, Misclassification
from .installation import Installation
from .recruitment import Arrival, BonusPayment, Posting, Recruitment, Tombstone
from .result_cache import ResultCache
from .studies import Condition, Role, Stimulus, Study
from .visibility import Access

__all__ = [
    "Access",
    "Amendment",
    "Arrival",
    "Artifact",
    "BonusPayment",
    "Classifier",
    "ClassifierEvaluation",
    "Condition",
    "Consent",
    "Event",
    "ExplanationMeasurement",
    "Image",
    "ImageClass",
    "ImageObject",
    "ImageSet",
    "Import",
    "ImportedFile",
    "Installation",
    "InterimLook",
    "Misclassification",
    "Participant",
    "Posting",
    "Recruitment",
    "ResultCache",
    "Role",
    "Share",
    "Slot",
    "Stimulus",
    "Study",
    "Tombstone",
    "Trial",
]
