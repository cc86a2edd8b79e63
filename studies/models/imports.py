"""What is being brought in: rows are the truth, so that a worker may be killed at any of them."""

from django.conf import settings
from django.db import models

from .visibility import ImportQuerySet


class Import(models.Model):
    """One request to bring in an image set or a classifier, and what became of it."""

    class Kind(models.TextChoices):
        IMAGES = "images", "image set"
        CLASSIFIER = "classifier", "classifier"

    class State(models.TextChoices):
        WAITING = "waiting"
        REVIEW = "review"
        CONFIRMED = "confirmed"
        DONE = "done"
        REFUSED = "refused"
        DISCARDED = "discarded"

    kind = models.CharField(max_length=12, choices=Kind)
    name = models.SlugField(max_length=100, help_text="What it is to be called.")
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL)
    source = models.JSONField(help_text="An uploaded archive, a folder of the server, or what makes a network.")
    state = models.CharField(max_length=10, choices=State, default=State.WAITING)
    problem = models.TextField(blank=True, help_text="Why it was refused, or what it waits for.")
    total = models.PositiveIntegerField(default=0, help_text="How many files there are to look at.")
    done = models.PositiveIntegerField(default=0, help_text="How many were looked at.")
    attempts = models.PositiveSmallIntegerField(default=0, help_text="Turns begun by workers that never came back.")
    leased_until = models.DateTimeField(null=True, blank=True)
    worker = models.CharField(max_length=200, blank=True)
    image_set = models.ForeignKey("ImageSet", null=True, blank=True, on_delete=models.SET_NULL, related_name="imports")
    classifier = models.ForeignKey(
        "Classifier", null=True, blank=True, on_delete=models.SET_NULL, related_name="imports"
    )
    created_at = models.DateTimeField(auto_now_add=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    objects = ImportQuerySet.as_manager()

    class Meta:
        ordering = ["-created_at", "-pk"]

    def __str__(self):
        return self.name


class ImportedFile(models.Model):
    """One file of an import.  Those that were accepted go when the image set is there; the others are its report."""

    run = models.ForeignKey(Import, on_delete=models.CASCADE, related_name="files")
    number = models.PositiveIntegerField(help_text="Its place in the sorted list of files.")
    path = models.CharField(max_length=600)
    label = models.CharField(max_length=200, blank=True)
    refused = models.CharField(max_length=2000, blank=True, help_text="Why it was refused; empty where it was not.")
    left_out = models.CharField(max_length=700, blank=True, help_text="Which file has the same bytes.")
    sha256 = models.CharField(max_length=64, blank=True)
    file = models.CharField(max_length=200, blank=True)
    width = models.PositiveIntegerField(default=0)
    height = models.PositiveIntegerField(default=0)

    class Meta:
        ordering = ["run", "number"]
        constraints = [models.UniqueConstraint(fields=["run", "number"], name="one_file_a_number")]

    def __str__(self):
        return self.path


class Check(models.Model):
    """How a classifier does on its image set, from remembered predictions."""

    class State(models.TextChoices):
        RUNNING = "running"
        DONE = "done"
        FAILED = "failed"

    classifier = models.OneToOneField("Classifier", on_delete=models.CASCADE, related_name="check_up")
    state = models.CharField(max_length=8, choices=State, default=State.RUNNING)
    problem = models.TextField(blank=True)
    total = models.PositiveIntegerField(default=0)
    done = models.PositiveIntegerField(default=0)
    leased_until = models.DateTimeField(null=True, blank=True)
    worker = models.CharField(max_length=200, blank=True)
    attempts = models.PositiveSmallIntegerField(default=0)
    result = models.JSONField(default=dict, help_text="Counts: images, right, by class, and the confusions.")
    created_at = models.DateTimeField(auto_now_add=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    def __str__(self):
        return f"check of {self.classifier}"


class Mistake(models.Model):
    """An image that a classifier gives another class than its own."""

    checked = models.ForeignKey(Check, on_delete=models.CASCADE, related_name="mistakes")
    image = models.ForeignKey("Image", on_delete=models.CASCADE, related_name="+")
    label = models.PositiveIntegerField()
    predicted = models.PositiveIntegerField()
    probability = models.FloatField(help_text="What the classifier gives the class it takes the image for.")

    class Meta:
        ordering = ["-probability", "pk"]
        indexes = [
            models.Index(fields=["checked", "-probability", "id"], name="mistakes_surest_first"),
            models.Index(fields=["checked", "label", "predicted", "-probability"], name="mistakes_by_pair"),
        ]

    def __str__(self):
        return f"{self.image_id}: {self.label} taken for {self.predicted}"
