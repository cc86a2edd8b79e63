"""A study in words: its design, what preparing found, the stations of its life."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from django.db.models import Max

from studies import protocols
from studies.admin.format import format_value
from studies.designs.choices import catalogue
from studies.models import Study
from studies.protocols import DesignForm, Gallery
from studies.results.sequential import IN_WORDS
from studies.views.pictures import picture_url

from .field_help import in_words

#: Pixels that a picture of a gallery is enlarged towards.
SIDE = 96


def stages(study: Study) -> list[dict[str, Any]]:
    """The stations of a study's life, with the time each was reached."""
    State = Study.State
    rehearsed, archived = rehearsed_at(study), study.archived_at
    ready = study.state in (State.PREPARING, State.READY)
    reached = [
        ("Designed", study.created_at, study.state == State.DRAFT),
        ("Prepared", study.prepared_at if study.state != State.DRAFT else None, ready and not rehearsed),
        ("Rehearsed", rehearsed, ready and bool(rehearsed)),
        ("Open", study.opened_at, study.state in (State.OPEN, State.PAUSED)),
        ("Closed", study.closed_at, study.state == State.CLOSED and not archived),
        ("Archived", archived, bool(archived)),
    ]
    left_out = {"Rehearsed"} if study.rehearsal_of_id else set()
    left_out |= set() if archived else {"Archived"}
    return [{"name": name, "at": at, "current": now} for name, at, now in reached if name not in left_out]


def rehearsed_at(study: Study) -> datetime | None:
    """When the last rehearsal of the study as it is prepared now was over; None where there was none."""
    if study.prepared_at is None or study.state == Study.State.DRAFT:
        return None
    # A rehearsal is a copy, the time of preparing with it: one of earlier stimuli has another.
    of_these = study.rehearsals.filter(state=Study.State.CLOSED, prepared_at=study.prepared_at)
    return of_these.aggregate(last=Max("closed_at"))["last"]


def settings_of(study: Study) -> list[dict[str, Any]]:
    """The design as a table: each setting as its form calls it, its value in words, what it means, and whether it is
    the default."""
    form = protocols.get(study.protocol).form(catalogue=catalogue())
    return [_setting(form, name, value) for name, value in study.design.items()]


def _setting(form: DesignForm, name: str, value: Any) -> dict[str, Any]:
    if name not in form.fields:
        return {"name": name, "value": format_value(value), "help": "", "usual": False}
    field = form.fields[name]
    # A text is shown whole here; the form's line of values has less room.
    words = format_value(value) if isinstance(value, str) and not hasattr(field, "choices") else in_words(field, value)
    usual = not field.required and value == field.initial
    return {"name": form[name].label, "value": words, "help": field.help_text, "usual": usual}


def report_of(study: Study) -> tuple[list[tuple[str, list[str]]], list[dict[str, Any]]]:
    """What preparing found, one line a fact, and pictures of it; in the words of the protocol where it has some."""
    if not study.preparation:
        return [], []
    tables, galleries = protocols.get(study.protocol).preparation_report(study.preparation)
    lines = [(str(name), _cells(table.columns[1:], cells)) for table in tables for name, *cells in table.rows]
    if not tables:
        lines = [(_title(name), [format_value(value)]) for name, value in study.preparation.items()]
    return lines, [side_by_side(gallery) for gallery in galleries]


def _cells(columns: Sequence[str], cells: Sequence[Any]) -> list[str]:
    """The cells of a row that say something, each with its column's title unless that only says where it comes from."""
    titles = ("" if column == "from" else column for column in columns)
    return [f"{format_value(cell)} {title}".strip() for title, cell in zip(titles, cells, strict=True) if cell != ""]


def side_by_side(gallery: Gallery) -> dict[str, Any]:
    """A gallery as its page shows it: every pixel a whole number of pixels wide."""
    rows = [
        {"words": words, "cells": [_cell(*one) for one in zip(gallery.columns, pictures, strict=True)]}
        for words, pictures in gallery.rows
    ]
    return {"title": gallery.title, "note": gallery.note, "rows": rows}


def _cell(title: str, picture: Mapping[str, Any]) -> dict[str, Any]:
    zoom = max(1, SIDE // max(picture["width"], picture["height"]))
    size = {side: zoom * picture[side] for side in ("width", "height")}
    return {"title": title, "url": picture_url(picture["file"]), **size}


def _title(name: str) -> str:
    return name.replace("_", " ").capitalize()


def _percentages(shares: Sequence[float]) -> str:
    return ", ".join(f"{100 * share:g}%" for share in shares)


def plan_of(plan: Mapping[str, Any]) -> list[tuple[str, list[str]]]:
    """The registered analysis in words."""
    target, looks = plan["target"], plan.get("looks")
    facts = [
        ("Estimand", [plan["estimand"]]),
        ("Excluded", plan["exclusions"]),
        ("Contrasts", [contrast["name"] for contrast in plan["contrasts"]]),
        ("Tests", [f"two-sided, alpha {plan['alpha']}, {plan['correction']} over all contrasts"]),
        (
            "Interim looks",
            [f"at {_percentages(looks['shares'])} of the answers, by {IN_WORDS[looks['spending']]} spending function"]
            if looks
            else [],
        ),
        (
            "Target",
            [
                f"{target['stimuli']:,} stimuli with {target['answers_per_stimulus']} answers each, "
                f"{target['answers']:,} answers in all"
            ],
        ),
    ]
    return [(name, words) for name, words in facts if words and (name != "Tests" or plan["contrasts"])]
