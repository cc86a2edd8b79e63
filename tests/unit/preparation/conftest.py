import pytest

from studies import preparation
from studies.models import Study
from tests.fake_queue import Workers
from tests.interrupted_preparation import N
from tests.services.preparing import fingerprint, forget, make


@pytest.fixture
def workers(monkeypatch) -> Workers:
    return Workers(monkeypatch)


@pytest.fixture
def study(tmp_path) -> Study:
    make(tmp_path, images=N - 1)
    return Study.objects.get()


_undisturbed: list[dict] = []


@pytest.fixture
def undisturbed(study) -> dict:
    """What an undisturbed run in the foreground leaves behind; the study is a draft, and nothing is known."""
    if not _undisturbed:
        preparation.prepare(study)
        found = fingerprint()
        assert found["state"] == "ready"
        assert found["artifacts"]["done"] > N
        _undisturbed.append(found)
    forget(study)
    return _undisturbed[0]
