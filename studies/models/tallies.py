"""What workers made of the answers of large studies: a row each, so that no page has to wait for it."""

from django.db import models

from .studies import Study


class Tally(models.Model):
    """What counting the answers of a study came to, as its results page tells it; made again whenever it may differ."""

    class State(models.TextChoices):
        RUNNING = "running"
        DONE = "done"
        FAILED = "failed"

    study = models.OneToOneField(Study, on_delete=models.CASCADE, related_name="tally")
    state = models.CharField(max_length=8, choices=State, default=State.RUNNING)
    problem = models.TextField(blank=True, help_text="Why it failed, or what it waits for.")
    asked_at = models.DateTimeField(help_text="When it was last asked for.")
    attempts = models.PositiveSmallIntegerField(default=0, help_text="Turns begun by workers that never came back.")
    leased_until = models.DateTimeField(null=True, blank=True)
    worker = models.CharField(max_length=200, blank=True)
    key = models.CharField(max_length=64, blank=True, help_text="Of what was counted: another one, another result.")
    told = models.JSONField(default=dict, help_text="Headline, tables, drawings: what was counted last.")
    counted_at = models.DateTimeField(null=True, blank=True, help_text="When that was.")

    class Meta:
        verbose_name_plural = "tallies"

    def __str__(self):
        return f"tally of {self.study}"
