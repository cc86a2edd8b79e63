"""With whom a study is shared."""

from django.conf import settings
from django.db import models

from .studies import Study
from .visibility import Access


class Share(models.Model):
    """A colleague who may see a study's results, or also change it."""

    study = models.ForeignKey(Study, on_delete=models.CASCADE, related_name="shares")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="shares")
    may = models.CharField(max_length=10, choices=[(one.value, one.label) for one in (Access.RESULTS, Access.EDIT)])
    made_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["made_at", "pk"]
        constraints = [models.UniqueConstraint(fields=["study", "user"], name="one_share_a_colleague")]

    def __str__(self):
        return f"{self.user}: {self.get_may_display()}"
