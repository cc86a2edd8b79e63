"""A study that workers prepare while a test disturbs them."""

import pytest

from studies import preparation
from studies.models import Artifact, Study
from tests.fake_queue import Workers

#: Photographs of the study: more than make one batch.
N = 100


def ask(study: Study, workers: Workers) -> None:
    preparation.enqueue_preparation(study)
    workers.messages.append(("studies.tasks.prepare", study.pk))


def planned(study: Study, what: str) -> list[int]:
    """The artifacts that the bench makes rows for when the study asks for `what` of all images."""
    Study.objects.update(state=Study.State.PREPARING)
    bench = preparation.Bench(study, executor=Nobody())
    with pytest.raises(Nobody.Called):
        list(getattr(bench, what)("small", bench.images("small")))
    return list(Artifact.objects.values_list("pk", flat=True))


class Nobody:
    """Computes nothing."""

    class Called(Exception):
        pass

    def compute(self, kind, ids, progress):
        raise self.Called
