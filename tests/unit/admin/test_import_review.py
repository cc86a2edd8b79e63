"""Nothing is written before it was seen: the classes of an import with counts and samples, and what is asked."""

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse

from studies.catalog.importing import jobs
from studies.lib.errors import StudyError
from studies.models import Classifier, ImageSet, Import
from tests.archives import packed, uploaded
from tests.factories import make_image_set, make_picture
from tests.fake_queue import Workers
from tests.logged_in_users import researcher, staff, text
from tests.small_networks import import_small

pytestmark = pytest.mark.django_db(transaction=True)

ADD_IMAGES, ADD_CLASSIFIER = "admin:studies_imageset_add", "admin:studies_classifier_add"


@pytest.fixture(autouse=True)
def workers(monkeypatch) -> Workers:
    return Workers(monkeypatch)


@pytest.fixture
def client():
    return researcher()


def files(*folders: str, n: int = 2) -> dict[str, bytes]:
    return {f"{folder}/{i}.png": make_picture(10 * k + i) for k, folder in enumerate(folders) for i in range(n)}


def looked_at(client, workers: Workers, content: bytes, **fields) -> Import:
    page = client.post(reverse(ADD_IMAGES), {"name": "things", "archive": uploaded(content), **fields})
    assert page.status_code == 302, text(page)
    workers.work()
    return Import.objects.get()


def page_of(client, run: Import):
    return client.get(reverse("admin:studies_import_change", args=[run.pk]))


def decide(client, workers: Workers, run: Import, **fields) -> None:
    client.post(reverse("admin:studies_import_decide", args=[run.pk]), fields)
    workers.work()
    run.refresh_from_db()


def test_classes_counts_and_three_samples_of_each_are_shown_before_anything_is_written(client, workers):
    content = files("birds/cat", "birds/dog", n=5) | {"birds/README.txt": b"words"}
    run = looked_at(client, workers, packed(content))
    page = page_of(client, run)
    assert [(one["name"], one["n"]) for one in page.context["classes"]] == [("cat", 5), ("dog", 5)]
    thumbnails = [address for one in page.context["classes"] for address in one["thumbnails"]]
    assert len(thumbnails) == 6
    assert {client.get(address)["Content-Type"] for address in thumbnails} == {"image/png"}
    assert not ImageSet.objects.exists()
    assert staff("add_imageset").get(thumbnails[0]).status_code == 404
    assert "birds/README.txt left out beside the folders of the classes" in text(page)
    decide(client, workers, run, decision="confirm")
    assert ImageSet.objects.get().images.first().path == "cat/0.png"


def test_a_level_that_is_not_certain_is_asked_for_and_shown_before_it_is_written(client, workers):
    run = looked_at(client, workers, packed(files("train/cat", "train/dog", "val/cat", "val/dog")))
    words = text(page_of(client, run))
    assert "Folders differ at several levels, train, val at level 1 and cat, dog at level 2" in words
    assert "Import 8" not in words
    with pytest.raises(StudyError, match="folders differ at several levels"):
        jobs.confirm(run)
    decide(client, workers, run, decision="again", level="2", class_names="automatic")
    page = page_of(client, run)
    assert [(one["name"], one["n"]) for one in page.context["classes"]] == [("cat", 4), ("dog", 4)]
    assert not ImageSet.objects.exists()
    # What was chosen can be chosen again, and what is no level cannot.
    decide(client, workers, run, decision="again", level="7")
    assert run.source["level"] == 2
    decide(client, workers, run, decision="confirm")
    assert list(ImageSet.objects.get().classes.values_list("name", flat=True)) == ["cat", "dog"]
    assert ImageSet.objects.get().images.filter(path="train/cat/0.png").exists()


def test_what_one_level_refuses_another_one_takes(client, workers):
    run = looked_at(client, workers, packed(files("cat", "cat/more", "dog")))
    decide(client, workers, run, decision="again", level="2")
    assert run.files.exclude(refused="").count() == 4
    decide(client, workers, run, decision="again", level="1")
    assert run.files.exclude(refused="").count() == 0
    decide(client, workers, run, decision="confirm")
    assert ImageSet.objects.get().images.count() == 6


