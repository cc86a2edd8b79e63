"""Who answered what.  The constraints here are what makes "exactly N distinct people" true (docs/decisions/0002)."""

import uuid

from django.db import models
from django.db.models import F, Q

from .studies import Condition, Role, Stimulus, Study


class Consent(models.Model):
    """The words people agreed to; a changed text is a new version, so that old ones stay readable."""

    study = models.ForeignKey(Study, on_delete=models.CASCADE, related_name="consents")
    version = models.PositiveIntegerField()
    language = models.CharField(max_length=8, blank=True, help_text="Of its pages; empty for a text in one language.")
    text = models.TextField()
    sha256 = models.CharField(max_length=64)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["study", "version", "language"], name="one_consent_a_version_and_language")
        ]

    def __str__(self):
        return f"version {self.version} {self.language}".strip()


#: Above it are the random numbers of people whose own was erased; half of what the column holds.
LARGEST_NUMBER = 2**30 - 1


class Participant(models.Model):
    """A person in one study, known by an opaque token of which only the hash is stored; never a Django user."""

    study = models.ForeignKey(Study, on_delete=models.PROTECT, related_name="participants")
    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    number = models.PositiveIntegerField(
        help_text="1 was the first to agree. With the study's seed it decides their order of conditions and checks."
    )
    token_sha256 = models.CharField(max_length=64, unique=True)
    simulated = models.BooleanField(default=False)
    consent = models.ForeignKey(Consent, on_delete=models.PROTECT, related_name="participants")
    consented_at = models.DateTimeField()
    started_at = models.DateTimeField(null=True, blank=True, help_text="When the instructions were left.")
    finished_at = models.DateTimeField(null=True, blank=True)
    screened_out_at = models.DateTimeField(null=True, blank=True, help_text="When too many checks had gone wrong.")
    excluded_at = models.DateTimeField(
        null=True, blank=True, help_text="When a researcher excluded them: what they answered is kept and not counted."
    )
    exclusion_reason = models.TextField(blank=True, help_text="Why, as the researcher wrote it.")
    background = models.JSONField(null=True, blank=True, help_text="What they said about themselves, by question.")
    comments = models.TextField(null=True, blank=True, help_text="Empty text: asked, and nothing said.")  # noqa: DJ001
    completion_code = models.CharField(max_length=20, blank=True, help_text="Empty once nothing leads to the person.")
    withdrawn_at = models.DateTimeField(null=True, blank=True, help_text="When they took back that they took part.")
    forgotten_at = models.DateTimeField(
        null=True, blank=True, help_text="When what leads to them was removed because its time was over."
    )
    arm = models.ForeignKey(
        Condition,
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="participants",
        help_text="The one condition of this visit; empty where people meet all of them.",
    )
    rotation = models.PositiveSmallIntegerField(
        default=0, help_text="Which rotation of the sets over the phases they meet, from 0."
    )
    visit = models.PositiveSmallIntegerField(default=1, help_text="The visit they are at, or were at last.")
    returns_at = models.DateTimeField(null=True, blank=True, help_text="Between visits: when the next may begin.")
    washed_out_at = models.DateTimeField(
        null=True, blank=True, help_text="When the washout before this visit was over; empty in the first."
    )

    evidence = models.JSONField(
        null=True,
        blank=True,
        help_text="Their browser as it was first seen, and a tally of how they answered; empty like that of answers.",
    )
    flags = models.JSONField(
        null=True, blank=True, help_text="Signals of a program that answers, by their names; empty like evidence."
    )
    taken_over_from = models.ForeignKey(
        "self",
        null=True,
        blank=True,
        editable=False,
        on_delete=models.SET_NULL,
        related_name="taken_over_as",
        help_text="Of a study that extends another: whom in that study this is a copy of.",
    )
    taken_over = models.BooleanField(
        default=False, help_text="Whether what they answered is from the study that this one extends."
    )

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(visit=1) | Q(washed_out_at__isnull=False), name="a_later_visit_follows_a_washout"
            ),
            models.UniqueConstraint(fields=["study", "number"], name="one_participant_a_number"),
        ]
        indexes = [models.Index(fields=["study", "finished_at"], name="participants_by_study")]

    def __str__(self):
        return str(self.public_id)


