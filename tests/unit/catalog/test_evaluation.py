"""How a classifier does on its image set: computed by workers, remembered, shown in pages."""

import pytest
from django.urls import reverse

from studies import lifecycle, preparation, tasks
from studies.catalog import evaluation, trials
from studies.lib import storage
from studies.lib.errors import StudyError
from studies.models import Artifact, Classifier, ClassifierEvaluation, Image, Misclassification
from tests.factories import delete_all_unused, make_image_set
from tests.fake_queue import Workers
from tests.logged_in_users import researcher, staff, text
from tests.small_networks import import_small, marked_picture

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def few_photographs_are_tried_in_other_ways(monkeypatch):
    """Most of an evaluation's time goes into those trials, which have tests of their own."""
    monkeypatch.setattr(trials, "FIRST", 12)
    monkeypatch.setattr(trials, "LATER", 20)


@pytest.fixture
def workers(monkeypatch) -> Workers:
    return Workers(monkeypatch)


@pytest.fixture
def classifier(tmp_path) -> Classifier:
    return import_small("net", make_image_set("things", n_images=30).name, tmp_path)


def looked_at(workers: Workers, classifier: Classifier) -> ClassifierEvaluation:
    check = evaluation.request_evaluation(classifier)
    workers.work()
    check.refresh_from_db()
    return check


def test_the_counts_are_those_of_the_predictions(workers, classifier):
    check = looked_at(workers, classifier)
    said = {
        image.sha256: preparation.Bench().predictions("net", [image]) for image in preparation.Bench().images("net")
    }
    top = {sha256: next(one).top[0] for sha256, one in said.items()}
    images = list(classifier.image_set.images.all())
    right = sum(top[image.sha256].label == image.label for image in images)
    assert (check.state, check.result["images"], check.result["right"]) == (ClassifierEvaluation.State.DONE, 30, right)
    assert 0 < right < 30
    assert sum(n for _, _, n in check.result["pairs"]) == 30
    assert check.result["low"] < right / 30 < check.result["high"]
    assert Misclassification.objects.count() == 30 - right
    for mistake in Misclassification.objects.select_related("image"):
        assert top[mistake.image.sha256].label == mistake.predicted != mistake.image.label == mistake.label


def test_a_study_finds_the_predictions_remembered_and_collecting_leaves_them(workers, classifier):
    looked_at(workers, classifier)
    assert Artifact.objects.filter(kind="prediction").count() == 30
    delete_all_unused()
    before = set(Artifact.objects.values_list("pk", "finished_at"))
    study = lifecycle.create_study(slug="study", protocol="rectified_labeling", design={"classifier": "net"})
    preparation.prepare(study)
    assert before <= set(Artifact.objects.values_list("pk", "finished_at"))
    assert Artifact.objects.filter(kind="prediction").count() == 30


def test_a_turn_that_ends_goes_on_where_it_stopped(workers, classifier, monkeypatch):
    monkeypatch.setattr(evaluation, "WINDOW", 10)
    monkeypatch.setattr(evaluation, "TURN_SECONDS", -1)
    check = evaluation.request_evaluation(classifier)
    workers.answer()
    check.refresh_from_db()
    assert (check.state, check.leased_until, len(workers.messages)) == (ClassifierEvaluation.State.RUNNING, None, 1)
    monkeypatch.setattr(evaluation, "TURN_SECONDS", 90)
    workers.work(times=2)
    check.refresh_from_db()
    assert (check.state, check.done) == (ClassifierEvaluation.State.DONE, 30)


def test_a_message_that_was_lost_is_rung_for_again(workers, classifier):
    check = evaluation.request_evaluation(classifier)
    workers.messages.clear()
    tasks.sweep()
    workers.work()
    check.refresh_from_db()
    assert check.state == ClassifierEvaluation.State.DONE


def test_an_outage_is_said_costs_no_attempt_and_is_over_when_it_is_over(workers, classifier, monkeypatch):
    def full(*_args, **_options):
        raise OSError(28, "No space left on device")

    check = evaluation.request_evaluation(classifier)
    monkeypatch.setattr(storage, "store_all", full)
    with pytest.raises(OSError, match="No space left"):
        workers.answer()
    check.refresh_from_db()
    assert (check.state, check.attempts, check.leased_until, check.worker) == (
        ClassifierEvaluation.State.RUNNING,
        0,
        None,
        "",
    )
    assert check.problem.startswith("interrupted, and tried again every minute: ")
    assert check.problem.endswith("No space left on device")
    monkeypatch.undo()
    evaluation.evaluate(check.pk)
    check.refresh_from_db()
    assert (check.state, check.problem) == (ClassifierEvaluation.State.DONE, "")


def test_a_mistake_of_ours_ends_the_check_with_its_reason(workers, classifier, monkeypatch):
    monkeypatch.setattr(evaluation, "_write", lambda check: 1 / 0)
    check = evaluation.request_evaluation(classifier)
    with pytest.raises(ZeroDivisionError):
        workers.answer()
    check.refresh_from_db()
    assert (check.state, check.attempts) == (ClassifierEvaluation.State.FAILED, 0)
    assert check.problem == "it stopped unexpectedly (ZeroDivisionError: division by zero)"


