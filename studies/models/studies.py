"""What is designed, and what preparing makes of it."""

import uuid

from django.conf import settings
from django.db import models
from django.db.models import Q

from .visibility import StudyQuerySet


class Study(models.Model):
    """One run of a protocol.  `design` is written through the protocol's form only; opening freezes it."""

    class State(models.TextChoices):
        DRAFT = "draft"
        PREPARING = "preparing"
        READY = "ready"
        OPEN = "open"
        PAUSED = "paused"
        CLOSED = "closed"

    slug = models.SlugField(max_length=100, unique=True)
    title = models.CharField(max_length=200)
    link = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL)
    protocol = models.CharField(max_length=60)
    protocol_version = models.PositiveSmallIntegerField()
    design = models.JSONField(default=dict)
    state = models.CharField(max_length=10, choices=State, default=State.DRAFT)
    consent_text = models.TextField(
        blank=True, help_text="Consent text of your own. Leave empty for the text that is composed from the design."
    )
    consent_details = models.JSONField(
        default=dict,
        help_text="Details for participants that only the researcher knows, and which claims the text makes.",
    )
    preparation = models.JSONField(default=dict, help_text="What preparing found: pictures, errors, stimuli.")
    problem = models.TextField(blank=True, help_text="Why the last preparation failed.")
    selection_counts = models.JSONField(
        default=dict, help_text="How many images fulfil its rules, as last counted, and for which design."
    )
    artifacts = models.ManyToManyField(
        "Artifact", related_name="studies", editable=False, help_text="What its preparation asked for."
    )
    frozen = models.JSONField(null=True, blank=True, help_text="The canonical design, stored when the study opened.")
    design_sha256 = models.CharField(max_length=64, blank=True)
    rehearsal_of = models.ForeignKey(
        "self",
        null=True,
        blank=True,
        editable=False,
        on_delete=models.PROTECT,
        related_name="rehearsals",
        help_text="The study this is a copy of, to be answered by simulated people alone; empty for a study.",
    )
    extends = models.ForeignKey(
        "self",
        null=True,
        blank=True,
        editable=False,
        on_delete=models.PROTECT,
        related_name="extensions",
        help_text="The closed study whose answers this one takes over when it opens; empty for most.",
    )
    repeats = models.JSONField(
        null=True,
        blank=True,
        editable=False,
        help_text="Of a study made from an export: what that was, to be compared; empty for any other.",
    )
    reach = models.JSONField(
        default=dict,
        help_text="At most how many stimuli a person meets in a visit: of each condition, and under “all” of any.",
    )
    created_at = models.DateTimeField(auto_now_add=True)
    prepared_at = models.DateTimeField(null=True, blank=True)
    opened_at = models.DateTimeField(null=True, blank=True)
    closed_at = models.DateTimeField(null=True, blank=True)
    archived_at = models.DateTimeField(
        null=True, blank=True, help_text="When a closed study was put away; it stays closed, and is left out of lists."
    )

    objects = StudyQuerySet.as_manager()

    class Meta:
        ordering = ["-created_at"]
        verbose_name_plural = "studies"

    def __str__(self):
        return self.title


class Role(models.TextChoices):
    """What a stimulus is there for.  Whatever is not main has a known answer, takes no slots and is never counted."""

    MAIN = "main"
    GOLD = "gold"
    PRACTICE = "practice"
    EXAMPLE = "example"
    #: Of a phase in which people learn: answered, told the expected answer, and never counted.
    TRAINING = "training"


class Condition(models.Model):
    """An arm of a study."""

    study = models.ForeignKey(Study, on_delete=models.CASCADE, related_name="conditions")
    key = models.CharField(max_length=60)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["study", "key"], name="one_condition_a_key")]

    def __str__(self):
        return self.key


class StimulusQuerySet(models.QuerySet):
    def main(self) -> "StimulusQuerySet":
        """Those the study is about."""
        return self.filter(role=Role.MAIN)

    def control_stimuli(self) -> "StimulusQuerySet":
        """Those with a known answer: gold, practice and the example."""
        return self.exclude(role=Role.MAIN)


class Stimulus(models.Model):
    """What one trial shows (`shown`), and what is known of it (`truth`), which stays on the server until it closes."""

    study = models.ForeignKey(Study, on_delete=models.CASCADE, related_name="stimuli")
    condition = models.ForeignKey(Condition, on_delete=models.CASCADE, related_name="stimuli")
    role = models.CharField(max_length=10, choices=Role, default=Role.MAIN)
    number = models.PositiveIntegerField(help_text="Its place in the order of preparation.")
    digest = models.CharField(max_length=64, help_text="SHA-256 of condition, shown and truth.")
    family = models.CharField(
        max_length=64, blank=True, help_text="Nobody meets two stimuli of one family within a visit; empty for none."
    )
    block = models.CharField(
        max_length=60,
        blank=True,
        help_text="Phase and rotation of the sets that it is met in; empty for none.",
    )
    shown = models.JSONField()
    truth = models.JSONField()

    objects = StimulusQuerySet.as_manager()

    class Meta:
        verbose_name_plural = "stimuli"
        ordering = ["study", "number"]
        constraints = [
            models.UniqueConstraint(fields=["study", "number"], name="one_stimulus_a_number"),
            models.UniqueConstraint(fields=["study", "digest"], name="one_stimulus_a_digest"),
        ]
        indexes = [
            models.Index(fields=["study", "role", "number"], condition=~Q(role="main"), name="checks_of_a_study")
        ]

    def __str__(self):
        return f"{self.study_id}/{self.number}"
