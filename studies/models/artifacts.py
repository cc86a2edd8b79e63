from django.db import models

from .jobs import Job


class Artifact(Job):
    """The stored result of one computation.  Its digest is the SHA-256 of its recipe."""

    class State(models.TextChoices):
        PENDING = "pending"
        RUNNING = "running"
        DONE = "done"
        FAILED = "failed"

    TO_DO = (State.PENDING, State.RUNNING)

    digest = models.CharField(max_length=64, unique=True)
    kind = models.CharField(max_length=40)
    recipe = models.JSONField()
    state = models.CharField(max_length=10, choices=State, default=State.PENDING)
    seconds = models.FloatField(null=True, blank=True)
    value = models.JSONField(null=True, blank=True, help_text="The small part of the result.")
    files = models.JSONField(default=dict, help_text="The large parts, stored: what each is, and its name.")
    created_at = models.DateTimeField(auto_now_add=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        indexes = [models.Index(fields=["state", "leased_until"], name="artifacts_by_state")]

    def __str__(self):
        return f"{self.kind} {self.digest[:12]}"
