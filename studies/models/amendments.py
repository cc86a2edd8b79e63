"""What happened to a study's analysis after its design was frozen; rows are only ever added."""

from django.conf import settings
from django.db import models

from .studies import Study


class Amendment(models.Model):
    """A numbered change to the registered analysis.  Each digest covers the one before, the first the design's."""

    study = models.ForeignKey(Study, on_delete=models.CASCADE, related_name="amendments")
    number = models.PositiveIntegerField()
    made_at = models.DateTimeField()
    made_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    reason = models.TextField()
    changes = models.JSONField(default=dict, help_text="Settings of the analysis and their new values; empty for none.")
    answers = models.PositiveIntegerField(help_text="How many answers counted then.")
    looks = models.PositiveIntegerField(help_text="How often outcomes had been looked at before.")
    outcomes_known = models.BooleanField(help_text="Whether the study was closed, or had been looked at.")
    sha256 = models.CharField(max_length=64)

    class Meta:
        ordering = ["number"]
        constraints = [models.UniqueConstraint(fields=["study", "number"], name="one_amendment_a_number")]

    def __str__(self):
        return f"amendment {self.number}"


class InterimLook(models.Model):
    """Somebody saw outcomes while answers still came in."""

    study = models.ForeignKey(Study, on_delete=models.CASCADE, related_name="looks")
    looked_at = models.DateTimeField()
    way = models.CharField(max_length=40, help_text="The command that told them.")
    answers = models.PositiveIntegerField(help_text="How many answers counted then.")
    participants = models.PositiveIntegerField(help_text="How many people had agreed by then.")

    class Meta:
        ordering = ["looked_at", "pk"]

    def __str__(self):
        return f"{self.way} at {self.looked_at:%Y-%m-%d %H:%M}"
