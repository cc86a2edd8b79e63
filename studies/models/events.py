"""The log of a study: who did what, and when.  Rows are only ever added, and outlive the study and the account."""

from django.conf import settings
from django.db import models

from .studies import Study
from .visibility import EventQuerySet


class Event(models.Model):
    """One thing that was done to a study."""

    class What(models.TextChoices):
        CREATED = "created", "created"
        DESIGN = "design", "design changed"
        TEXTS = "texts", "texts changed"
        REQUESTED = "requested", "preparation asked for"
        CANCELLED = "cancelled", "preparation called off"
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
        SIMULATED = "simulated", "simulated participants sent"
        SHARED = "shared", "shared"
        UNSHARED = "unshared", "share taken back"
        WITHDRAWN = "withdrawn", "a participant withdrew"
        FORGOTTEN = "forgotten", "participants forgotten"
        DELETED = "deleted", "deleted"

    study = models.ForeignKey(Study, null=True, on_delete=models.SET_NULL, related_name="events")
    slug = models.CharField(max_length=100, help_text="The study's, for when it is gone.")
    at = models.DateTimeField()
    actor = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    who = models.CharField(max_length=150, help_text="The account's name as it was then, or what ran without one.")
    what = models.CharField(max_length=20, choices=What)
    details = models.JSONField(default=dict)

    objects = EventQuerySet.as_manager()

    class Meta:
        ordering = ["at", "pk"]

    def __str__(self):
        return f"{self.slug}: {self.get_what_display()}"
