"""One zip to deposit: the export with what archives and search engines read of it, a licence, and how to cite it.

Croissant 1.0 with its responsible-AI fields, RO-Crate 1.1, CITATION.cff, and the tables once more as Psych-DS names
them.  Nothing is sent anywhere.
"""

import json
import re
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.contrib.auth.base_user import AbstractBaseUser

from studies.lib.errors import StudyError
from studies.models import Study

from . import checksums, data_dictionary, export, file_formats, paragraphs, psych_ds
from . import versions as installed

#: Licences by their SPDX names.
LICENCES = {
    "CC0-1.0": "https://creativecommons.org/publicdomain/zero/1.0/",
    "CC-BY-4.0": "https://creativecommons.org/licenses/by/4.0/",
    "CC-BY-SA-4.0": "https://creativecommons.org/licenses/by-sa/4.0/",
    "CC-BY-NC-4.0": "https://creativecommons.org/licenses/by-nc/4.0/",
    "ODbL-1.0": "https://opendatacommons.org/licenses/odbl/1-0/",
}
CROISSANT, RO_CRATE, CITATION = "croissant.json", "ro-crate-metadata.json", "CITATION.cff"
CONTEXT = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "citeAs": "cr:citeAs",
    "column": "cr:column",
    "conformsTo": "dct:conformsTo",
    "cr": "http://mlcommons.org/croissant/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "equivalentProperty": "cr:equivalentProperty",
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "extract": "cr:extract",
    "field": "cr:field",
    "fileProperty": "cr:fileProperty",
    "fileObject": "cr:fileObject",
    "fileSet": "cr:fileSet",
    "format": "cr:format",
    "includes": "cr:includes",
    "isLiveDataset": "cr:isLiveDataset",
    "jsonPath": "cr:jsonPath",
    "key": "cr:key",
    "md5": "cr:md5",
    "parentField": "cr:parentField",
    "path": "cr:path",
    "recordSet": "cr:recordSet",
    "references": "cr:references",
    "regex": "cr:regex",
    "repeated": "cr:repeated",
    "replace": "cr:replace",
    "samplingRate": "cr:samplingRate",
    "sc": "https://schema.org/",
    "separator": "cr:separator",
    "source": "cr:source",
    "subField": "cr:subField",
    "transform": "cr:transform",
}
TYPES = {"text": "sc:Text", "integer": "sc:Integer", "number": "sc:Float", "moment": "sc:DateTime", "json": "sc:Text"}
FORMATS = {
    ".csv": "text/csv",
    ".json": "application/json",
    ".html": "text/html",
    ".md": "text/markdown",
    ".parquet": "application/vnd.apache.parquet",
    ".png": "image/png",
    ".py": "text/x-python",
    ".svg": "image/svg+xml",
    ".tex": "application/x-tex",
    ".ipynb": "application/x-ipynb+json",
}


@dataclass(frozen=True)
class Author:
    """A person to cite."""

    family: str
    given: str

    @classmethod
    def parse(cls, text: str) -> "Author":
        """`Family, Given`; StudyError for anything else."""
        family, comma, given = (part.strip() for part in text.partition(","))
        if not (family and comma and given) or len(text) > 200 or not text.isprintable():
            raise StudyError(f"--author {text!r}: must be Family, Given")
        return cls(family, given)


def write(
    study: Study,
    path: Path,
    *,
    licence: str,
    authors: Sequence[Author],
    parts: export.ExportParts | None = None,
    actor: AbstractBaseUser | None = None,
) -> None:
    """Write the zip to `path`, which is not there yet; StudyError for a study that is not closed."""
    if licence not in LICENCES:
        raise StudyError(f"--licence {licence}: must be one of {', '.join(LICENCES)}")
    if not authors:
        raise StudyError("name an author: --author 'Family, Given'")
    if study.state != Study.State.CLOSED:
        raise StudyError(f"study {study.slug} is {study.state}: only a closed study is deposited")
    path = Path(path).absolute()
    if path.exists():
        raise StudyError(f"{path}: there already; choose another name")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=path.parent, prefix=f".{path.name}-") as place:
            root = Path(place) / study.slug
            export.write(study, root, actor=actor, parts=parts)
            add_metadata(study, root, licence, authors)
            export.zip_folder(root, Path(place) / "deposit.zip").rename(path)
    except OSError as error:
        raise StudyError(f"{path}: {error.strerror}") from None


