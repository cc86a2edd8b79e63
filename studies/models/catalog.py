"""What studies are made of: photographs with their classes, and classifiers."""

from django.db import models

from .visibility import CatalogueQuerySet


class ImageSet(models.Model):
    """Photographs with one ground-truth class each."""

    name = models.SlugField(max_length=100, unique=True)
    created_at = models.DateTimeField(auto_now_add=True)

    objects = CatalogueQuerySet.as_manager()

    class Meta:
        ordering = ["name"]

    def __str__(self):
        return self.name


class ImageClass(models.Model):
    """One class of an image set; `index` is its place among them.  Which output stands for it, a classifier says."""

    image_set = models.ForeignKey(ImageSet, on_delete=models.CASCADE, related_name="classes")
    index = models.PositiveIntegerField()
    name = models.CharField(max_length=200, help_text="As in the folder; the name in designs, rates and exports.")
    title = models.CharField(max_length=200, help_text="As participants read it.")
    gloss = models.CharField(
        max_length=300, blank=True, help_text="A few words on what is meant, for participants; empty for none."
    )
    example = models.ForeignKey(
        "Image", null=True, blank=True, on_delete=models.SET_NULL, related_name="+", help_text="Shown with the gloss."
    )

    output = models.PositiveIntegerField(
        null=True, blank=True, help_text="The output that the image set itself names: a folder called by its number."
    )
    wordnet_id = models.CharField(max_length=9, blank=True, help_text="Of an ImageNet class, such as n01440764.")

    class Meta:
        ordering = ["image_set", "index"]
        verbose_name_plural = "image classes"
        constraints = [
            models.UniqueConstraint(fields=["image_set", "index"], name="one_class_an_index"),
            models.UniqueConstraint(fields=["image_set", "name"], name="one_class_a_name"),
        ]

    def __str__(self):
        return self.title


class Image(models.Model):
    """One photograph as it was imported; `file` is named by the SHA-256 of its bytes."""

    image_set = models.ForeignKey(ImageSet, on_delete=models.CASCADE, related_name="images")
    label = models.PositiveIntegerField(help_text="Index of the ground-truth class in its image set.")
    path = models.CharField(max_length=500, help_text="Below the imported folder.")
    sha256 = models.CharField(max_length=64)
    file = models.CharField(max_length=200)
    width = models.PositiveIntegerField()
    height = models.PositiveIntegerField()

    class Meta:
        ordering = ["image_set", "path"]
        constraints = [
            models.UniqueConstraint(fields=["image_set", "path"], name="one_image_a_path"),
            models.UniqueConstraint(fields=["image_set", "sha256"], name="one_image_a_content"),
        ]
        indexes = [models.Index(fields=["image_set", "label", "path"], name="images_by_label")]

    def __str__(self):
        return self.path


class ImageObject(models.Model):
    """An annotated object in a photograph: its class, and its box in pixels of the upright photograph, ends exclusive.

    What of it a classifier sees, after resizing and cropping, `studies.catalog.objects` says.
    """

    image = models.ForeignKey(Image, on_delete=models.CASCADE, related_name="annotated_objects")
    label = models.PositiveIntegerField(help_text="Index of the object's class in the image set.")
    x0 = models.FloatField(help_text="Left edge.")
    y0 = models.FloatField(help_text="Top edge.")
    x1 = models.FloatField(help_text="Right edge.")
    y1 = models.FloatField(help_text="Bottom edge.")

    class Meta:
        ordering = ["image", "pk"]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(x0__gte=0, y0__gte=0, x1__gt=models.F("x0"), y1__gt=models.F("y0")),
                name="a_box_is_not_empty",
            )
        ]

    def __str__(self):
        return f"{self.label} in {self.image_id}"

    @property
    def box(self) -> tuple[float, float, float, float]:
        return self.x0, self.y0, self.x1, self.y1


class Classifier(models.Model):
    """A network with its preprocessing inside; `digest` is the SHA-256 of everything its outputs depend on."""

    name = models.SlugField(max_length=100, unique=True)
    image_set = models.ForeignKey(ImageSet, on_delete=models.PROTECT, related_name="classifiers")
    source = models.JSONField(help_text="How to build the network: torchvision name and weights, or stored files.")
    preprocessing = models.JSONField(help_text="resize, crop, mean and standard deviation.")
    state_digest = models.CharField(max_length=64, help_text="SHA-256 of the weights; checked on every load.")
    digest = models.CharField(max_length=64)
    n_outputs = models.PositiveIntegerField()
    class_mapping = models.JSONField(
        default=dict,
        help_text="The output of each class, by its index, and names of all outputs; empty where they are the same.",
    )
    checks = models.JSONField(
        default=list, help_text="What was tried on photographs at import, and whether it holds: check, ok, line."
    )
    expected_accuracy = models.FloatField(
        null=True, blank=True, help_text="Share of images it should be right on, as told when it was imported."
    )
    created_at = models.DateTimeField(auto_now_add=True)

    objects = CatalogueQuerySet.as_manager()

    class Meta:
        ordering = ["name"]

    def __str__(self):
        return self.name

    def lacks(self, check: str) -> str:
        """Why it has not what a check looked for, gradients or hidden values; empty where it has, or none looked."""
        return next((found["line"] for found in self.checks if found["check"] == check and not found["ok"]), "")
