"""The log of a study, an image set, a classifier: who did what, and when.

Rows are only ever added, and outlive what they are about and the account.
"""

from django.conf import settings
from django.db import models

from .studies import Study
from .visibility import EventQuerySet


class Event(models.Model):
    """One thing that was done to a study, an image set or a classifier."""

    class About(models.TextChoices):
        STUDY = "study", "study"
        IMAGES = "images", "image set"
        CLASSIFIER = "classifier", "classifier"

    class What(models.TextChoices):
        CREATED = "created", "created"
        DESIGN = "design", "design changed"
        TEXTS = "texts", "texts changed"
        REQUESTED = "requested", "preparation asked for"
        CANCELLED = "cancelled", "preparation cancelled"
        PREPARED = "prepared", "prepared"
        FAILED = "failed", "preparation failed"
        REHEARSED = "rehearsed", "rehearsed"
        OPENED = "opened", "opened"
        REOPENED = "reopened", "opened again"
        PAUSED = "paused", "paused"
        CLOSED = "closed", "closed"
        AMENDED = "amended", "amended"
        LOOKED = "looked", "outcomes looked at"
        EXPORTED = "exported", "exported"
        DUPLICATED = "duplicated", "duplicated"
        EXTENDED = "extended", "extended by another classifier"
        ARCHIVED = "archived", "archived"
        UNARCHIVED = "unarchived", "taken out of the archive"
        EXCLUDED = "excluded", "participant excluded"
        SIMULATED = "simulated", "simulated participants sent"
        SHARED = "shared", "shared"
        UNSHARED = "unshared", "share taken back"
        WITHDRAWN = "withdrawn", "a participant withdrew"
        FORGOTTEN = "forgotten", "participants forgotten"
        DELETED = "deleted", "deleted"
        RECRUITER = "recruiter", "recruiter changed"
        NAMED = "named", "recruiter’s ids of people shown"
        POSTED = "posted", "posted at the recruiter’s"
        PUBLISHED = "published", "published at the recruiter’s"
        DECIDED = "decided", "submission decided on"
        APPROVED = "approved", "submissions approved"
        BONUS = "bonus", "bonuses paid"
        ASKED = "asked", "import asked for"
        CONFIRMED = "confirmed", "import confirmed"
        DISCARDED = "discarded", "import discarded"
        IMPORTED = "imported", "imported"
        REFUSED = "refused", "import refused"
        WORDS = "words", "words for participants changed"
        CHECKED = "checked", "check asked for"
        MEASURED = "measured", "measures of explanations asked for"

    study = models.ForeignKey(Study, null=True, on_delete=models.SET_NULL, related_name="events")
    about = models.CharField(max_length=12, choices=About, default=About.STUDY)
    slug = models.CharField(max_length=100, help_text="What it is about, by its short name, for when that is gone.")
    at = models.DateTimeField()
    actor = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    who = models.CharField(max_length=150, help_text="The account's name as it was then, or what ran without one.")
    what = models.CharField(max_length=20, choices=What)
    details = models.JSONField(default=dict)

    objects = EventQuerySet.as_manager()

    class Meta:
        ordering = ["at", "pk"]
        indexes = [models.Index(fields=["about", "slug", "at"], name="log_by_name")]

    def __str__(self):
        return f"{self.slug}: {self.get_what_display()}"