def test_an_image_that_cannot_be_read_is_counted_and_tried_anew(workers, classifier):
    image = Image.objects.first()
    data = storage.read(image.file)
    storage.delete(image.file)
    assert looked_at(workers, classifier).result["failed"] == 1
    storage.store("images", data, ".png")
    assert looked_at(workers, classifier).result["failed"] == 0


def test_a_classifier_that_cannot_be_loaded_counts_nothing(workers, classifier):
    Classifier.objects.update(state_digest="0" * 64)
    from explainers.computations import inputs

    inputs.classifier.cache_clear()
    check = looked_at(workers, classifier)
    assert (check.result["images"], check.result["failed"]) == (0, 30)
    assert "–" in text(researcher().get(reverse("admin:studies_classifier_check", args=[classifier.pk])))


# --- the page ---------------------------------------------------------------------------------------------------------


def test_the_page_shows_accuracy_confusions_and_mistakes(workers, classifier):
    check = looked_at(workers, classifier)
    client, address = researcher(), reverse("admin:studies_classifier_check", args=[classifier.pk])
    page = client.get(address)
    result = check.result
    assert f"{100 * result['accuracy']:.2f}% {result['right']} of 30" in text(page)
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
    ClassifierEvaluation.objects.filter(pk=check.pk).update(result=check.result | {"pairs": pairs})
    classifier.image_set.classes.model.objects.bulk_create(
        classifier.image_set.classes.model(image_set=classifier.image_set, index=i, name=f"c{i}", title=f"c{i}")
        for i in range(3, 1000)
    )
    Classifier.objects.update(n_outputs=1000, class_mapping={})
    page = researcher().get(reverse("admin:studies_classifier_check", args=[classifier.pk]))
    assert page.context["matrix"]["columns"] == ["c3", "c7", "c8", "c900"]


def test_pages_ask_for_the_same_few_queries_however_many_images(workers, classifier, django_assert_max_num_queries):
    check, image = looked_at(workers, classifier), Image.objects.first()
    Misclassification.objects.bulk_create(
        Misclassification(evaluation=check, image=image, label=0, predicted=1, probability=n / 3000)
        for n in range(3000)
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
    assert not ClassifierEvaluation.objects.exists()
    staff("view_classifier", "add_classifier").post(address)
    assert ClassifierEvaluation.objects.exists()


def test_a_network_that_fails_on_one_photograph_is_evaluated_on_the_others_and_names_it(workers, tmp_path):
    """At the hundredth photograph, say: not among those that an import tries."""
    things = make_image_set("things", n_images=30)
    row = import_small("net", "things", tmp_path, fault="raising")
    file = storage.store("images", marked_picture(), ".png")
    size = {"width": 32, "height": 32, "file": file, "sha256": file.split("/")[-1].removesuffix(".png")}
    Image.objects.create(image_set=things, label=2, path="grand_piano/hundredth.png", **size)
    result = looked_at(workers, row).result
    assert (result["images"], result["failed"]) == (30, 1)
    assert result["failures"] == ["grand_piano/hundredth.png: RuntimeError: cannot look at this"]
    (line,) = [doubt["line"] for doubt in result["doubts"] if doubt["check"] == "failed"]
    assert line.startswith("1 photograph could not be judged: grand_piano/hundredth.png: RuntimeError")


def test_evaluating_in_the_foreground_comes_to_the_same(workers, classifier):
    by_workers = looked_at(workers, classifier).result
    assert evaluation.evaluate_here(classifier).result == by_workers
    assert not workers.messages
    assert set(Artifact.objects.values_list("kind", flat=True)) == {"prediction", "trial"}
    delete_all_unused()
    assert Artifact.objects.filter(kind="trial").exists()


def test_an_evaluation_that_cannot_be_done_in_the_foreground_says_why(workers, classifier, monkeypatch):
    monkeypatch.setattr(evaluation, "_write", lambda _: 1 / 0)
    with pytest.raises(StudyError, match=r"classifier net: it stopped unexpectedly .ZeroDivisionError"):
        evaluation.evaluate_here(classifier)


def test_a_size_that_the_network_cannot_take_is_tried_on_few_photographs(workers, classifier):
    check = looked_at(workers, classifier)
    failed = Artifact.objects.filter(kind="trial", state=Artifact.State.FAILED)
    # Its photographs have the third of the usual sizes.
    assert failed.count() == 2 * trials.PROBES
    assert set(failed.values_list("recipe__way__crop", flat=True)) == {64, 224}
    assert {one["images"] for one in check.result["trials"]} <= {trials.FIRST, trials.LATER}
    assert check.result["trials"]
    assert not trials.SIZE_KEYS & {one["key"] for one in check.result["trials"]}
