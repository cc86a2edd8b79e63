"""What is being brought in: rows are the truth, so that a worker may be killed at any of them."""

from django.conf import settings
from django.db import models

from .jobs import Job
from .visibility import ImportQuerySet


class Import(Job):
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

    TO_DO = (State.WAITING, State.CONFIRMED)

    kind = models.CharField(max_length=12, choices=Kind)
    name = models.SlugField(max_length=100, help_text="What it is to be called.")
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL)
    source = models.JSONField(help_text="An uploaded archive, a folder of the server, or what makes a network.")
    state = models.CharField(max_length=10, choices=State, default=State.WAITING)
    total = models.PositiveIntegerField(default=0, help_text="How many files there are to look at.")
    done = models.PositiveIntegerField(default=0, help_text="How many were looked at.")
    review = models.JSONField(
        default=dict, help_text="What an image set would be: its classes with counts and samples, or what is asked."
    )
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
    problem = models.CharField(max_length=2000, blank=True, help_text="Why it cannot be taken, by itself.")
    foreign = models.BooleanField(default=False, help_text="It is not a photograph at all, as a text file is.")
    output = models.PositiveIntegerField(null=True, blank=True, help_text="The number of its class in labels.csv.")
    refused = models.CharField(max_length=2000, blank=True, help_text="Why it was refused; empty where it was not.")
    left_out = models.CharField(max_length=2100, blank=True, help_text="Why it is not needed: its bytes are there.")
    note = models.CharField(max_length=200, blank=True, help_text="What is said of a photograph that was taken.")
    sha256 = models.CharField(max_length=64, blank=True)
    file = models.CharField(max_length=200, blank=True)
    width = models.PositiveIntegerField(default=0)
    height = models.PositiveIntegerField(default=0)

    class Meta:
        ordering = ["run", "number"]
        constraints = [models.UniqueConstraint(fields=["run", "number"], name="one_file_a_number")]

    def __str__(self):
        return self.path


class ClassifierEvaluation(Job):
    """How a classifier does on its image set, from remembered predictions."""

    class State(models.TextChoices):
        RUNNING = "running"
        DONE = "done"
        FAILED = "failed"

    TO_DO = (State.RUNNING,)

    classifier = models.OneToOneField("Classifier", on_delete=models.CASCADE, related_name="evaluation")
    state = models.CharField(max_length=8, choices=State, default=State.RUNNING)
    total = models.PositiveIntegerField(default=0)
    done = models.PositiveIntegerField(default=0)
    result = models.JSONField(default=dict, help_text="Counts: images, right, by class, and the confusions.")
    created_at = models.DateTimeField(auto_now_add=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    def __str__(self):
        return f"evaluation of {self.classifier}"


class Misclassification(models.Model):
    """An image that a classifier gives another class than its own; label and predicted are outputs."""

    evaluation = models.ForeignKey(ClassifierEvaluation, on_delete=models.CASCADE, related_name="misclassifications")
    image = models.ForeignKey("Image", on_delete=models.CASCADE, related_name="+")
    label = models.PositiveIntegerField()
    predicted = models.PositiveIntegerField()
    probability = models.FloatField(help_text="What the classifier gives the class it takes the image for.")

    class Meta:
        ordering = ["-probability", "pk"]
        indexes = [
            models.Index(fields=["evaluation", "-probability", "id"], name="mistakes_surest_first"),
            models.Index(fields=["evaluation", "label", "predicted", "-probability"], name="mistakes_by_pair"),
        ]

    def __str__(self):
        return f"{self.image_id}: {self.label} taken for {self.predicted}"


class ExplanationMeasurement(Job):
    """How a classifier's explanations do by numbers, from remembered computations; the latest that was asked for."""

    class State(models.TextChoices):
        RUNNING = "running"
        DONE = "done"
        FAILED = "failed"

    TO_DO = (State.RUNNING,)

    classifier = models.OneToOneField("Classifier", on_delete=models.CASCADE, related_name="explanation_measurement")
    settings = models.JSONField(help_text="Explainers, measures, number of images and seed.")
    state = models.CharField(max_length=8, choices=State, default=State.RUNNING)
    total = models.PositiveIntegerField(default=0)
    done = models.PositiveIntegerField(default=0)
    result = models.JSONField(default=dict, help_text="Each method's measures, curves and differences.")
    created_at = models.DateTimeField(auto_now_add=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    def __str__(self):
        return f"explanations of {self.classifier}"
