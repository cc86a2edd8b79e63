"""Which installation this database belongs to."""

import uuid

from django.db import models


class Installation(models.Model):
    """One row: the name that this database and its stored files share."""

    key = models.UUIDField(default=uuid.uuid4, editable=False)

    class Meta:
        constraints = [models.CheckConstraint(condition=models.Q(pk=1), name="one_installation_a_database")]

    def __str__(self):
        return str(self.key)
