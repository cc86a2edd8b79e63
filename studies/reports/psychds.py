"""The export's own account of itself: Psych-DS's dataset_description.json, and a page to read first."""

from datetime import datetime
from typing import Any

from studies.models import Study

from . import tables

FILES = {
    "answers.csv": "one row for each stimulus shown to a participant, whatever became of it",
    "answers.parquet": "the same, with types",
    "stimuli.csv": "one row for each stimulus",
    "participants.csv": "one row for each participant, under a random identifier",
    "analysis.json": "the result: estimates at full precision, intervals with their methods, versions and hashes",
    "design.json": "the design as it was frozen when the study opened, and its SHA-256",
    "flow.json": "participants, answers and stimuli, and what became of them",
    "tables/": "the tables of the result and of its figures, as CSV and LaTeX",
    "figures/": "the figures, as SVG",
    "recompute.py": "computes the headline again from the CSV files alone; needs NumPy, SciPy and pandas",
    "dataset_description.json": "every column described (Psych-DS); also says when this was exported",
}


def description(study: Study, moment: datetime) -> dict[str, Any]:
    """Psych-DS 1.0: schema.org metadata, with every column of every table in `variableMeasured`."""
    columns = {
        name: text for table in (tables.PARTICIPANTS, tables.STIMULI, tables.ANSWERS) for name, text in table.items()
    }
    return {
        "@context": "https://schema.org/",
        "@type": "Dataset",
        "name": study.title,
        "identifier": study.slug,
        "description": f"Answers of a Quorum study ({study.protocol}, version {study.protocol_version}).",
        "schemaVersion": "Psych-DS 1.0",
        "version": study.design_sha256,
        "dateCreated": moment.isoformat(timespec="seconds"),
        "variableMeasured": [
            {"@type": "PropertyValue", "name": name, "description": text} for name, text in sorted(columns.items())
        ],
    }


def readme(study: Study, headline: str) -> str:
    files = "\n".join(f"| `{name}` | {what} |" for name, what in FILES.items())
    return f"""# {study.title}

{headline}

Exported from the Quorum study `{study.slug}` ({study.protocol}, version {study.protocol_version}).
The design's SHA-256 is `{study.design_sha256}`.

| file | what |
| --- | --- |
{files}

In CSV files a text that a spreadsheet would run as a formula stands behind an apostrophe; in Parquet it does not.
`python recompute.py` prints the headline figures computed from the CSV files, and fails when they differ from
`analysis.json`.
"""
