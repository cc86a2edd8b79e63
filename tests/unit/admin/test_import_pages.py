"""Bringing things in at the desk: forms, reports, decisions, and who may."""

import pytest
from django.core.files import uploadhandler
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse

from studies.catalog.importing import jobs, torchvision_models
from studies.models import Classifier, Event, ImageSet, Import
from tests.archives import packed, uploaded
from tests.factories import make_image_set, make_picture, open_study
from tests.fake_queue import Workers
from tests.logged_in_users import researcher, staff, text
from tests.participant_client import Visitor
from tests.small_networks import import_small

pytestmark = pytest.mark.django_db(transaction=True)

State = Import.State
ADD_IMAGES, ADD_CLASSIFIER = "admin:studies_imageset_add", "admin:studies_classifier_add"


@pytest.fixture(autouse=True)
def workers(monkeypatch) -> Workers:
    return Workers(monkeypatch)


@pytest.fixture
def modules(tmp_path, settings):
    """A module and its checkpoint in a folder that the operator allows."""
    folder = tmp_path / "modules"
    folder.mkdir()
    import_small("small", make_image_set("elsewhere").name, folder)
    settings.MODULE_FOLDERS = [folder]
    return folder


def sent(client: Client, data: bytes, name: str = "things"):
    return client.post(reverse(ADD_IMAGES), {"name": name, "archive": uploaded(data)}, follow=True)


def spoilt(**others: bytes) -> bytes:
    files = {f"{label}/{n}.png": make_picture(n) for n, label in enumerate("abcabc")}
    return packed(files | {"a/no.txt": b"words", "a/=cmd.png": b"words"} | others)


def test_a_zip_becomes_an_image_set(workers):
    client = researcher()
    page = sent(client, packed())
    assert "Waiting for a worker" in text(page)
    workers.work()
    address = page.request["PATH_INFO"]
    assert "Import 6 images" in text(client.get(address))
    client.post(reverse("admin:studies_import_decide", args=[Import.objects.get().pk]), {"decision": "confirm"})
    workers.work()
    assert "It is there." in text(client.get(address))
    assert ImageSet.objects.get().images.count() == 6


def test_the_progress_line_goes_on_by_itself(workers):
    client = researcher()
    sent(client, packed())
    address = reverse("admin:studies_import_progress", args=[Import.objects.get().pk])
    assert b"hx-get" in client.get(address).content
    workers.work()
    assert client.get(address)["HX-Refresh"] == "true"


def test_a_report_names_each_file_and_is_a_csv_without_formulas(workers):
    client = researcher()
    page = sent(client, spoilt())
    workers.work()
    address = page.request["PATH_INFO"]
    words = text(client.get(address))
    assert "a/no.txt refused is a text file" in words
    assert "Import 6 without the refused" in words
    run = Import.objects.get()
    response = client.get(reverse("admin:studies_import_report", args=[run.pk]))
    lines = b"".join(response.streaming_content).decode().splitlines()
    assert lines[0] == "file,class,became,reason"
    assert [line.partition(",")[0] for line in lines[1:]] == ["a/=cmd.png", "a/no.txt"]
    assert (response["Content-Type"], response["X-Content-Type-Options"]) == ("text/csv; charset=utf-8", "nosniff")
    assert not ImageSet.objects.exists()


def test_a_formula_in_a_name_stays_text(workers):
    client = researcher()
    sent(client, packed({"=cmd()/1.png": b"words", "b/1.png": make_picture(1), "c/2.png": make_picture(2)}))
    workers.work()
    report = client.get(reverse("admin:studies_import_report", args=[Import.objects.get().pk]))
    assert "'=cmd()/1.png,'=cmd(),refused" in b"".join(report.streaming_content).decode()


@pytest.mark.parametrize(("decision", "images", "state"), [("confirm", 6, State.DONE), ("discard", 0, State.DISCARDED)])
def test_the_rest_is_confirmed_or_all_of_it_discarded(workers, decision, images, state):
    client = researcher()
    sent(client, spoilt())
    workers.work()
    run = Import.objects.get()
    client.post(reverse("admin:studies_import_decide", args=[run.pk]), {"decision": decision})
    workers.work()
    run.refresh_from_db()
    assert (run.state, sum(one.images.count() for one in ImageSet.objects.all())) == (state, images)
    assert client.get(reverse("admin:studies_import_change", args=[run.pk])).status_code == 200


