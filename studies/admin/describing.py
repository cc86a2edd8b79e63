"""A study in words: its design, what preparing found, the stations of its life."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.db.models import Max

from studies import protocols
from studies.catalogue import catalogue
from studies.models import Study
from studies.protocols import Gallery
from studies.views.pictures import picture_url

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
    """The design as a table: each setting as its form calls it, its value, and what it means."""
    fields = protocols.get(study.protocol).form(catalogue=catalogue()).fields
    return [
        {
            "name": fields[name].label or _title(name) if name in fields else name,
            "value": in_words(value),
            "help": fields[name].help_text if name in fields else "",
        }
        for name, value in study.design.items()
    ]


def report_of(study: Study) -> tuple[list[tuple[str, list[str]]], list[dict[str, Any]]]:
    """What preparing found, one line a fact, and pictures of it; in the words of the protocol where it has some."""
    if not study.preparation:
        return [], []
    tables, galleries = protocols.get(study.protocol).prepared(study.preparation)
    lines = [(name, [in_words(cell) for cell in cells]) for table in tables for name, *cells in table.rows]
    if not tables:
        lines = [(_title(name), [in_words(value)]) for name, value in study.preparation.items()]
    return lines, [side_by_side(gallery) for gallery in galleries]


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


def plan_of(plan: Mapping[str, Any]) -> list[tuple[str, list[str]]]:
    """The registered analysis in words."""
    target = plan["target"]
    facts = [
        ("Estimand", [plan["estimand"]]),
        ("Excluded", plan["exclusions"]),
        ("Contrasts", [contrast["name"] for contrast in plan["contrasts"]]),
        ("Tests", [f"two-sided, alpha {plan['alpha']}, {plan['correction']} over all contrasts"]),
        (
            "Target",
            [
                f"{target['stimuli']:,} stimuli with {target['answers_per_stimulus']} answers each, "
                f"{target['answers']:,} answers in all"
            ],
        ),
    ]
    return [(name, words) for name, words in facts if words and (name != "Tests" or plan["contrasts"])]


def in_words(value: Any) -> str:
    """A JSON value as a person would write it."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if value is None or value in ([], {}, ""):
        return "–"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {in_words(one)}" for name, one in value.items())
    if isinstance(value, list):
        return ", ".join(in_words(one) for one in value)
    # A digest says enough by its beginning.
    return f"{value[:12]}…" if len(value) == 64 and value.isalnum() else str(value)