def add_metadata(study: Study, root: Path, licence: str, authors: Sequence[Author]) -> None:
    """Give a written export its metadata and its Psych-DS tables, and list all files again."""
    _psych_ds_tables(study, root / "data")
    (root / CITATION).write_text(_citation(study, licence, authors), encoding="utf-8")
    (root / "LICENSE.txt").write_text(f"{licence}\n{LICENCES[licence]}\n", encoding="utf-8")
    content = json.loads((root / "analysis.json").read_text(encoding="utf-8"))
    checksums.write(root)
    sums = {line[66:]: line[:64] for line in (root / checksums.NAME).read_text(encoding="utf-8").splitlines()}
    croissant_content = croissant(study, content, sums, licence, authors)
    file_formats.write_json(root / CROISSANT, croissant_content)
    file_formats.write_json(root / RO_CRATE, ro_crate(study, root, sums, licence, authors))
    checksums.write(root)


def croissant(
    study: Study, content: Mapping[str, Any], sums: Mapping[str, str], licence: str, authors: Sequence[Author]
) -> dict[str, Any]:
    """The Croissant description; sums: the SHA-256 of each file by its name."""
    version = installed.quorum()
    told = {one.title: " ".join(one.sentences) for one in paragraphs.paragraphs(study, content, version)}
    plain = {title: paragraphs.CITED.sub("", text).replace(" .", ".") for title, text in told.items()}
    tables = dict(_tables(study))
    return {
        "@context": CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": ["http://mlcommons.org/croissant/1.0", "http://mlcommons.org/croissant/RAI/1.0"],
        "name": study.title,
        "description": f"{content['headline']} Answers of a study of the protocol {study.protocol}, run with Quorum.",
        "url": f"urn:sha256:{study.design_sha256}",
        "version": "1.0.0",
        "license": LICENCES[licence],
        "datePublished": _day(study),
        "citeAs": paragraphs.bibtex([paragraphs.Paragraph("", ["[[quorum]]"])], version).strip(),
        "creator": [{"@type": "sc:Person", "name": f"{one.given} {one.family}"} for one in authors],
        "rai:dataCollection": plain.get("Procedure", ""),
        "rai:dataCollectionType": ["Crowdsourcing" if content["counts"]["participants"] else "Others"],
        "rai:dataCollectionTimeframe": [content["opened_at"], content["closed_at"]],
        "rai:annotationsPerItem": str(study.design["answers_per_stimulus"]),
        "rai:dataAnnotationProtocol": plain.get("Procedure", ""),
        "rai:dataAnnotationAnalysis": plain.get("Statistics", ""),
        "rai:dataPreprocessingProtocol": plain.get("Exclusions", ""),
        "rai:dataLimitations": plain.get("Limits", "No warning was raised by the analysis."),
        "rai:personalSensitiveInformation": (
            "Participants have random identifiers. participants.csv has what they said about themselves where the "
            "study asked; withheld.json lists what was left out."
        ),
        "distribution": [
            {
                "@type": "cr:FileObject",
                "@id": name,
                "name": name,
                "contentUrl": name,
                "encodingFormat": FORMATS[Path(name).suffix],
                "sha256": sums[name],
            }
            for name in sums
            if "/" not in name and Path(name).suffix in FORMATS
        ],
        "recordSet": [
            {
                "@type": "cr:RecordSet",
                "@id": name.removesuffix(".csv"),
                "name": name.removesuffix(".csv"),
                "description": psych_ds.FILES[name],
                "field": [
                    {
                        "@type": "cr:Field",
                        "@id": f"{name.removesuffix('.csv')}/{column}",
                        "name": f"{name.removesuffix('.csv')}/{column}",
                        "description": about.what,
                        "dataType": TYPES[about.kind],
                        "source": {"fileObject": {"@id": name}, "extract": {"column": column}},
                    }
                    for column, about in columns.items()
                ],
            }
            for name, columns in tables.items()
            if name in sums
        ],
    }


