"""What workers made of the answers of large studies: a row each, so that no page has to wait for it."""

from django.db import models

from .jobs import Job
from .studies import Study


class ResultCache(Job):
    """What counting the answers of a study came to, as its results page tells it; made again whenever it may differ."""

    class State(models.TextChoices):
        RUNNING = "running"
        DONE = "done"
        FAILED = "failed"

    TO_DO = (State.RUNNING,)

    study = models.OneToOneField(Study, on_delete=models.CASCADE, related_name="result_cache")
    state = models.CharField(max_length=8, choices=State, default=State.RUNNING)
    requested_at = models.DateTimeField(help_text="When it was last asked for.")
    key = models.CharField(max_length=64, blank=True, help_text="Of what was counted: another one, another result.")
    page_data = models.JSONField(default=dict, help_text="Headline, tables, drawings: what was counted last.")
    computed_at = models.DateTimeField(null=True, blank=True, help_text="When that was.")

    class Meta:
        verbose_name_plural = "cached results"

    def __str__(self):
        return f"cached result of {self.study}"
