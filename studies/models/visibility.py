"""Which rows somebody may see.  Every list, form, choice, page, picture and download of the desk asks here.

Docs: docs/decisions/0013 for what is shared with whom, and why.
"""

from django.contrib.auth.base_user import AbstractBaseUser
from django.contrib.auth.models import AnonymousUser
from django.db import models
from django.db.models import Case, F, FilteredRelation, Q, Value, When


class Access(models.TextChoices):
    """What somebody may do with a study, from least to most."""

    RESULTS = "results", "see it, its results and its exports"
    EDIT = "edit", "see and change it"
    OWN = "own", "everything, including sharing and deleting it"


class StudyQuerySet(models.QuerySet):
    def visible_to(self, user: AbstractBaseUser | AnonymousUser) -> "StudyQuerySet":
        """The studies somebody owns and those shared with them; `access` of each says what they may do with it."""
        if not user.is_active:
            return self.none()
        if user.is_superuser:
            return self.annotate(access=Value(Access.OWN, output_field=models.CharField()))
        shared = FilteredRelation("shares", condition=Q(shares__user=user))
        return (
            self.annotate(own_share=shared)
            .filter(Q(owner=user) | Q(own_share__isnull=False))
            .annotate(access=Case(When(owner=user, then=Value(Access.OWN)), default=F("own_share__may")))
        )


class CatalogueQuerySet(models.QuerySet):
    def visible_to(self, user: AbstractBaseUser | AnonymousUser) -> "CatalogueQuerySet":
        """Image sets and classifiers belong to the installation: whoever may sit at the desk, and may see any."""
        return self.all() if user.is_active and user.is_staff else self.none()


class ImportQuerySet(models.QuerySet):
    def visible_to(self, user: AbstractBaseUser | AnonymousUser) -> "ImportQuerySet":
        """What somebody brings in themselves; for who looks after the installation, what anybody does."""
        if not (user.is_active and user.is_staff):
            return self.none()
        return self.all() if user.has_perm("studies.view_import") else self.filter(owner=user)


class EventQuerySet(models.QuerySet):
    def visible_to(self, user: AbstractBaseUser | AnonymousUser) -> "EventQuerySet":
        """What happened to the studies somebody sees; of studies that are gone a superuser only."""
        if user.is_active and user.is_superuser:
            return self.all()
        studies = self.model._meta.get_field("study").related_model
        return self.filter(study__in=studies.objects.visible_to(user).values("pk"))
