"""The export: a folder with the data, its dictionary, the frozen design, the result, and a program that checks it.

Written beside its place and moved there when it is whole.  Exported twice, the files are the same to the byte; only
`dataset_description.json` says when.
"""

import io
import json
import shutil
import tempfile
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from django.contrib.auth.base_user import AbstractBaseUser
from django.utils import timezone
from django.utils.text import slugify

from studies import amending, audit
from studies.errors import StudyError
from studies.models import Look, Study

from . import columns, figures, files, looking, psychds, tables
from .analysis import analyse

RECOMPUTE = Path(__file__).parent / "recompute.py"
NOTEBOOK = Path(__file__).parent / "analysis.ipynb"


def write(study: Study, folder: Path, *, actor: AbstractBaseUser | None = None) -> None:
    """Write the export to `folder`, which is new, empty, or an earlier export of this study; StudyError otherwise."""
    if study.opened_at is None:
        raise StudyError(f"study {study.slug} is {study.state}: there is nothing to export before it was opened")
    folder = Path(folder).absolute()
    try:
        _check_place(study, folder)
        seen = looking.look(study, "export_study", actor)
        audit.record(study, audit.What.EXPORTED, actor, state=study.state)
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}-") as place:
            draft, before = Path(place) / "export", Path(place) / "before"
            draft.mkdir()
            with tables.one_moment():
                _fill(Study.objects.get(pk=study.pk), draft, seen)
            if folder.exists():
                folder.rename(before)
            try:
                draft.rename(folder)
            except OSError:
                if before.exists():
                    before.rename(folder)
                raise
    except OSError as error:
        raise StudyError(f"{folder}: {error.strerror}") from None


def zipped(study: Study, *, actor: AbstractBaseUser | None = None) -> bytes:
    """The export as one zip file with one folder."""
    file = io.BytesIO()
    with tempfile.TemporaryDirectory() as place:
        root = Path(place) / study.slug
        write(study, root, actor=actor)
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
            for path in sorted(root.rglob("*")):
                if path.is_file():
                    # Without the times of the files, so that the same content gives the same bytes.
                    entry = zipfile.ZipInfo(str(path.relative_to(root.parent)))
                    entry.compress_type = zipfile.ZIP_DEFLATED
                    entry.external_attr = 0o644 << 16
                    with archive.open(entry, "w") as target, path.open("rb") as source:
                        shutil.copyfileobj(source, target, 1 << 20)
    return file.getvalue()


def _check_place(study: Study, folder: Path) -> None:
    """Nothing is ever overwritten but an earlier export of the same study to which nobody has added anything."""
    if not folder.exists():
        return
    if not folder.is_dir():
        raise StudyError(f"{folder}: not a folder")
    names = {path.name for path in folder.iterdir()}
    if not names:
        return
    try:
        earlier = json.loads((folder / psychds.NAME).read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        earlier = None
    if not isinstance(earlier, dict) or earlier.get("sdPublisher") != psychds.PUBLISHER:
        raise StudyError(f"{folder}: not empty, and no earlier export")
    if earlier.get("identifier") != study.slug:
        raise StudyError(f"{folder}: the export of another study, {earlier.get('identifier')}")
    if added := sorted(names - {name.rstrip("/") for name in psychds.FILES}):
        raise StudyError(f"{folder}: holds {added[0]}, which is not from an export; choose another folder")


def _fill(study: Study, folder: Path, seen: Look | None) -> None:
    result, content = analyse(study, seen)
    with (
        files.Csv(folder / "answers.csv", columns.ANSWERS) as text,
        files.Parquet(folder / "answers.parquet", columns.ANSWERS) as typed,
    ):
        for block in files.blocks(tables.answers(study), tables.ROWS_AT_A_TIME):
            text.write(block)
            typed.write(block)
    for name, described, rows in (
        ("stimuli.csv", columns.of_stimuli(study), tables.stimuli(study)),
        ("participants.csv", columns.PARTICIPANTS, tables.participants(study)),
        ("looks.csv", columns.LOOKS, tables.looks(study)),
    ):
        with files.Csv(folder / name, described) as text:
            for block in files.blocks(rows, tables.ROWS_AT_A_TIME):
                text.write(block)
    files.write_json(folder / "analysis.json", content)
    design = {"sha256": study.design_sha256, "frozen": study.frozen, "amendments": amending.as_json(study)}
    files.write_json(folder / "design.json", design)
    files.write_json(folder / "flow.json", _flow(result.counts))
    for name in ("tables", "figures"):
        (folder / name).mkdir()
    for table in result.summary.tables:
        files.write_table(folder / "tables" / slugify(f"{'exploratory ' * table.exploratory}{table.title}"), table)
    for amendment, summary in result.exploratory:
        for table in summary.tables:
            name = slugify(f"exploratory amendment {amendment.number} {table.title}")
            files.write_table(folder / "tables" / name, table)
    for figure in result.summary.figures:
        drawing = figures.on_paper(figures.svg(figure))
        (folder / "figures" / f"{figure.name}.svg").write_text(drawing, encoding="utf-8")
        files.write_table(folder / "tables" / f"figure-{figure.name}", figures.table(figure))
    for program in (RECOMPUTE, NOTEBOOK):
        shutil.copyfile(program, folder / program.name)
    (folder / "README.md").write_text(psychds.readme(study, result.summary.headline), encoding="utf-8")
    files.write_json(folder / psychds.NAME, psychds.description(study, timezone.now()))


def _flow(counts: Mapping[str, Any]) -> dict[str, Any]:
    """Participants, answers and stimuli, and what became of them."""
    return {
        "participants": {
            "agreed": counts["participants"],
            "finished": counts["finished_participants"],
            "simulated": counts["simulated_participants"],
            "screened_out": counts["screened_out_participants"],
            "excluded": counts["excluded_participants"],
            "withdrawn": counts["withdrawn_participants"],
        },
        "answers": {
            "shown": counts["shown"],
            "answered": counts["answers"],
            "excluded": counts["exclusions"],
            "counted": counts["counted_answers"],
            "wanted": counts["wanted_answers"],
        },
        "by_rule": counts["excluded_by_rule"],
        "checks": counts["checks"],
        "stimuli": {"all": counts["stimuli"], **counts["panels"]},
    }