def test_who_brought_something_in_is_in_its_log(workers):
    client = researcher()
    sent(client, spoilt())
    workers.work()
    run, name = Import.objects.get(), Import.objects.get().owner.username
    operator = staff("view_import", "add_imageset", "view_imageset")
    operator.post(reverse("admin:studies_import_decide", args=[run.pk]), {"decision": "confirm"})
    workers.work()
    lines = list(Event.objects.values_list("about", "slug", "what", "who"))
    assert [line[2:] for line in lines] == [
        ("asked", name),
        ("confirmed", lines[1][3]),
        ("imported", "worker"),
    ]
    assert lines[1][3] not in (name, "worker")
    assert {line[:2] for line in lines} == {("images", "things")}
    told = {"images": 6, "classes": 3, "import": run.pk, "refused": 2, "left_out": 0}
    assert Event.objects.last().details == told
    for address in ("import", "imageset"):
        row = run if address == "import" else ImageSet.objects.get()
        page = client.get(reverse(f"admin:studies_{address}_history", args=[row.pk]))
        assert text(page).count("Imported") == 1


def test_the_log_of_an_import_is_not_that_of_another_one_of_its_name(workers):
    first, second = staff("add_imageset"), staff("add_imageset")
    for client in (first, second):
        sent(client, spoilt())
        workers.work()
        run = Import.objects.latest("pk")
        client.post(reverse("admin:studies_import_decide", args=[run.pk]), {"decision": "discard"})
    page = text(second.get(reverse("admin:studies_import_history", args=[run.pk])))
    assert (page.count("Import asked for"), page.count("Import discarded")) == (1, 1)
    assert Import.objects.earliest("pk").owner.username not in page


def test_a_mistake_is_said_on_the_form_and_nothing_is_stored():
    client = researcher()
    for data, said in [
        ({"name": "two words", "archive": uploaded(packed())}, "is not a valid short name"),
        ({"name": "things"}, "Choose a zip archive"),
        ({"name": "things", "archive": uploaded(b"words")}, "is a text file, not a zip archive"),
        ({"name": "things", "archive": SimpleUploadedFile("a.zip", b"")}, "empty"),
        ({"name": "things", "folder": "/etc"}, "Choose a zip archive"),
    ]:
        page = client.post(reverse(ADD_IMAGES), data)
        assert (page.status_code, said in text(page)) == (200, True), text(page)
    assert not Import.objects.exists()


def test_folders_are_offered_only_below_those_that_the_operator_named(tmp_path, settings, workers):
    for n, place in enumerate(("open/set/a", "open/set/b", "closed/set/a")):
        (tmp_path / place).mkdir(parents=True)
        (tmp_path / place / "1.png").write_bytes(make_picture(n))
    client = researcher()
    assert b'name="folder"' not in client.get(reverse(ADD_IMAGES)).content
    settings.IMPORT_FOLDERS = [tmp_path / "open"]
    page = client.get(reverse(ADD_IMAGES)).content.decode()
    assert str(tmp_path / "open" / "set") in page
    assert str(tmp_path / "closed") not in page
    wrong = client.post(reverse(ADD_IMAGES), {"name": "things", "folder": str(tmp_path / "closed" / "set")})
    assert "is not one of the available choices" in text(wrong)
    client.post(reverse(ADD_IMAGES), {"name": "things", "folder": str(tmp_path / "open" / "set")})
    workers.work()
    jobs.confirm(Import.objects.get())
    workers.work()
    assert ImageSet.objects.get().images.count() == 2


def test_imports_are_seen_by_whoever_asked_for_them():
    mine, another = staff("add_imageset"), staff("add_imageset", "add_classifier")
    sent(mine, packed())
    run = Import.objects.get()
    for name in ("change", "progress", "report"):
        address = reverse(f"admin:studies_import_{name}", args=[run.pk])
        assert mine.get(address).status_code == 200
        assert another.get(address).status_code in (302, 404)
        assert researcher().get(address).status_code == 200
    decide = reverse("admin:studies_import_decide", args=[run.pk])
    assert another.post(decide, {"decision": "discard"}).status_code == 404
    assert staff("view_imageset").post(decide, {"decision": "discard"}).status_code == 404
    run.refresh_from_db()
    assert run.state == State.WAITING