def ro_crate(
    study: Study, root: Path, sums: Mapping[str, str], licence: str, authors: Sequence[Author]
) -> dict[str, Any]:
    """The RO-Crate: every file, who made it, and that Quorum computed it from the stimuli and the answers."""
    files = sorted(path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file())
    files = [name for name in files if name not in (RO_CRATE, checksums.NAME)]
    people = [
        {"@id": f"#author-{n}", "@type": "Person", "givenName": one.given, "familyName": one.family}
        | {"name": f"{one.given} {one.family}"}
        for n, one in enumerate(authors, start=1)
    ]
    software = {
        "@id": "#quorum",
        "@type": "SoftwareApplication",
        "name": "Quorum",
        "version": installed.quorum(),
    }
    action = {
        "@id": "#analysis",
        "@type": "CreateAction",
        "name": "Analysis of the answers",
        "instrument": {"@id": "#quorum"},
        "object": [{"@id": name} for name in ("answers.csv", "stimuli.csv", "design.json")],
        "result": {"@id": "analysis.json"},
        "endTime": study.closed_at.isoformat() if study.closed_at else None,
    }
    return {
        "@context": "https://w3id.org/ro/crate/1.1/context",
        "@graph": [
            {
                "@id": RO_CRATE,
                "@type": "CreativeWork",
                "about": {"@id": "./"},
                "conformsTo": {"@id": "https://w3id.org/ro/crate/1.1"},
            },
            {
                "@id": "./",
                "@type": "Dataset",
                "name": study.title,
                "description": f"Answers of a study of the protocol {study.protocol}, run with Quorum.",
                "datePublished": _day(study),
                "license": {"@id": LICENCES[licence]},
                "author": [{"@id": one["@id"]} for one in people],
                "hasPart": [{"@id": name} for name in files],
                "mentions": {"@id": "#analysis"},
            },
            {"@id": LICENCES[licence], "@type": "CreativeWork", "name": licence},
            *people,
            software,
            action,
            *(
                {"@id": name, "@type": "File", "name": name, "contentSize": str((root / name).stat().st_size)}
                | ({"encodingFormat": FORMATS[Path(name).suffix]} if Path(name).suffix in FORMATS else {})
                | ({"sha256": sums[name]} if name in sums else {})
                | ({"description": psych_ds.FILES[name]} if name in psych_ds.FILES else {})
                for name in files
            ),
        ],
    }


def _citation(study: Study, licence: str, authors: Sequence[Author]) -> str:
    """CITATION.cff; JSON texts are YAML's too."""
    lines = ["cff-version: 1.2.0", "message: If you use these data, please cite them as below.", "type: dataset"]
    lines += [f"title: {json.dumps(study.title, ensure_ascii=False)}", "authors:"]
    for one in authors:
        lines += [f"  - family-names: {json.dumps(one.family, ensure_ascii=False)}"]
        lines += [f"    given-names: {json.dumps(one.given, ensure_ascii=False)}"]
    lines += [f"date-released: {json.dumps(_day(study))}", f"license: {licence}", "identifiers:"]
    lines += ["  - type: other", f"    value: sha256:{study.design_sha256}", "    description: SHA-256 of the design"]
    return "\n".join(lines) + "\n"


def _psych_ds_tables(study: Study, folder: Path) -> None:
    """The tables under the names that Psych-DS has, in its folder, without the mark that only spreadsheets want."""
    folder.mkdir()
    slug = re.sub(r"[^A-Za-z0-9]", "", study.slug) or "study"
    for name, _columns in _tables(study):
        source = folder.parent / name
        if not source.exists():
            continue
        target = folder / f"study-{slug}_description-{Path(name).stem}_data.csv"
        with source.open("rb") as old, target.open("wb") as new:
            if (mark := old.read(3)) != b"\xef\xbb\xbf":
                new.write(mark)
            shutil.copyfileobj(old, new, 1 << 20)


def _tables(study: Study) -> Iterator[tuple[str, Mapping[str, data_dictionary.Column]]]:
    yield "answers.csv", data_dictionary.of_answers(study)
    yield "stimuli.csv", data_dictionary.of_stimuli(study)
    yield "participants.csv", data_dictionary.PARTICIPANTS
    yield "questions.csv", data_dictionary.QUESTIONS
    yield "pictures.csv", data_dictionary.PICTURES
    yield "computations.csv", data_dictionary.COMPUTATIONS
    yield "photographs.csv", data_dictionary.PHOTOGRAPHS
    yield "answering.csv", data_dictionary.ANSWERING
    yield "posteriors.csv", data_dictionary.POSTERIORS
    yield "looks.csv", data_dictionary.LOOKS
    yield "log.csv", data_dictionary.LOG


def _day(study: Study) -> str:
    return f"{study.closed_at or study.opened_at:%Y-%m-%d}"
