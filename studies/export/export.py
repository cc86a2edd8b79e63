"""The export: a folder with the data, its dictionary, the frozen design, the result, and a program that checks it.

Written beside its place and moved there when it is whole.  Exported twice, the files are the same to the byte; only
`dataset_description.json` says when, and `checksums.sha256` what that file is.
"""

import json
import shutil
import tempfile
import zipfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

from django.contrib.auth.base_user import AbstractBaseUser
from django.utils import timezone
from django.utils.text import slugify

from studies import audit
from studies.designs import amendments
from studies.lib import database
from studies.lib.errors import StudyError
from studies.models import InterimLook, Study
from studies.preparation import verification
from studies.results import figures, frames, interim_looks, people, picture_figures
from studies.results.analysis_json import analyse

from . import (
    checksums,
    data_dictionary,
    file_formats,
    front_page,
    log_csv,
    paragraphs,
    provenance,
    psych_ds,
    publishing,
    repeating,
    texts,
    withheld,
)
from . import versions as installed

RECOMPUTE = Path(__file__).parent / "recompute.py"
NOTEBOOK = Path(__file__).parent / "analysis.ipynb"


@dataclass(frozen=True)
class ExportParts:
    """What an export has besides what every one has, and what it has not.

    pictures: whether the pictures themselves are in it.  without: of `withheld.CHOICES`.  publish: without what should
    not be published (`publishing.STRIPPED`), and without the log.  progress: called with the number of answers written
    since.
    """

    pictures: bool = False
    without: frozenset[str] = frozenset()
    progress: Callable[[int], object] = lambda _answers: None
    publish: bool = False

    def lacks(self, part: str) -> bool:
        return part in self.without or (self.publish and part == withheld.LOG)


def write(
    study: Study,
    folder: Path,
    *,
    actor: AbstractBaseUser | None = None,
    parts: ExportParts | None = None,
    publish: bool = False,
) -> None:
    """Write the export to `folder`, which is new, empty, or an earlier export of this study; StudyError otherwise.

    publish: short for the parts with `publish`.
    """
    parts = replace(parts or ExportParts(), publish=publish or (parts is not None and parts.publish))
    publish = parts.publish
    if publish:
        publishing.check(study)
    if study.opened_at is None:
        raise StudyError(f"study {study.slug} is {study.state}: there is nothing to export before it was opened")
    verification.check(study)
    folder = Path(folder).absolute()
    try:
        _check_place(study, folder)
        seen = interim_looks.record_interim_look(study, "export_study", actor)
        form = {"published": True} if publish else {}
        audit.record(study, audit.What.EXPORTED, actor, state=study.state, **form)
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}-") as place:
            draft, before = Path(place) / "export", Path(place) / "before"
            draft.mkdir()
            with database.one_moment():
                _fill(Study.objects.get(pk=study.pk), draft, seen, parts)
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
    with tempfile.TemporaryDirectory() as place:
        return zip_to(study, Path(place) / "export.zip", actor=actor).read_bytes()


def zip_to(study: Study, path: Path, *, actor: AbstractBaseUser | None = None) -> Path:
    """The same, written to `path`; the folder it comes from is beside it meanwhile."""
    with tempfile.TemporaryDirectory(dir=path.parent) as place:
        root = Path(place) / study.slug
        write(study, root, actor=actor)
        return zip_folder(root, path)


