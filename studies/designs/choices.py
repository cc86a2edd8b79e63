"""What designs may choose among."""

from collections.abc import Sequence

from django.contrib.auth.base_user import AbstractBaseUser

from explainers import base
from studies.models import Classifier, Image
from studies.protocols import Catalogue

#: What a classifier may lack that some methods need, by the names of its checks.
NEEDED = ("gradients", "hidden")


def catalogue(user: AbstractBaseUser | None = None) -> Catalogue:
    """The classifiers that designs may name, with their class names, all or those that somebody sees; and every
    explainer there is."""
    seen = Classifier.objects.visible_to(user) if user else Classifier.objects.all()
    rows = list(seen.select_related("image_set").prefetch_related("image_set__classes"))
    return Catalogue(
        {row.name: tuple(c.name for c in row.image_set.classes.all()) for row in rows},
        {row.name: {check: why for check in NEEDED if (why := row.lacks(check))} for row in rows},
        tuple(base.available("explainer")),
        {row.name: row.image_set.name for row in rows},
        _missing,
    )


def _missing(classifier: str, paths: Sequence[str]) -> list[str]:
    """Those of the paths that no photograph of the classifier's image set has."""
    photographs = Image.objects.filter(image_set__classifiers__name=classifier, path__in=paths)
    known = set(photographs.values_list("path", flat=True))
    return [path for path in paths if path not in known]
