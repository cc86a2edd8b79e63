"""How people come to a study, and the only place where they stand under names that others know."""

from django.db import models

from .answers import Participant
from .studies import Study


class Recruitment(models.Model):
    """A study's recruiter and its settings, written through the recruiter's form only; no row: an open link."""

    study = models.OneToOneField(Study, on_delete=models.CASCADE, related_name="recruitment")
    recruiter = models.CharField(max_length=20)
    settings = models.JSONField(default=dict)

    def __str__(self):
        return self.recruiter


class Posting(models.Model):
    """What was posted for a study at a recruiter's service.  Amounts are hundredths of that account's currency."""

    class State(models.TextChoices):
        DRAFT = "draft", "draft"
        PUBLISHED = "published", "published"
        ENDED = "ended", "ended"

    study = models.ForeignKey(Study, on_delete=models.CASCADE, related_name="postings")
    recruiter = models.CharField(max_length=20)
    name = models.CharField(max_length=64, help_text="Its id there.")
    visit = models.PositiveSmallIntegerField()
    state = models.CharField(max_length=10, choices=State, default=State.DRAFT)
    places = models.PositiveIntegerField()
    reward = models.PositiveIntegerField()
    screened_out_reward = models.PositiveIntegerField()
    minutes = models.PositiveSmallIntegerField(help_text="How long it is said to take.")
    group = models.CharField(max_length=64, help_text="The group there that participants are noted in.")
    invited = models.CharField(
        max_length=64, blank=True, help_text="The group there of those who are due; empty for a first visit."
    )
    approves = models.BooleanField(default=True, help_text="Whether those whom Quorum saw finish are approved at once.")
    made_at = models.DateTimeField(auto_now_add=True)
    rung_at = models.DateTimeField(null=True, blank=True, help_text="A message came, and it was not asked since.")
    asked_at = models.DateTimeField(null=True, blank=True, help_text="When all its submissions were last read.")
    problem = models.TextField(blank=True, help_text="Why asking failed the last time.")
    strangers = models.PositiveIntegerField(
        default=0, help_text="Submissions that wait for review, of people who never opened the study's page."
    )

    class Meta:
        ordering = ["made_at", "pk"]
        constraints = [models.UniqueConstraint(fields=["recruiter", "name"], name="one_posting_a_name")]

    def __str__(self):
        return f"posting {self.pk}"


class BonusPayment(models.Model):
    """Bonuses of several people, paid in one.  Asking twice would pay twice: whoever changes its state asks."""

    class State(models.TextChoices):
        BEGUN = "begun", "begun"
        SET_UP = "set up", "set up"
        PAYING = "paying", "asked to pay, and no answer yet"
        PAID = "paid", "paid"
        NOT_PAID = "not paid", "not paid"

    posting = models.ForeignKey(Posting, on_delete=models.CASCADE, related_name="bonus_payments")
    name = models.CharField(max_length=64, blank=True, help_text="Its id there; empty until it is set up.")
    state = models.CharField(max_length=10, choices=State, default=State.BEGUN)
    people = models.PositiveIntegerField()
    total = models.PositiveIntegerField()
    made_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["made_at", "pk"]

    def __str__(self):
        return f"bonus payment {self.pk}"


class Arrival(models.Model):
    """Somebody came from a recruiter, under the ids it pays them by.  Deleted at a date, and when they withdraw."""

    participant = models.ForeignKey(Participant, on_delete=models.CASCADE, related_name="arrivals")
    recruiter = models.CharField(max_length=20)
    person = models.CharField(max_length=64, help_text="As the recruiter calls the person.")
    submission = models.CharField(max_length=64, help_text="What they were given to do, by its name there.")
    posting = models.CharField(max_length=64, help_text="What was posted for them, by its name there.")
    came_at = models.DateTimeField(help_text="The last time with this submission.")
    delete_at = models.DateTimeField()
    # What the recruiter's service says of the submission, and a bonus; empty where nothing is posted there.
    state = models.CharField(max_length=12, blank=True, help_text="What has become of the submission there.")
    started_at = models.DateTimeField(null=True, blank=True, help_text="By the recruiter's clock.")
    completed_at = models.DateTimeField(null=True, blank=True, help_text="By the recruiter's clock.")
    bonus = models.PositiveIntegerField(default=0)
    bonus_payment = models.ForeignKey(
        BonusPayment, null=True, blank=True, on_delete=models.SET_NULL, related_name="arrivals"
    )

    class Meta:
        constraints = [models.UniqueConstraint(fields=["participant", "submission"], name="one_arrival_a_submission")]
        indexes = [models.Index(fields=["delete_at"], name="arrivals_to_delete")]

    def __str__(self):
        """Nothing that leads to somebody: it may be written down."""
        return f"arrival {self.pk}"


class Tombstone(models.Model):
    """Someone whom a recruiter names took part and withdrew, or a code was earned by someone who did.

    It names nobody, joins to no row, and goes with the study.
    """

    study = models.ForeignKey(Study, on_delete=models.CASCADE, related_name="tombstones")
    digest = models.CharField(max_length=64, help_text="Of a token's hash or a code, under a key that lies elsewhere.")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["study", "digest"], name="one_tombstone_a_person")]

    def __str__(self):
        return f"tombstone {self.pk}"
