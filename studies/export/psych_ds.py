"""The export's own account of itself: a dataset_description.json as Psych-DS has it, and a page to read first."""

from collections.abc import Collection
from datetime import datetime
from typing import Any

from studies.models import Study
from studies.results.result import rehearsal

from . import data_dictionary

NAME = "dataset_description.json"
PUBLISHER = "Quorum"
FILES = {
    "index.html": "the page to read first: what this is, its result, its files, what was left out",
    "README.md": "what this folder is",
    "answers.csv": "one row for each stimulus shown to a participant, whatever became of it",
    "answers.parquet": "the same, with types",
    "stimuli.csv": "one row for each stimulus",
    "participants.csv": "one row for each participant, under a random identifier",
    "answering.csv": "one row for each participant whose answers count: times, runs, agreement with the others",
    "posteriors.csv": "one row for each stimulus with an answer: what Dawid and Skene's model makes of it",
    "looks.csv": "one row for each look at outcomes while answers still came in",
    "questions.csv": "each question as it was asked, by stimulus and language, with the answers offered",
    "pictures.csv": "one row for each picture of a stimulus: its SHA-256, what made it, and its photographs",
    "computations.csv": "one row for each computation of the preparation: recipe, method with its version, seed",
    "photographs.csv": "one row for each photograph of the image set: path, class, SHA-256",
    "log.csv": "what was done to the study and when, without names",
    "study.json": "design, texts, words of classes and classifiers: what `create_study --from` reads",
    "versions.json": "versions of Quorum, Python and the libraries that computed",
    "withheld.json": "what was left out, and why",
    "texts/": "each page as participants read it, by language in their order, and each version of the consent text",
    "pictures/": "the pictures as participants saw them; with --pictures",
    "analysis.json": "the result: estimates at full precision, intervals with their methods, versions and hashes",
    "design.json": "the design and the analysis as frozen when the study opened, their SHA-256, and the amendments",
    "flow.json": "participants, answers and stimuli, and what became of them",
    "tables/": "the tables of the result and of its figures, as CSV and LaTeX",
    "figures/": "the figures, as SVG; of pictures as PNG and SVG, with a CSV of what they show",
    "paper/": "paragraphs on methods and results to paste, as Markdown and LaTeX, with a BibTeX file",
    "recompute.py": "computes every figure again from the tables alone; needs NumPy, SciPy and pandas",
    "analysis.ipynb": "a notebook to begin with: the result, its panels, people and times; needs matplotlib too",
    NAME: "every column described, as in Psych-DS; also says when this was exported",
    "checksums.sha256": "the SHA-256 of every file, for `sha256sum --check` and for `create_study --from`",
}
#: Those that only some exports have.
OPTIONAL = ("pictures/", "log.csv")


def description(study: Study, moment: datetime) -> dict[str, Any]:
    """schema.org metadata in the manner of Psych-DS, with every column of every table in `variableMeasured`.

    The folder's layout is Quorum's own (Psych-DS wants tables in `data/` under names that end in `_data.csv`).
    """
    described: dict[str, str] = {}
    for table in (
        data_dictionary.LOG,
        data_dictionary.PHOTOGRAPHS,
        data_dictionary.COMPUTATIONS,
        data_dictionary.PICTURES,
        data_dictionary.QUESTIONS,
        data_dictionary.LOOKS,
        data_dictionary.POSTERIORS,
        data_dictionary.ANSWERING,
        data_dictionary.PARTICIPANTS,
        data_dictionary.of_stimuli(study),
        data_dictionary.of_answers(study),
    ):
        for name, column in table.items():
            # One name in two tables may mean two things.
            known = described.get(name, column.what)
            described[name] = known if known == column.what else f"{known} In another table: {column.what}"
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


def readme(study: Study, headline: str, files_there: Collection[str]) -> str:
    files = "\n".join(f"| `{name}` | {what} |" for name, what in FILES.items() if name in files_there)
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
`python recompute.py` prints every figure computed from the tables, and fails when one differs from `analysis.json`.
Each column is described in `{NAME}`.
"""
