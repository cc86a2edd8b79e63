from .access import Share
from .answers import Consent, Participant, Slot, Trial
from .artifacts import Artifact
from .catalogue import Classifier, Image, ImageClass, ImageSet
from .events import Event
from .imports import Check, Import, ImportedFile, Mistake
from .records import Amendment, Look
from .recruitment import Arrival, Posting, Recruitment
from .studies import Condition, Role, Stimulus, Study
from .tallies import Tally
from .visibility import Access

__all__ = [
    "Access",
    "Amendment",
    "Arrival",
    "Artifact",
    "Check",
    "Classifier",
    "Condition",
    "Consent",
    "Event",
    "Image",
    "ImageClass",
    "ImageSet",
    "Import",
    "ImportedFile",
    "Look",
    "Mistake",
    "Participant",
    "Posting",
    "Recruitment",
    "Role",
    "Share",
    "Slot",
    "Stimulus",
    "Study",
    "Tally",
    "Trial",
]
