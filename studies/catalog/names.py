"""Short names of image sets and classifiers."""

from studies.lib.errors import StudyError
from studies.lib.short_names import check_short_name
from studies.models import Classifier, ImageSet


def check_name(name: str, model: type[ImageSet] | type[Classifier]) -> None:
    """StudyError for a name that is none, or that is taken."""
    check_short_name(name)
    if model.objects.filter(name=name).exists():
        raise StudyError(f"the name {name} is taken by another {model._meta.verbose_name}")
