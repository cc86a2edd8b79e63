"""The export's own account of itself: a dataset_description.json as Psych-DS has it, and a page to read first."""

from datetime import datetime
from typing import Any

from studies.models import Study

from . import columns
from .results import rehearsal

NAME = "dataset_description.json"
PUBLISHER = "Quorum"
FILES = {
    "README.md": "what this folder is",
    "answers.csv": "one row for each stimulus shown to a participant, whatever became of it",
    "answers.parquet": "the same, with types",
    "stimuli.csv": "one row for each stimulus",
    "participants.csv": "one row for each participant, under a random identifier",
    "looks.csv": "one row for each look at outcomes while answers still came in",
    "analysis.json": "the result: estimates at full precision, intervals with their methods, versions and hashes",
    "design.json": "the design and the analysis as frozen when the study opened, their SHA-256, and the amendments",
    "flow.json": "participants, answers and stimuli, and what became of them",
    "tables/": "the tables of the result and of its figures, as CSV and LaTeX",
    "figures/": "the figures, as SVG",
    "recompute.py": "computes the headline again from the CSV files alone; needs NumPy, SciPy and pandas",
    "analysis.ipynb": "a notebook to begin with: the result, its panels, people and times; needs matplotlib too",
    NAME: "every column described, as in Psych-DS; also says when this was exported",
}


def description(study: Study, moment: datetime) -> dict[str, Any]:
    """schema.org metadata in the manner of Psych-DS, with every column of every table in `variableMeasured`.

    The folder's layout is Quorum's own (Psych-DS wants tables in `data/` under names that end in `_data.csv`).
    """
    described: dict[str, str] = {}
    for table in (columns.LOOKS, columns.PARTICIPANTS, columns.of_stimuli(study), columns.ANSWERS):
        described |= {name: column.what for name, column in table.items()}
    return {
        "@context": "https://schema.org/",
        "@type": "Dataset",
        "name": study.title,
        "identifier": study.slug,
        "description": " ".join(
            [f"Answers of a Quorum study ({study.protocol}, version {study.protocol_version}).", *rehearsal(study)]
        ),
        "sdPublisher": PUBLISHER,
        "version": study.design_sha256,
        "dateCreated": moment.isoformat(timespec="seconds"),
        "variableMeasured": [
            {"@type": "PropertyValue", "name": name, "description": what} for name, what in sorted(described.items())
        ],
    }


def readme(study: Study, headline: str) -> str:
    files = "\n".join(f"| `{name}` | {what} |" for name, what in FILES.items())
    interim = "" if study.state == Study.State.CLOSED else f"\nThe study is {study.state}: this is an interim look.\n"
    simulated = "".join(f"\n{line}\n" for line in rehearsal(study))
    return f"""# {study.title}

{headline}
{interim}{simulated}
Exported from the Quorum study `{study.slug}` ({study.protocol}, version {study.protocol_version}).
The design's SHA-256 is `{study.design_sha256}`.

| file | what |
| --- | --- |
{files}

In CSV files a text that a spreadsheet would run as a formula stands behind an apostrophe; in Parquet it does not.
`python recompute.py` prints the headline figures computed from the CSV files, and fails when they differ from
`analysis.json`. Each column is described in `{NAME}`.
"""