def zip_folder(root: Path, path: Path) -> Path:
    """Write a folder to `path` as a zip with that one folder; the same content gives the same bytes."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted(root.rglob("*")):
            if file.is_file():
                # Without the times of the files, so that the same content gives the same bytes.
                entry = zipfile.ZipInfo(str(file.relative_to(root.parent)))
                entry.compress_type = zipfile.ZIP_DEFLATED
                entry.external_attr = 0o644 << 16
                with archive.open(entry, "w") as target, file.open("rb") as source:
                    shutil.copyfileobj(source, target, 1 << 20)
    return path


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
        earlier = json.loads((folder / psych_ds.NAME).read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        earlier = None
    if not isinstance(earlier, dict) or earlier.get("sdPublisher") != psych_ds.PUBLISHER:
        raise StudyError(f"{folder}: not empty, and no earlier export")
    if earlier.get("identifier") != study.slug:
        raise StudyError(f"{folder}: the export of another study, {earlier.get('identifier')}")
    if added := sorted(names - {name.rstrip("/") for name in psych_ds.FILES}):
        raise StudyError(f"{folder}: holds {added[0]}, which is not from an export; choose another folder")


def _fill(study: Study, folder: Path, seen: InterimLook | None, parts: ExportParts) -> None:
    result, content = analyse(study, seen)
    columns = data_dictionary.of_answers(study)
    people_kept = withheld.PEOPLE not in parts.without
    as_told = list if people_kept else partial(map, withheld.of_people(columns))
    with (
        file_formats.Csv(folder / "answers.csv", columns) as text,
        file_formats.Parquet(folder / "answers.parquet", columns) as typed,
    ):
        for block in file_formats.blocks(frames.answers(study), frames.ROWS_AT_A_TIME):
            told = list(as_told(block))
            text.write(told)
            typed.write(told)
            parts.progress(len(told))
    found = people.answering(study)
    sets = repeating.image_sets(repeating.classifiers(study))
    of_people = frames.participants(study)
    if not people_kept:
        of_people = map(withheld.of_people(data_dictionary.PARTICIPANTS), of_people)
    for name, described, rows in (
        ("stimuli.csv", data_dictionary.of_stimuli(study), frames.stimuli(study)),
        ("participants.csv", data_dictionary.PARTICIPANTS, of_people),
        ("looks.csv", data_dictionary.LOOKS, frames.looks(study)),
        ("answering.csv", data_dictionary.ANSWERING, people.participant_rows(study, found)),
        ("posteriors.csv", data_dictionary.POSTERIORS, people.posterior_rows(study, found)),
        ("questions.csv", data_dictionary.QUESTIONS, texts.questions(study)),
        ("pictures.csv", data_dictionary.PICTURES, provenance.pictures(study)),
        ("computations.csv", data_dictionary.COMPUTATIONS, provenance.computations(study)),
        ("photographs.csv", data_dictionary.PHOTOGRAPHS, repeating.photographs(sets)),
        *([] if parts.lacks(withheld.LOG) else [("log.csv", data_dictionary.LOG, log_csv.anonymous(study))]),
    ):
        _write_csv(folder / name, described, rows)
    if parts.publish:
        publishing.strip(study, folder)
    if parts.pictures:
        provenance.write_pictures(study, folder / "pictures")
    first_page = _write_texts(study, folder / "texts")
    versions = installed.versions(study)
    left_out = withheld.listed(parts.without, pictures=parts.pictures)
    if parts.publish:
        left_out |= withheld.OF_LOG | publishing.left_out()
    file_formats.write_json(folder / repeating.NAME, repeating.content(study))
    file_formats.write_json(folder / "versions.json", versions)
    file_formats.write_json(folder / withheld.NAME, left_out)
    file_formats.write_json(folder / "analysis.json", content)
    design = {"sha256": study.design_sha256, "frozen": study.frozen, "amendments": amendments.as_json(study)}
    file_formats.write_json(folder / "design.json", design)
    file_formats.write_json(folder / "flow.json", _flow(result.counts))
    for name in ("tables", "figures"):
        (folder / name).mkdir()
    for table in result.summary.tables:
        file_formats.write_table(
            folder / "tables" / slugify(f"{'exploratory ' * table.exploratory}{table.title}"), table
        )
    for amendment, summary in result.exploratory:
        for table in summary.tables:
            name = slugify(f"exploratory amendment {amendment.number} {table.title}")
            file_formats.write_table(folder / "tables" / name, table)
    for figure in result.summary.figures:
        drawing = figures.on_paper(figures.svg(figure))
        (folder / "figures" / f"{figure.name}.svg").write_text(drawing, encoding="utf-8")
        file_formats.write_table(folder / "tables" / f"figure-{figure.name}", figures.table(figure))
    for gallery in [*result.summary.galleries, *picture_figures.of_study(study)]:
        if gallery.rows:
            stem = folder / "figures" / slugify(gallery.title)
            for ending, drawn in picture_figures.drawn(gallery, "png", "svg").items():
                stem.with_suffix(f".{ending}").write_bytes(drawn)
            file_formats.write_csv(stem.with_suffix(".csv"), picture_figures.table(gallery))
    for program in (RECOMPUTE, NOTEBOOK):
        shutil.copyfile(program, folder / program.name)
    (folder / "paper").mkdir()
    told = paragraphs.paragraphs(study, content, versions["quorum"])
    for name, text in (
        ("methods.md", paragraphs.markdown(told)),
        ("methods.tex", paragraphs.latex(told)),
        ("references.bib", paragraphs.bibtex(told, versions["quorum"])),
    ):
        (folder / "paper" / name).write_text(text, encoding="utf-8")
    there = [name for name in psych_ds.FILES if name not in psych_ds.OPTIONAL or (folder / name).exists()]
    chapter = publishing.readme() if parts.publish else ""
    text = psych_ds.readme(study, result.summary.headline, there) + chapter
    (folder / "README.md").write_text(text, encoding="utf-8")
    page = front_page.html(study, content, versions, left_out, texts.languages(study), first_page, there)
    (folder / front_page.NAME).write_text(page, encoding="utf-8")
    file_formats.write_json(folder / psych_ds.NAME, psych_ds.description(study, timezone.now()))
    checksums.write(folder)


def _write_csv(path: Path, described: Mapping[str, data_dictionary.Column], rows: Iterable[frames.Row]) -> None:
    with file_formats.Csv(path, described) as text:
        for block in file_formats.blocks(iter(rows), frames.ROWS_AT_A_TIME):
            text.write(block)


def _write_texts(study: Study, folder: Path) -> str:
    """Each page as it was read, by language, and each version of the consent text; the name of the first page."""
    folder.mkdir()
    told: dict[str, list[dict[str, Any]]] = {}
    for page in texts.pages(study):
        pages = told.setdefault(page.language, [])
        (folder / page.language).mkdir(exist_ok=True)
        file = f"{len(pages) + 1:02}-{page.key}.html"
        (folder / page.language / file).write_text(page.html, encoding="utf-8")
        pages.append(
            {"key": page.key, "title": page.title, "file": f"{page.language}/{file}", "sha256": page.sha256}
            | {"lines": list(page.lines)}
        )
    for consent in study.consents.order_by("version", "language"):
        language = f"-{consent.language}" if consent.language else ""
        (folder / f"consent-v{consent.version}{language}.txt").write_text(consent.text, encoding="utf-8")
    order = [page["key"] for page in next(iter(told.values()))]
    file_formats.write_json(folder / "pages.json", {"order": order, "pages": told})
    return PurePosixPath(next(iter(told.values()))[0]["file"]).name


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