@pytest.mark.parametrize("address", [ADD_IMAGES, ADD_CLASSIFIER])
def test_importing_needs_its_permission(address):
    assert staff("view_imageset", "view_classifier").get(reverse(address)).status_code == 403
    assert Client().get(reverse(address)).status_code == 302


# --- uploads ----------------------------------------------------------------------------------------------------------


def test_an_upload_above_the_limit_is_cut_off_before_it_is_read(settings):
    settings.UPLOAD_MAX_BYTES = 2000
    assert sent(researcher(), packed()).status_code == 400
    assert not Import.objects.exists()


@pytest.fixture
def on_disk(monkeypatch) -> list[str]:
    """The names of files that are written to the disk while a request is read."""
    names, real = [], uploadhandler.TemporaryUploadedFile

    def noted(name, *args):
        names.append(name)
        return real(name, *args)

    monkeypatch.setattr(uploadhandler, "TemporaryUploadedFile", noted)
    return names


@pytest.mark.parametrize("size", [100, 100_000])
def test_nobody_but_staff_has_anything_written_to_the_disk(on_disk, django_user_model, size):
    visitor, sent_along = Visitor(open_study(1, 1)), {"file": uploaded(b"x" * size)}
    kept = visitor.client.post(visitor.path, visitor.form() | sent_along)
    assert kept.status_code == 303  # the form stands, the file is skipped
    guest = Client()
    guest.force_login(django_user_model.objects.create(username="guest", is_staff=False))
    for client in (Client(), guest):
        for address in ("/", visitor.path, reverse("admin:login"), reverse(ADD_IMAGES), "/nothing/"):
            client.post(address, {"file": uploaded(b"x" * size)})
    assert on_disk == []
    # The control: what a researcher sends is written, however small.
    sent(researcher(), packed())
    assert on_disk == ["photographs.zip"]


def test_what_participants_send_is_cut_off_where_forms_end():
    visitor = Visitor(open_study(1, 1))
    fields = visitor.form()
    assert visitor.client.post(visitor.path, fields | {"file": uploaded(b"x" * 3_000_000)}).status_code == 400


# --- classifiers ------------------------------------------------------------------------------------------------------


def module(folder, **changes) -> dict[str, str]:
    return {
        "name": "net",
        "image_set": "elsewhere",
        "module": f"{folder}/small.py",
        "factory": "small",
        "checkpoint": f"{folder}/small.safetensors",
    } | changes


def test_a_module_and_a_checkpoint_become_a_classifier_that_is_looked_at(modules, workers):
    client = researcher()
    page = client.post(
        reverse(ADD_CLASSIFIER),
        module(modules, mean="0.5, 0.5, 0.5", std="0.5, 0.25, 0.25", expected_accuracy="81.3"),
        follow=True,
    )
    assert Classifier.objects.count() == 1
    workers.work()
    row = Classifier.objects.get(name="net")
    assert row.preprocessing == {"resize": None, "crop": None, "mean": [0.5] * 3, "std": [0.5, 0.25, 0.25]}
    assert row.expected_accuracy == pytest.approx(0.813)
    assert all(check["ok"] for check in row.checks)
    assert "It is there." in text(client.get(page.request["PATH_INFO"]))
    assert row.evaluation.result["images"] == row.image_set.images.count()


def test_a_network_of_torchvision_is_asked_for_by_name(workers, monkeypatch):
    make_image_set("elsewhere")
    asked = {}
    monkeypatch.setattr(
        "studies.catalog.classifiers.import_classifier", lambda name, **source: asked.update(source) or 1 / 0
    )
    client = researcher()
    client.post(reverse(ADD_CLASSIFIER), {"name": "net", "image_set": "elsewhere", "torchvision": "resnet18"})
    with pytest.raises(ZeroDivisionError):
        workers.work()
    assert asked["torchvision"], asked["weights"] == ("resnet18", "IMAGENET1K_V1")
    run = Import.objects.get()
    assert (run.state, "stopped unexpectedly" in run.problem) == (State.REFUSED, True)


