"""How a classifier does on its image set: computed by workers, remembered, shown in pages."""

import pytest
from django.urls import reverse

from studies import lifecycle, storage, tasks, workbench
from studies.models import Artifact, Check, Classifier, Image, Mistake
from studies.workbench import checking
from studies.workbench.collection import delete_unused
from tests.factories import make_image_set
from tests.networks import import_small
from tests.staff import researcher, staff, text
from tests.workers import Workers

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def workers(monkeypatch) -> Workers:
    return Workers(monkeypatch)


@pytest.fixture
def classifier(tmp_path) -> Classifier:
    return import_small("net", make_image_set("things", n_images=30).name, tmp_path)


def looked_at(workers: Workers, classifier: Classifier) -> Check:
    check = checking.request(classifier)
    workers.work()
    check.refresh_from_db()
    return check


def test_the_counts_are_those_of_the_predictions(workers, classifier):
    check = looked_at(workers, classifier)
    said = {image.sha256: workbench.Bench().predictions("net", [image]) for image in workbench.Bench().images("net")}
    top = {sha256: next(one).top[0] for sha256, one in said.items()}
    images = list(classifier.image_set.images.all())
    right = sum(top[image.sha256].label == image.label for image in images)
    assert (check.state, check.result["images"], check.result["right"]) == (Check.State.DONE, 30, right)
    assert 0 < right < 30
    assert sum(n for _, _, n in check.result["pairs"]) == 30
    assert check.result["low"] < right / 30 < check.result["high"]
    assert Mistake.objects.count() == 30 - right
    for mistake in Mistake.objects.select_related("image"):
        assert top[mistake.image.sha256].label == mistake.predicted != mistake.image.label == mistake.label


def test_a_study_finds_the_predictions_remembered_and_collecting_leaves_them(workers, classifier):
    looked_at(workers, classifier)
    assert Artifact.objects.filter(kind="prediction").count() == 30
    delete_unused(hours=0)
    before = set(Artifact.objects.values_list("pk", "finished_at"))
    study = lifecycle.create_study(slug="study", protocol="rectified_labeling", design={"classifier": "net"})
    workbench.prepare(study)
    assert before <= set(Artifact.objects.values_list("pk", "finished_at"))
    assert Artifact.objects.filter(kind="prediction").count() == 30


def test_a_turn_that_ends_goes_on_where_it_stopped(workers, classifier, monkeypatch):
    monkeypatch.setattr(checking, "WINDOW", 10)
    monkeypatch.setattr(checking, "TURN_SECONDS", -1)
    check = checking.request(classifier)
    workers.answer()
    check.refresh_from_db()
    assert (check.state, check.leased_until, len(workers.messages)) == (Check.State.RUNNING, None, 1)
    monkeypatch.setattr(checking, "TURN_SECONDS", 90)
    workers.work(times=2)
    check.refresh_from_db()
    assert (check.state, check.done) == (Check.State.DONE, 30)


def test_a_message_that_was_lost_is_rung_for_again(workers, classifier):
    check = checking.request(classifier)
    workers.messages.clear()
    tasks.sweep()
    workers.work()
    check.refresh_from_db()
    assert check.state == Check.State.DONE


def test_an_image_that_cannot_be_read_is_counted_and_tried_anew(workers, classifier):
    image = Image.objects.first()
    data = storage.read(image.file)
    storage.delete(image.file)
    assert looked_at(workers, classifier).result["failed"] == 1
    storage.store("images", data, ".png")
    assert looked_at(workers, classifier).result["failed"] == 0


def test_a_classifier_that_cannot_be_loaded_counts_nothing(workers, classifier):
    Classifier.objects.update(state_digest="0" * 64)
    from studies.workbench import sources

    sources.classifier.cache_clear()
    check = looked_at(workers, classifier)
    assert (check.result["images"], check.result["failed"]) == (0, 30)
    assert "–" in text(researcher().get(reverse("admin:studies_classifier_check", args=[classifier.pk])))


# --- the page ---------------------------------------------------------------------------------------------------------


def test_the_page_shows_accuracy_confusions_and_mistakes(workers, classifier):
    check = looked_at(workers, classifier)
    client, address = researcher(), reverse("admin:studies_classifier_check", args=[classifier.pk])
    page = client.get(address)
    result = check.result
    assert f"{100 * result['accuracy']:.1f} % {result['right']} of 30" in text(page)
    wrong = [pair for pair in result["pairs"] if pair[0] != pair[1]]
    worst = max(n for _, _, n in wrong)
    assert page.context["worst"][0]["n"] == worst
    assert page.content.count(b"/admin/studies/imageset/thumbnail/") == 30 - result["right"]
    label, predicted, n = wrong[0]
    only = client.get(f"{address}?label={label}&predicted={predicted}")
    assert only.content.count(b"/admin/studies/imageset/thumbnail/") == n
    for strange in ("label=x&predicted=1", "label=99999&predicted=3", "page=x", "page=99", "label=²&predicted=1"):
        assert client.get(f"{address}?{strange}").status_code == 200


def test_of_many_classes_the_matrix_is_of_those_that_are_confused_most(workers, classifier):
    check = looked_at(workers, classifier)
    pairs = [[i, i, 40] for i in range(1000)] + [[7, 900, 9], [3, 8, 2]]
    Check.objects.filter(pk=check.pk).update(result=check.result | {"pairs": pairs})
    classifier.image_set.classes.model.objects.bulk_create(
        classifier.image_set.classes.model(image_set=classifier.image_set, index=i, name=f"c{i}", title=f"c{i}")
        for i in range(3, 1000)
    )
    page = researcher().get(reverse("admin:studies_classifier_check", args=[classifier.pk]))
    assert page.context["matrix"]["columns"] == ["c3", "c7", "c8", "c900"]


def test_pages_ask_for_the_same_few_queries_however_many_images(workers, classifier, django_assert_max_num_queries):
    check, image = looked_at(workers, classifier), Image.objects.first()
    Mistake.objects.bulk_create(
        Mistake(checked=check, image=image, label=0, predicted=1, probability=n / 3000) for n in range(3000)
    )
    client = researcher()
    with django_assert_max_num_queries(20):
        client.get(reverse("admin:studies_classifier_check", args=[classifier.pk]) + "?page=40")


def test_looking_needs_the_permission_to_add_classifiers(workers, classifier):
    address = reverse("admin:studies_classifier_check", args=[classifier.pk])
    looker = staff("view_classifier")
    assert looker.get(address).status_code == 200
    assert looker.post(address).status_code == 403
    assert staff("view_study").get(address).status_code == 404
    assert not Check.objects.exists()
    staff("view_classifier", "add_classifier").post(address)
    assert Check.objects.exists()
