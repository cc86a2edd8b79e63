"""What an export has for whoever defends or repeats a study: texts, provenance, log, what was left out, checksums."""

import csv
import json
import re

import lxml.html
import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command

from studies import lifecycle, participation
from studies.export import checksums, export, texts, withheld
from studies.results import figures
from tests.bench import made_up_study
from tests.factories import answered_study, simulated_rows

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def no_figures(monkeypatch):
    monkeypatch.setattr(figures, "svg", lambda figure: "<svg/>")


def rows(path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture
def exported(tmp_path):
    """A study with a person's comments, a log with an account in it, and its export with the pictures."""
    study = answered_study(questions="How old are you? | number", debrief="Why we asked", close=False)
    study.participants.filter(number=2).update(comments="I know who you are", background={"How old are you?": "31"})
    excluded = study.participants.get(number=1)
    participation.exclude(excluded, reason="wrote from ada@example.org", actor=User.objects.create(username="ada"))
    export.write(study, tmp_path / "export", parts=export.ExportParts(pictures=True))
    return study, tmp_path / "export"


def test_each_page_can_be_read_in_each_language_in_the_order_of_the_session(exported):
    _study, folder = exported
    told = json.loads((folder / "texts" / "pages.json").read_text())
    assert told["order"] == ["consent", "questions", "instructions", "stimulus-1", "thanks"]
    assert list(told["pages"]) == ["en", "fr", "de"]
    for language, pages in told["pages"].items():
        assert [page["key"] for page in pages] == told["order"]
        for page in pages:
            html = (folder / "texts" / page["file"]).read_text()
            assert f'<html lang="{language}">' in html
            assert not re.search(r"<script|<link|hidden|href|action=|token", html.replace('" hidden', ""))
    assert "Why we asked" in told["pages"]["de"][-1]["lines"]


def test_pages_show_the_pictures_that_are_beside_them(exported):
    study, folder = exported
    page = lxml.html.fromstring((folder / "texts" / "en" / "04-stimulus-1.html").read_text())
    (source,) = page.xpath("//img/@src")
    assert (folder / "texts" / "en" / source).resolve().is_file()
    names = {row["picture"] for row in rows(folder / "pictures.csv")}
    assert {path.name for path in (folder / "pictures").iterdir()} == names
    assert len({row["stimulus"] for row in rows(folder / "pictures.csv")}) == study.stimuli.count()


def test_each_question_is_told_as_it_was_asked(exported):
    study, folder = exported
    asked = rows(folder / "questions.csv")
    assert len(asked) == 3 * study.stimuli.count()
    first = study.stimuli.order_by("number").first()
    assert asked[0]["question"] == f"Is {first.shown['ask']} relevant for this image?"
    assert json.loads(asked[2]["answers"]) == [{"value": "yes", "label": "Ja"}, {"value": "no", "label": "Nein"}]


def test_the_log_names_nobody(exported):
    _study, folder = exported
    log = rows(folder / "log.csv")
    assert [row["what"] for row in log] == ["created", "opened", "participant excluded"]
    assert [row["who"] for row in log] == ["command line", "command line", "researcher 1"]
    assert log[2]["details"] == "{}"
    assert json.loads(log[0]["details"])["design"]["debrief"] == "Why we asked"


def test_without_people_nothing_tells_them_apart_and_every_figure_still_follows(exported, tmp_path, capsys):
    from studies.export import recompute

    study, _folder = exported
    lifecycle.close_study(study)
    call_command("export_study", study.slug, tmp_path / "less", "--without", "people", "--without", "log")
    people = rows(tmp_path / "less" / "participants.csv")
    assert {row[name] for row in people for name in ("background", "comments", "exclusion_reason", "number")} <= {
        "",
        "null",
    }
    moments = {row["answered_at"] for row in rows(tmp_path / "less" / "answers.csv")} - {""}
    assert all(moment.endswith("T00:00:00.000Z") for moment in moments)
    everything = b"".join(path.read_bytes() for path in (tmp_path / "less").rglob("*") if path.is_file())
    assert b"I know who you are" not in everything
    assert b"ada@example.org" not in everything
    assert not (tmp_path / "less" / "log.csv").exists()
    left_out = json.loads((tmp_path / "less" / withheld.NAME).read_text())
    assert {"log.csv", "number in participants.csv"} <= set(left_out)
    assert recompute.main(tmp_path / "less") == 0, capsys.readouterr().out


def test_only_what_can_be_left_out_is(tmp_path):
    study = answered_study()
    with pytest.raises(CommandError, match=r"^--without answers: there is only people and log to leave out$"):
        call_command("export_study", study.slug, tmp_path / "export", "--without", "answers")
    assert not (tmp_path / "export").exists()


def test_a_file_that_was_changed_or_lost_is_named(exported):
    _study, folder = exported
    assert list(checksums.problems(folder)) == []
    (folder / "flow.json").write_text("{}")
    consent = next((folder / "texts").glob("consent-v1*.txt"))
    consent.unlink()
    assert list(checksums.problems(folder)) == [
        "flow.json is not what it was when it was exported",
        f"texts/{consent.name} is missing",
    ]


def test_the_front_page_leads_to_every_file_and_runs_nothing(tmp_path):
    study = answered_study()
    lifecycle.Study.objects.filter(pk=study.pk).update(title="<script>alert(1)</script>")
    study.refresh_from_db()
    export.write(study, tmp_path / "export")
    page = lxml.html.fromstring((tmp_path / "export" / "index.html").read_text())
    links = page.xpath("//a/@href")
    assert [link for link in links if not (tmp_path / "export" / link).exists()] == []
    assert {path.name for path in (tmp_path / "export").iterdir()} <= {link.rstrip("/") for link in links}
    assert page.xpath("//script") == []
    assert "cannot be rectified" in page.text_content() or "rectified" in page.text_content()


def test_words_of_classes_are_those_the_study_was_prepared_with(tmp_path):
    from studies.catalog.class_descriptions import change_words
    from studies.models import Classifier

    study = made_up_study("rectified_labeling", glossed=True)
    lifecycle.Study.objects.filter(pk=study.pk).update(prepared_at=study.created_at)
    study.refresh_from_db()
    lifecycle.open_study(study)
    image_set = Classifier.objects.get(name=study.design["classifier"]).image_set
    before = image_set.classes.get(index=0)
    change_words(image_set, {0: {"title": "another", "gloss": ""}})
    export.write(simulated_rows(study), tmp_path / "export")
    told = json.loads((tmp_path / "export" / "study.json").read_text())["image_sets"][0]["classes"][0]
    assert (told["title"], told["gloss"]) == (before.title, before.gloss)


def test_pages_do_not_depend_on_who_has_answered():
    study = answered_study(40, close=False)
    before = [page.html for page in texts.pages(study)]
    study.participants.first().trials.update(response_ms=1)
    assert [page.html for page in texts.pages(study)] == before
    # The consent text says how long it takes, as the researcher wrote; a trial does not say how long it took others.
    lines = [line for page in texts.pages(study) if page.key != "consent" for line in page.lines]
    assert not any("about" in line and "minute" in line for line in lines)
