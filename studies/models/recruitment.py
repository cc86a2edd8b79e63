"""How people come to a study, and the only place where they stand under names that others know."""

import uuid

from django.conf import settings
from django.db import models

from .answers import Participant
from .studies import Study


class Recruitment(models.Model):
    """A study's recruiter and its settings, written through the recruiter's form only; no row: an open link."""

    study = models.OneToOneField(Study, on_delete=models.CASCADE, related_name="recruitment")
    recruiter = models.CharField(max_length=20)
    settings = models.JSONField(default=dict)
    qualifications = models.JSONField(
        default=dict, help_text="By place of a market: what it calls the qualification of those who took part."
    )

    def __str__(self):
        return self.recruiter


class Arrival(models.Model):
    """Somebody came from a recruiter, under the ids it pays them by.  Deleted at a date, and when they withdraw."""

    participant = models.ForeignKey(Participant, on_delete=models.CASCADE, related_name="arrivals")
    recruiter = models.CharField(max_length=20)
    person = models.CharField(max_length=64, help_text="As the recruiter calls the person.")
    submission = models.CharField(max_length=64, help_text="What they were given to do, by its name there.")
    posting = models.CharField(max_length=64, help_text="What was posted for them, by its name there.")
    came_at = models.DateTimeField(help_text="The last time with this submission.")
    may_visit = models.PositiveSmallIntegerField(
        null=True, blank=True, help_text="The visit that the market was told they may come to; 0: none."
    )
    delete_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["participant", "submission"], name="one_arrival_a_submission")]
        indexes = [models.Index(fields=["delete_at"], name="arrivals_to_delete")]

    def __str__(self):
        """Nothing that leads to somebody: it may be written down."""
        return f"arrival {self.pk}"


class Posting(models.Model):
    """Something posted for a study at a market: what was offered, and what the market calls it."""

    study = models.ForeignKey(Study, on_delete=models.CASCADE, related_name="postings")
    recruiter = models.CharField(max_length=20)
    place = models.CharField(max_length=20, help_text="A sandbox, or where money is spent.")
    token = models.UUIDField(default=uuid.uuid4, unique=True, help_text="Sent along, so that it is posted once.")
    name = models.CharField(max_length=64, blank=True, help_text="Empty until the market has answered.")
    offer = models.JSONField()
    visit = models.PositiveSmallIntegerField(default=1)
    posted_at = models.DateTimeField()
    posted_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    stopped_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-posted_at", "-pk"]

    def __str__(self):
        return self.name or "not posted yet"
