"""Web processes start fast and need no GPU; their pages load nothing from elsewhere."""

import importlib.util
import subprocess
import sys
import threading

import lxml.html
import pytest
from django.conf import settings
from django.test import Client
from django.urls import reverse

from studies import lifecycle
from studies.operations import preloading
from tests.factories import make_classifier, make_image_set, make_study, open_study
from tests.logged_in_users import researcher

RESOLVE_EVERYTHING = """
import sys
import threading
import django
django.setup()
from django.urls import get_resolver

def views(resolver):
    for pattern in resolver.url_patterns:
        if hasattr(pattern, "url_patterns"):
            yield from views(pattern)
        else:
            assert callable(pattern.callback)
            yield pattern

{also}
print(len(list(views(get_resolver()))), "torch" in sys.modules)
"""


def resolved(also: str = "") -> tuple[int, bool]:
    """How many views the URL configuration has, and whether importing them all imported PyTorch."""
    program = RESOLVE_EVERYTHING.format(also=also)
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, cwd=settings.BASE_DIR, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    number, torch = done.stdout.split()
    return int(number), torch == "True"


@pytest.fixture(autouse=True)
def settings_for_subprocesses(monkeypatch):
    monkeypatch.setenv("DJANGO_SETTINGS_MODULE", "config.settings")


def test_no_web_process_imports_pytorch():
    number, torch = resolved()
    assert number > 40
    assert not torch


def test_the_check_above_would_notice_pytorch():
    assert resolved("import torch")[1]


@pytest.mark.django_db
def test_the_desks_pages_load_nothing_from_elsewhere():
    image_set = make_image_set()
    draft, opened, closed = make_study(3), open_study(3), open_study(2, 1)
    lifecycle.close_study(closed)
    study = "admin:studies_study"
    pages = [
        reverse("admin:index"),
        *(reverse(f"admin:studies_{name}_changelist") for name in ("study", "imageset", "classifier")),
        reverse("admin:studies_imageset_change", args=[image_set.pk]),
        reverse("admin:studies_imageset_classes", args=[image_set.pk]),
        reverse("admin:studies_imageset_example", args=[image_set.pk, 0]),
        *(reverse(f"admin:studies_{name}_add") for name in ("imageset", "classifier")),
        reverse("admin:studies_import_changelist"),
        reverse("admin:studies_classifier_change", args=[(classifier := make_classifier(image_set)).pk]),
        reverse("admin:studies_classifier_check", args=[classifier.pk]),
        reverse(f"{study}_add"),
        reverse(f"{study}_add_design", query={"title": "A", "slug": "a", "protocol": draft.protocol}),
        *(reverse(f"{study}_change", args=[row.pk]) for row in (draft, opened, closed)),
        *(reverse(f"{study}_{key}", args=[draft.pk]) for key in ("design", "open", "prepare", "delete", "history")),
        *(reverse(f"{study}_results", args=[row.pk]) for row in (opened, closed)),
        reverse("admin:auth_user_changelist"),
    ]
    client = researcher()
    for address, page in [("login", Client().get("/admin/login/")), *((one, client.get(one)) for one in pages)]:
        assert page.status_code == 200, address
        document = lxml.html.fromstring(page.content)
        loaded = document.xpath("//link/@href | //*[self::script or self::img or self::iframe or self::source]/@src")
        assert loaded
        assert [one for one in loaded if not one.startswith("/") or one.startswith("//")] == [], address


# --- what is loaded beside pages --------------------------------------------------------------------------------------


def test_the_first_page_of_the_desk_has_libraries_loaded_beside_it_and_participants_pages_none(monkeypatch):
    begun, go_on = [], threading.Event()

    def load() -> None:
        begun.append(threading.current_thread())
        go_on.wait(10)

    monkeypatch.setattr(preloading, "load", load)
    serve = preloading.with_the_first_page_of_the_desk(lambda environ, start: [b"a page"])
    assert serve({"PATH_INFO": "/s/a-study/"}, None) == [b"a page"]
    assert begun == []
    # The page does not wait for them.
    assert [serve({"PATH_INFO": "/admin/"}, None) for _ in range(3)] == [[b"a page"]] * 3
    go_on.set()
    for thread in begun:
        thread.join(10)
    assert len(begun) == 1
    assert threading.main_thread() not in begun


def test_the_libraries_are_there():
    assert [name for name in preloading.LIBRARIES if importlib.util.find_spec(name) is None] == []


def test_a_library_that_cannot_be_loaded_stops_nothing(monkeypatch, caplog):
    monkeypatch.setattr(preloading, "LIBRARIES", ("no_such_library", "json"))
    preloading.load()
    assert "no_such_library cannot be loaded" in caplog.text
