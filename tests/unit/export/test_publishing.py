"""The published form of an export has nothing that should not be published, and its figures stay what they are."""

import csv
import io
import json
import subprocess
import sys

import pyarrow.parquet as pq
import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from studies import lifecycle
from studies.export import publishing
from studies.models import Participant, Study, Trial
from tests.factories import answered_study, open_study
from tests.participant_client import Visitor

pytestmark = pytest.mark.django_db

SECRETS = {"lighthouse keeper", "I know her", "wrote from ada@example.org", "Firefox 128 on a toaster"}


@pytest.fixture
def study() -> Study:
    study = answered_study(8, 3, 6, close=False)
    study.participants.update(background={"Work": "lighthouse keeper"}, comments="I know her")
    first = study.participants.order_by("pk").first()
    Participant.objects.filter(pk=first.pk).update(
        excluded_at=timezone.now(), exclusion_reason="wrote from ada@example.org"
    )
    Trial.objects.update(browser="Firefox 128 on a toaster")
    lifecycle.close_study(study)
    study.refresh_from_db()
    return study


def export(study: Study, folder, *options: str):
    out = io.StringIO()
    call_command("export_study", study.slug, folder, *options, stdout=out)
    return folder, out.getvalue()


def table(folder, name: str) -> list[dict[str, str]]:
    with (folder / name).open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def bytes_of(folder) -> str:
    return "\n".join(path.read_bytes().decode("latin-1") for path in sorted(folder.rglob("*")) if path.is_file())


def test_what_should_not_be_published_is_in_no_file_and_is_told(study, tmp_path):
    whole, _ = export(study, tmp_path / "whole")
    published, said = export(study, tmp_path / "published", "--publish")
    assert {secret for secret in SECRETS if secret in bytes_of(whole)} == SECRETS
    assert {secret for secret in SECRETS if secret in bytes_of(published)} == set()
    for one in publishing.STRIPPED:
        assert all(name in said for name in one.columns)
        assert one.why in (published / "README.md").read_text(encoding="utf-8")
    moments = {
        value.isoformat(timespec="milliseconds")[:23]
        for row in Trial.objects.values_list("presented_at", "answered_at")
        for value in row
    }
    assert any(moment in bytes_of(whole) for moment in moments)
    assert not any(moment in bytes_of(published) for moment in moments)


def test_moments_become_a_day_columns_stay_and_what_was_empty_stays_empty(study, tmp_path):
    whole, _ = export(study, tmp_path / "whole")
    published, _ = export(study, tmp_path / "published", "--publish")
    day = f"{study.opened_at:%Y-%m-%d}T00:00:00.000Z"
    for name in ("answers.csv", "participants.csv"):
        before, after = table(whole, name), table(published, name)
        assert list(before[0]) == list(after[0])
        wanted = {column: one.to for one in publishing.STRIPPED if one.table == name for column in one.columns}
        key = (lambda row: row["participant"]) if name == "participants.csv" else (lambda row: 0)
        for a, b in zip(sorted(before, key=key), after, strict=True):
            for column in a:
                to = wanted.get(column)
                expected = a[column] if to is None else day if to == "day" and a[column] else ""
                assert b[column] == expected, column
    typed = pq.read_table(published / "answers.parquet").to_pydict()
    assert set(typed["browser"]) == {None}
    assert {moment.hour for moment in typed["answered_at"]} == {0}
    assert typed["response_ms"] == pq.read_table(whole / "answers.parquet").to_pydict()["response_ms"]


def test_its_program_computes_the_same_figures(study, tmp_path):
    whole, _ = export(study, tmp_path / "whole")
    published, _ = export(study, tmp_path / "published", "--publish")
    assert json.loads((whole / "flow.json").read_text()) == json.loads((published / "flow.json").read_text())
    done = subprocess.run([sys.executable, "recompute.py"], cwd=published, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]


def test_an_open_study_has_no_published_form(tmp_path):
    study = open_study(2, 1)
    Visitor(study).begin().finish()
    with pytest.raises(CommandError, match="close it before you publish its export"):
        export(study, tmp_path / "published", "--publish")
    assert not (tmp_path / "published").exists()