@pytest.mark.parametrize(
    ("library", "name"),
    [("timm", "resnet50.a1_in1k"), ("transformers", "microsoft/resnet-50"), ("open_clip", "ViT-B-32:openai")],
)
def test_a_network_of_another_library_is_asked_for_by_its_name_there(workers, monkeypatch, library, name):
    make_image_set("elsewhere")
    asked = {}
    monkeypatch.setattr(
        "studies.catalog.classifiers.import_classifier", lambda name, **source: asked.update(source) or 1 / 0
    )
    given = {"name": "net", "image_set": "elsewhere", "library": library, "library_name": name}
    researcher().post(reverse(ADD_CLASSIFIER), given)
    with pytest.raises(ZeroDivisionError):
        workers.work()
    assert asked[library] == name


def test_folders_of_networks_come_only_from_the_operators_folders(modules, tmp_path):
    for source in ({"transformers": str(tmp_path)}, {"open_clip": f"local-dir:{tmp_path}"}, {"transformers": ".."}):
        with pytest.raises(jobs.StudyError, match="in none of the folders"):
            jobs.request_classifier("net", owner=None, **source)
    jobs.request_classifier("net", owner=None, transformers=str(modules))


def test_a_refusal_of_the_worker_is_on_the_page(modules, workers):
    (modules / "small.safetensors").write_bytes(b"\x80\x04pickle")
    client = researcher()
    page = client.post(reverse(ADD_CLASSIFIER), module(modules), follow=True)
    workers.work()
    words = text(client.get(page.request["PATH_INFO"]))
    assert "Refused; nothing of it was kept." in words
    assert "is a pickle, not a safetensors file: reading one can run code" in words
    assert Classifier.objects.count() == 1


def test_modules_come_only_from_the_operators_folders(modules, tmp_path, settings):
    (tmp_path / "other.py").write_text("raise SystemExit")
    client = researcher()
    page = client.post(reverse(ADD_CLASSIFIER), module(modules, module=f"{tmp_path}/other.py"))
    assert "is not one of the available choices" in text(page)
    with pytest.raises(jobs.StudyError, match="in none of the folders"):
        jobs.request_classifier("net", owner=None, module=f"{tmp_path}/other.py:net", checkpoint="x")
    settings.MODULE_FOLDERS = []
    assert "MODULE_FOLDERS" in text(client.get(reverse(ADD_CLASSIFIER)))
    assert not Import.objects.exists()


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"torchvision": "resnet18"}, "Name a network of torchvision or of another library, or choose a module"),
        ({"library": "timm", "library_name": "resnet18"}, "Name a network of torchvision or of another library"),
        ({"library": "timm", "module": "", "factory": "", "checkpoint": ""}, "needs both: the library, and its name"),
        ({"prompt": "a photo of a {}"}, "Only open_clip is told of classes"),
        ({"mean": "0.5, 0.5, 0.5"}, "Give both mean and standard deviation, or neither"),
        ({"mean": "123.7, 116.3, 103.5", "std": "58.4, 57.1, 57.4"}, "Mean must lie in [0, 1]"),
        ({"mean": "0.5, 0.5, 0.5", "std": "0, 1, 1"}, "Std must be positive"),
        ({"expected_accuracy": "0.8"}, "greater than or equal to 1"),
        ({"factory": ""}, "A module needs all three"),
        ({"factory": "a.b()"}, "The name of a function or class"),
        ({"weights": "V1"}, "Only torchvision’s networks have these"),
        ({"mean": "1,2"}, "Three numbers with commas"),
        ({"std": "nan,1,1"}, "Three numbers with commas"),
        ({"crop": "0"}, "greater than or equal to 1"),
        ({"name": "small"}, "The name small is taken by another classifier"),
    ],
)
def test_a_mistake_in_a_classifiers_form_is_said_in_place(modules, changes, said):
    page = researcher().post(reverse(ADD_CLASSIFIER), module(modules, **changes))
    assert said in text(page)
    assert not Import.objects.exists()


def test_the_networks_that_are_suggested_are_there():
    from torchvision import models

    assert set(torchvision_models.NETWORKS) <= set(models.list_models(module=models))
    assert "resnet101" in torchvision_models.NETWORKS