class Trial(models.Model):
    """One participant's encounter with one stimulus, from lease to answer; never deleted, edited by withdrawal only."""

    study = models.ForeignKey(Study, on_delete=models.PROTECT, related_name="trials")
    participant = models.ForeignKey(Participant, on_delete=models.PROTECT, related_name="trials")
    stimulus = models.ForeignKey(Stimulus, on_delete=models.PROTECT, related_name="trials")
    position = models.PositiveIntegerField(help_text="1 is the first this participant met.")
    claimed_at = models.DateTimeField()
    presented_at = models.DateTimeField(null=True, blank=True, help_text="Empty while only kept ready as the next.")
    released_at = models.DateTimeField(null=True, blank=True, help_text="Kept ready, lost to its lease, never shown.")
    answered_at = models.DateTimeField(null=True, blank=True)
    answer = models.CharField(max_length=100, blank=True)
    parts = models.JSONField(null=True, blank=True, help_text="What was answered beside the decision, by part.")
    arrangement = models.PositiveSmallIntegerField(
        default=0, help_text="Which of the orders of its choices or sides the page had; 0 as prepared."
    )
    response_ms = models.PositiveIntegerField(null=True, blank=True, help_text="As the page measured it.")
    away_ms = models.PositiveIntegerField(null=True, blank=True, help_text="Of it, hidden or without focus.")
    hidden_count = models.PositiveIntegerField(null=True, blank=True, help_text="How often the page was hidden.")
    blur_count = models.PositiveIntegerField(null=True, blank=True, help_text="How often its window lost the focus.")
    translated = models.BooleanField(
        null=True, blank=True, help_text="Whether the browser had translated the page, which should not be."
    )
    # How its pictures were shown; empty unless the consent text says that it is recorded.
    shown_width = models.FloatField(null=True, blank=True, help_text="Of the picture asked about, in CSS pixels.")
    shown_height = models.FloatField(null=True, blank=True, help_text="Of the picture asked about, in CSS pixels.")
    smallest_width = models.FloatField(null=True, blank=True, help_text="Of the smallest picture, in CSS pixels.")
    pixel_ratio = models.FloatField(null=True, blank=True, help_text="Pixels of the screen for a CSS pixel.")
    zoom = models.FloatField(null=True, blank=True, help_text="By two fingers; 1 is none.")
    browser = models.CharField(max_length=60, blank=True, help_text="Its family and version, and the system.")
    evidence = models.JSONField(
        null=True, blank=True, help_text="How it was given; empty unless the consent text says that it is recorded."
    )
    correct = models.BooleanField(null=True, blank=True, help_text="Of a check: whether it was answered right.")
    feedback_seen_at = models.DateTimeField(null=True, blank=True, help_text="Of practice: when feedback was read.")
    counted = models.BooleanField(default=False)
    exclusion = models.CharField(max_length=40, blank=True, help_text="Why an answer does not count.")
    # Copied from the stimulus and the participant, so that the constraints below can see them.
    family = models.CharField(max_length=64, blank=True)
    role = models.CharField(max_length=10, choices=Role, default=Role.MAIN)
    visit = models.PositiveSmallIntegerField(default=1)
    washed_out_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            # Nobody meets a stimulus twice, whatever two tabs, a retry or a lost lease do.
            models.UniqueConstraint(fields=["stimulus", "participant"], name="nobody_meets_a_stimulus_twice"),
            # Nor two stimuli of one family within a visit; and visits are a washout apart.
            models.UniqueConstraint(
                fields=["participant", "visit", "family"], condition=~Q(family=""), name="one_of_a_family_a_visit"
            ),
            models.CheckConstraint(
                condition=Q(visit=1) | Q(washed_out_at__isnull=False, claimed_at__gte=F("washed_out_at")),
                name="nobody_meets_anything_in_a_washout",
            ),
            models.UniqueConstraint(fields=["participant", "position"], name="one_trial_a_position"),
            models.CheckConstraint(
                condition=Q(counted=False) | Q(answered_at__isnull=False, exclusion=""), name="counted_means_answered"
            ),
            models.CheckConstraint(condition=Q(counted=False) | Q(role="main"), name="no_check_is_counted"),
        ]
        indexes = [models.Index(fields=["study", "answered_at"], name="trials_by_study")]

    def __str__(self):
        return f"{self.participant_id} × {self.stimulus_id}"


class Slot(models.Model):
    """One wanted answer to one stimulus.  Free when nobody holds it, or the holder's lease ran out; filled for good."""

    study = models.ForeignKey(Study, on_delete=models.CASCADE, related_name="slots")
    stimulus = models.ForeignKey(Stimulus, on_delete=models.CASCADE, related_name="slots")
    slot_no = models.PositiveSmallIntegerField()
    rank = models.PositiveIntegerField(help_text="Random order within slot_no, drawn when the study opened.")
    # Copied from the stimulus, so that a claim reads one table.
    condition = models.ForeignKey(Condition, on_delete=models.CASCADE, related_name="slots")
    family = models.CharField(max_length=64, blank=True)
    block = models.CharField(max_length=60, blank=True)
    holder = models.OneToOneField(Trial, null=True, blank=True, on_delete=models.PROTECT, related_name="slot")
    leased_until = models.DateTimeField(null=True, blank=True)
    filled = models.BooleanField(default=False)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["stimulus", "slot_no"], name="one_slot_a_number"),
            models.CheckConstraint(condition=Q(filled=False) | Q(holder__isnull=False), name="filled_means_held"),
        ]
        indexes = [
            # The claim reads this from its lowest end: least answered first, then in random order.
            models.Index(
                fields=["study", "condition", "slot_no", "rank"], condition=Q(filled=False), name="slots_to_fill"
            ),
        ]

    def __str__(self):
        return f"{self.stimulus_id}#{self.slot_no}"
