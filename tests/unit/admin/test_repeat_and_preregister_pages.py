"""The pages of the admin that make a study again from its export, and that preregister one."""

import pytest
from django.contrib.auth.models import User
from django.urls import reverse

from studies import lifecycle
from studies.export import export
from studies.models import Study
from studies.planning import estimates
from studies.results import figures
from tests.archives import packed, uploaded
from tests.factories import answered_study, make_study

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(figures, "svg", lambda figure: "<svg/>")
    monkeypatch.setattr(estimates, "in_process", lambda *_args, **_how: (0.125, ""))


@pytest.fixture
def client(client):
    client.force_login(User.objects.create_superuser("root"))
    return client


def test_the_zip_of_an_export_becomes_a_draft_and_differences_come_first(client):
    answered_study(slug="first")
    zipped, address = export.zipped(Study.objects.get(slug="first")), reverse("admin:studies_study_add_from_export")
    sent = client.post(address, {"archive": uploaded(zipped), "slug": "again"})
    again = Study.objects.get(slug="again")
    assert sent.url == reverse("admin:studies_study_change", args=[again.pk])
    assert again.owner.username == "root"
    assert b"Prepare it to see whether" in client.get(sent.url).content
    Study.objects.filter(slug="again").delete()
    row = Study.objects.get(slug="first")
    from studies.models import Classifier

    Classifier.objects.filter(name=row.design["classifier"]).update(name="renamed")
    page = client.post(address, {"archive": uploaded(zipped), "slug": "again"}).content.decode()
    assert "is called renamed here." in page
    assert not Study.objects.filter(slug="again").exists()
    client.post(address, {"archive": uploaded(zipped), "slug": "again", "anyway": "on"})
    assert Study.objects.get(slug="again").design["classifier"] == "renamed"


def test_another_zip_is_refused_in_one_line(client):
    address = reverse("admin:studies_study_add_from_export")
    for data, why in ((packed(), "not the zip of one export"), (b"not a zip", "is a text file, not a zip archive")):
        page = client.post(address, {"archive": uploaded(data), "slug": "again"}).content.decode()
        assert why in page
    assert not Study.objects.exists()


def test_a_preregistration_is_read_and_downloaded(client):
    study = make_study(slug="birds")
    address = reverse("admin:studies_study_preregistration", args=[study.pk])
    page = client.get(address).content.decode()
    assert "No, no data have been collected" in page
    for suffix, begins in (("md", b"# Preregistration"), ("pdf", b"%PDF-"), ("json", b"{")):
        assert client.get(address, {"as": suffix}).content.startswith(begins)
    lifecycle.change_design(study, study.design | {"seed": 3})
    assert client.get(address).status_code == 302


def test_results_show_what_was_done_beside_what_was_registered(client):
    study = answered_study()
    page = client.get(reverse("admin:studies_study_results", args=[study.pk])).content.decode()
    assert "Registered and done" in page
    assert "Everything was done as it was registered." in page
