"""Participants read every page whole in one language: English, French or German."""

import os
import re
import shutil
import subprocess
import sys

import lxml.html
import polib
import pytest
from django.conf import settings

from studies import lifecycle, protocols
from tests import requirements
from tests.bench import made_up_study
from tests.examples import SESSION
from tests.factories import open_study
from tests.participant_client import Visitor, heading, text

LANGUAGES = ("fr", "de")
#: The desk is in English.
DESK = shutil.ignore_patterns("admin")
CATALOGUES = {language: settings.BASE_DIR / "locale" / language / "LC_MESSAGES" / "django.po" for language in LANGUAGES}
PLACEHOLDER = re.compile(r"%\(\w+\)s|</?\w+>")


@pytest.fixture(params=LANGUAGES)
def language(request) -> str:
    return request.param


def catalogue(language: str) -> polib.POFile:
    return polib.pofile(CATALOGUES[language])


def test_every_text_is_translated(language):
    po = catalogue(language)
    assert len(po) > 90
    assert [entry.msgid for entry in po if not entry.translated() or entry.fuzzy or entry.obsolete] == []


def test_translations_keep_what_is_filled_in(language):
    for entry in catalogue(language):
        wanted = sorted(PLACEHOLDER.findall(entry.msgid_plural or entry.msgid))
        for said in entry.msgstr_plural.values() if entry.msgid_plural else [entry.msgstr]:
            kept = sorted(PLACEHOLDER.findall(said))
            # "One picture" needs no number.
            assert kept == wanted or (entry.msgid_plural and set(kept) < set(wanted)), entry.msgid


def test_what_is_read_is_what_was_compiled_from_it(language):
    compiled = polib.mofile(CATALOGUES[language].with_suffix(".mo"))
    assert {(e.msgid, e.msgstr, tuple(e.msgstr_plural.items())) for e in compiled} == {
        (e.msgid, e.msgstr, tuple(e.msgstr_plural.items())) for e in catalogue(language)
    }


def test_the_catalogues_hold_the_texts_of_the_pages_and_no_others(tmp_path, language):
    requirements.gettext()
    for folder in ("studies", "templates", "locale"):
        shutil.copytree(settings.BASE_DIR / folder, tmp_path / folder, ignore=DESK)
    command = [sys.executable, "-m", "django", "makemessages", "--locale", language, "--no-location", "--no-obsolete"]
    environment = {name: value for name, value in os.environ.items() if name != "DJANGO_SETTINGS_MODULE"}
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True, env=environment)
    found = polib.pofile(tmp_path / "locale" / language / "LC_MESSAGES" / "django.po")
    assert {entry.msgid for entry in found} == {entry.msgid for entry in catalogue(language)}


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("design", "accepts", "expected"),
    [
        ({}, "fr-CH, de;q=0.5", "fr"),
        ({}, "de", "de"),
        ({}, "nl", "en"),
        ({}, "", "en"),
        ({"language": "de"}, "fr", "de"),
        ({"language": "en"}, "fr", "en"),
    ],
)
def test_pages_are_in_the_designs_language_or_the_browsers(client, design, accepts, expected):
    study = open_study(2, **design)
    page = client.get(f"/s/{study.link}/", headers={"Accept-Language": accepts})
    assert lxml.html.fromstring(page.content).get("lang") == expected
    asked = {"en": "Would you like to take part?", "fr": "Souhaitez-vous participer ?", "de": "Möchten Sie teilnehmen?"}
    assert heading(page).replace(" ?", " ?") == asked[expected]
    assert "Accept-Language" in page.headers["Vary"]
    assert page.cookies == {}


@pytest.mark.django_db
@pytest.mark.parametrize("key", protocols.available())
def test_nothing_on_the_way_is_left_in_english(key, language):
    on = {**SESSION, "language": language, "trials_per_participant": 3, "debrief": "", "questions": ""}
    study = made_up_study(key, on, n_images=8 * 24)
    lifecycle.open_study(study)
    english = [entry.msgid for entry in catalogue(language) if len(entry.msgid) > 12 and "%" not in entry.msgid]
    visitor = Visitor(study)
    for _ in range(120):
        page = visitor.get()
        said = text(page)
        assert [one for one in english if one in said] == []
        forms = lxml.html.fromstring(page.content).forms
        if not forms:
            break
        offered = forms[0].xpath(".//*[@name='answer']/@value")
        visitor.send(**({"answer": offered[0]} if offered else {}))
    assert heading(page) in {
        "Merci",
        "Vielen Dank",
        "Merci. Revenez, s’il vous plaît",
        "Vielen Dank. Bitte kommen Sie wieder",
    }


@pytest.mark.django_db
def test_the_desk_is_in_english_whatever_the_browser_reads(client):
    page = client.get("/admin/login/", headers={"Accept-Language": "de"})
    assert lxml.html.fromstring(page.content).get("lang").startswith("en")
