"""Results in a bucket are the same as results in a folder; moto stands for the bucket."""

from urllib.parse import urlencode

import pytest
from django.core.files.storage import default_storage
from django.test import Client
from django.urls import reverse

from config.environment import storage as storage_of
from studies import preparation
from studies.lib import storage
from studies.models import Study
from tests.factories import open_study
from tests.services.preparing import fingerprint, make

pytestmark = pytest.mark.django_db


@pytest.fixture(scope="module")
def endpoint():
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


def use(settings, url: str, folder) -> None:
    settings.STORAGES = {**settings.STORAGES, "default": storage_of(url, folder)}


@pytest.fixture
def bucket(endpoint, settings, tmp_path) -> None:
    query = urlencode({"endpoint_url": endpoint, "region_name": "us-east-1"})
    use(settings, f"s3://key:s%2Fecret@studies-{tmp_path.name.replace('_', '-')[:40].lower()}?{query}", tmp_path)
    assert storage.make_bucket()


def test_a_study_is_prepared_in_a_bucket_to_the_same_hash(tmp_path, settings, bucket):
    make(tmp_path, images=20)
    preparation.prepare(Study.objects.get())
    inside = fingerprint()
    names = sorted(storage.names("artifacts"))
    assert inside["spoilt"] == []
    # A bucket has no paths: what was hashed above did not lie in a folder.
    with pytest.raises(NotImplementedError):
        default_storage.path("x")
    Study.objects.all().delete()
    for model in (preparation.bench.Artifact, preparation.bench.Classifier):
        model.objects.all().delete()
    from studies.models import ImageSet

    ImageSet.objects.all().delete()
    use(settings, "", tmp_path / "local")
    for file in tmp_path.glob("*.safetensors"):
        file.unlink()
    make(tmp_path, images=20)
    preparation.prepare(Study.objects.get())
    assert fingerprint() == inside
    assert sorted(storage.names("artifacts")) == names


def test_the_bucket_is_made_once(bucket):
    assert not storage.make_bucket()


def test_what_is_not_there_is_not_found_and_other_trouble_is_an_os_error(bucket, settings, tmp_path):
    with pytest.raises(FileNotFoundError):
        storage.read("artifacts/00/none.png")
    use(settings, "s3://key:secret@nowhere?endpoint_url=http://127.0.0.1:1", tmp_path)
    with pytest.raises(OSError, match="the storage fails"):
        storage.store("artifacts", b"x", ".png")


def test_pictures_come_from_their_own_address_where_there_is_one(settings):
    stimulus = open_study(1).stimuli.get()
    name = stimulus.shown["picture"]["file"]
    settings.PICTURES_URL = "https://pictures.example.org/quorum"
    response = Client().get(reverse("studies:picture", args=[name]))
    assert response.status_code == 302
    assert response["Location"] == f"https://pictures.example.org/quorum/{name}"
    assert "immutable" in response["Cache-Control"]


def test_options_of_a_bucket_keep_their_types(tmp_path):
    options = storage_of("s3://k:s@pictures?querystring_auth=false&region_name=eu-west-1", tmp_path)["OPTIONS"]
    assert options["querystring_auth"] is False
    assert options["region_name"] == "eu-west-1"
