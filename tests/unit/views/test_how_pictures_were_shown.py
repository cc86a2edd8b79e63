"""Sizes and browser are recorded with an answer where the design says so, and then the consent text says so, too."""

import csv
import re

import pytest
from django.utils import translation

from studies import lifecycle, participation
from studies.designs.consent_claims import DISPLAY_RECORDED
from studies.export import export
from studies.lib.client_browser import LONGEST, browser_of
from studies.models import Trial
from studies.templatetags import pictures
from tests.factories import open_study
from tests.participant_client import Visitor, text

SIZES = {"shown_width": "320", "shown_height": "240.5", "smallest_width": "64", "pixel_ratio": "1.25", "zoom": "2"}
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:153.0) Gecko/20100101 Firefox/153.0"
RECORDED = ("shown_width", "shown_height", "smallest_width", "pixel_ratio", "zoom", "browser")


def answered(study, **sent) -> Trial:
    visitor = Visitor(study)
    visitor.client.defaults["HTTP_USER_AGENT"] = FIREFOX
    visitor.begin().send(answer="yes", response_ms="900", **sent)
    return Trial.objects.get(participant=visitor.participant, answered_at__isnull=False)


def recorded(trial: Trial) -> list:
    return [getattr(trial, name) for name in RECORDED]


@pytest.mark.django_db
def test_what_is_recorded_is_exported(tmp_path):
    study = open_study(2, 1, threshold=1, record_display=True)
    assert recorded(answered(study, **SIZES)) == [320, 240.5, 64, 1.25, 2, "Firefox 153, Linux"]
    lifecycle.close_study(study)
    study.refresh_from_db()
    export.write(study, tmp_path / "export")
    with (tmp_path / "export" / "answers.csv").open(encoding="utf-8-sig") as file:
        row = next(csv.DictReader(file))
    assert [row[name] for name in RECORDED] == ["320.0", "240.5", "64.0", "1.25", "2.0", "Firefox 153, Linux"]


@pytest.mark.django_db
def test_nothing_is_asked_for_or_kept_that_people_did_not_agree_to():
    study = open_study(2)
    visitor = Visitor(study).begin()
    assert not set(SIZES) & set(visitor.form())
    trial = answered(study, **SIZES)
    assert (trial.response_ms, recorded(trial)) == (900, [None] * 5 + [""])


@pytest.mark.django_db
@pytest.mark.parametrize("claimed", ["", "0", "-1", "1e3", "20001", "320.123", "wide", "١٢"])
def test_what_cannot_be_a_size_is_left_out(claimed):
    trial = answered(open_study(2, 1, threshold=1, record_display=True), **{**SIZES, "shown_width": claimed})
    assert (trial.shown_width, trial.shown_height) == (None, 240.5)


@pytest.mark.django_db
@pytest.mark.parametrize("language", ["en", "de", "fr"])
def test_people_agree_to_it_in_words(language):
    study = open_study(2, record_display=True, language=language)
    with translation.override(language):
        sentence = str(DISPLAY_RECORDED)
    assert sentence in participation.current_consent(study, language).text
    assert sentence in text(Visitor(study).get())
    without = open_study(2, language=language)
    assert sentence not in participation.current_consent(without, language).text


@pytest.mark.django_db
def test_a_withdrawal_that_removes_answers_removes_it():
    study = open_study(2, 1, threshold=1, record_display=True, withdrawal="remove")
    trial = answered(study, **SIZES)
    participation.withdraw(trial.participant)
    trial = study.trials.get(stimulus=trial.stimulus)
    assert (trial.answer, recorded(trial)) == ("", [None] * 5 + [""])


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("sent", "stored", "exported"), [("1", True, "1"), ("0", False, "0"), ("", None, ""), ("yes", None, "")]
)
def test_a_translated_page_is_told_in_the_export_and_in_the_words_people_agree_to(tmp_path, sent, stored, exported):
    study = open_study(1, 1, threshold=1)
    assert "Whether your browser had translated the page." in participation.current_consent(study).text
    assert answered(study, translated=sent).translated is stored
    lifecycle.close_study(study)
    study.refresh_from_db()
    export.write(study, tmp_path / "export")
    with (tmp_path / "export" / "answers.csv").open() as file:
        assert [row["translated"] for row in csv.DictReader(file)] == [exported]


@pytest.mark.parametrize(
    ("header", "browser"),
    [
        (FIREFOX, "Firefox 153, Linux"),
        (
            "Mozilla/5.0 (iPhone; CPU iPhone OS 14_4 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) "
            "Version/14.0.3 Mobile/15E148 Safari/604.1",
            "Mobile Safari 14, iOS",
        ),
        ("", ""),
        ("x" * 100_000, ""),
    ],
)
def test_a_browser_is_told_by_family_and_version_alone(header, browser):
    assert browser_of(header) == browser
    assert len(browser_of(f"Firefox/{'9' * 400}")) <= LONGEST


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("design", "side", "smooth"),
    [
        ({}, 32, True),
        ({}, 128, False),
        ({"rendering": "squares"}, 32, False),
        ({"rendering": "smooth"}, 128, True),
    ],
)
def test_small_pictures_are_smooth_unless_the_design_says_otherwise(design, side, smooth):
    study = open_study(2, side=side, **design)
    page = Visitor(study).begin().get()
    assert ('class="smooth"' in page.content.decode()) is smooth
    assert study.frozen["design"].get("rendering", "") == design.get("rendering", "")


@pytest.mark.django_db
def test_a_picture_is_no_larger_than_the_design_says():
    page = Visitor(open_study(2, picture_side=100)).begin().get().content.decode()
    sizes = {int(width) for width in re.findall(r' width="(\d+)"', page)}
    assert sizes == {96}
    assert pictures.within(pictures.TARGETS, 1000) == (1000, *pictures.TARGETS)
    assert pictures.within(pictures.BESIDE_MANY, 1000) == (224, 160)
