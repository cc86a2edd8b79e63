"""What every row of background work has."""

from typing import ClassVar

from django.db import models


class Job(models.Model):
    """Work that a worker does under a lease; `studies.jobs.leases` claims, guards and releases it."""

    #: The states in which a worker has something to do.
    TO_DO: ClassVar[tuple[str, ...]]

    problem = models.TextField(blank=True, help_text="Why it failed, or what it waits for.")
    attempts = models.PositiveSmallIntegerField(default=0, help_text="Turns begun by workers that never came back.")
    leased_until = models.DateTimeField(null=True, blank=True)
    worker = models.CharField(max_length=200, blank=True)

    class Meta:
        abstract = True