def test_one_class_is_asked_about(client, workers):
    run = looked_at(client, workers, packed(files("cat")))
    assert "there is one folder only, cat, and so one class" in run.review["problem"]
    decide(client, workers, run, decision="again", level="1")
    decide(client, workers, run, decision="confirm")
    assert ImageSet.objects.get().classes.count() == 1


def test_class_names_of_imagenet_are_chosen_and_can_be_chosen_otherwise(client, workers):
    run = looked_at(client, workers, packed(files("tench", "unicorn")), class_names="imagenet")
    assert "class names of ImageNet: unicorn is not among its 1,000" in run.review["problem"]
    decide(client, workers, run, decision="again", level="1", class_names="folders")
    assert [one["title"] for one in run.review["classes"]] == ["tench", "unicorn"]


def test_names_that_are_not_utf8_are_said_on_the_form_and_decoded_by_choice(client, workers):
    data = packed(files("xxxx", "dog")).replace(b"xxxx", "猫猫".encode("shift_jis"))
    page = client.post(reverse(ADD_IMAGES), {"name": "things", "archive": uploaded(data)})
    assert "names in it are not UTF-8" in text(page)
    assert not Import.objects.exists()
    run = looked_at(client, workers, data, names_encoding="shift_jis")
    assert [one["name"] for one in run.review["classes"]] == ["dog", "猫猫"]


# --- which output is which class --------------------------------------------------------------------------------------


@pytest.fixture
def modules(tmp_path, settings):
    """A module and a checkpoint for a network of three outputs, and an image set of three classes."""
    folder = tmp_path / "modules"
    folder.mkdir()
    import_small("small", make_image_set("elsewhere", classes=("ant", "bell", "cup")).name, folder)
    settings.MODULE_FOLDERS = [folder]
    return folder


def asked(client, workers: Workers, folder, **fields) -> Classifier:
    module = {"module": f"{folder}/small.py", "factory": "small", "checkpoint": f"{folder}/small.safetensors"}
    client.post(reverse(ADD_CLASSIFIER), {"name": "net", "image_set": "elsewhere", **module, **fields})
    workers.work()
    return Classifier.objects.get(name="net")


def test_a_list_of_outputs_is_uploaded_with_a_classifier(client, workers, modules):
    table = SimpleUploadedFile("outputs.csv", b"class;index\nant;2\nbell;0\ncup;1\n")
    classifier = asked(client, workers, modules, output_list=table)
    assert classifier.class_mapping["classes"] == [2, 0, 1]
    page = client.get(reverse("admin:studies_classifier_change", args=[classifier.pk]))
    assert "Mapped by outputs.csv. 0 · bell 1 · cup 2 · ant" in text(page)


def test_an_order_is_chosen_with_a_classifier(client, workers, modules):
    assert asked(client, workers, modules, output_order="text-order").class_mapping["by"] == "by --outputs text-order"


def test_a_list_that_does_not_fit_is_refused_by_the_worker_with_its_line(client, workers, modules):
    with pytest.raises(Classifier.DoesNotExist):
        asked(client, workers, modules, output_list=SimpleUploadedFile("outputs.txt", b"ant\nbell\ncap\n"))
    assert "Outputs.txt: 1 of 3 classes is not in it: cup" in text(page_of(client, Import.objects.get()))


def test_an_order_and_a_list_together_are_refused_on_the_form(client, workers, modules):
    table = SimpleUploadedFile("outputs.txt", b"ant\n\xff\n")
    with pytest.raises(Classifier.DoesNotExist):
        asked(client, workers, modules, output_list=table, output_order="text-order")
    assert not Import.objects.exists()


def test_a_part_of_a_table_is_chosen_on_the_form_and_asked_for_without(client, workers):
    rows = ["file,label,split", "cat/0.png,cat,train", "cat/1.png,cat,val", "dog/0.png,dog,train", "dog/1.png,dog,val"]
    content = packed(files("cat", "dog") | {"labels.csv": "\n".join(rows).encode()})
    run = looked_at(client, workers, content)
    assert "its column split divides the photographs into train 2, val 2" in text(page_of(client, run))
    run.delete()
    run = looked_at(client, workers, content, part="val")
    assert "cat/0.png left out of another part, split train" in text(page_of(client, run))
    decide(client, workers, run, decision="confirm")
    assert sorted(ImageSet.objects.get().images.values_list("path", flat=True)) == ["cat/1.png", "dog/1.png"]
