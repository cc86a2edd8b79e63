"""What an ethics board is handed: one Markdown text of what a study does to its participants."""

from django.utils import translation

from studies import protocols
from studies.designs.choices import catalogue
from studies.designs.consent import HEADING, consent_texts, languages_of
from studies.designs.debriefing import debriefing
from studies.models import Study

from .checklist import checklist

#: How a point of the checklist is marked.
MARKS = {"ok": "computed, in order", "warn": "to be mended", "ask": "for the researchers to answer"}


def for_the_board(study: Study) -> str:
    """Consent text in each language, debriefing, questions, design and checklist, as they are now."""
    protocol = protocols.get(study.protocol)
    parts = [f"# {study.title}", f"{protocol.title}. {protocol.description}", *_consent(study), *_end(study)]
    if questions := study.design["questions"]:
        parts += ["## Questions about the person", _list(questions.splitlines())]
    parts += ["## Design", _design(study), "## Checklist"]
    parts.append(_list([f"{point.says} ({MARKS[point.state]})" for point in checklist(study)]))
    return "\n\n".join(parts) + "\n"


def _consent(study: Study) -> list[str]:
    found = []
    for language, text in consent_texts(study).items():
        found.append(f"## Consent text{f' ({language})' if language else ''}")
        lines = [
            f"### {line.removeprefix(HEADING)}\n" if line.startswith(HEADING) else line for line in text.split("\n")
        ]
        found.append("\n".join(f"- {line}" if line and not line.startswith("#") else line for line in lines))
    return found


def _end(study: Study) -> list[str]:
    with translation.override(languages_of(study)[0]):
        told = [*debriefing(study), *([study.design["debrief"]] if study.design["debrief"] else [])]
    return ["## Debriefing", "\n\n".join(told)] if told else []


def _design(study: Study) -> str:
    fields = protocols.get(study.protocol).form(catalogue=catalogue()).fields
    rows = [
        f"| `{name}` | {_cell(value)} | {_cell(fields[name].help_text) if name in fields else ''} |"
        for name, value in study.design.items()
    ]
    return "\n".join(["| setting | value | what it is |", "| --- | --- | --- |", *rows])


def _cell(value: object) -> str:
    return " ".join(str(value).replace("|", "\\|").split())


def _list(lines: list[str]) -> str:
    return "\n".join(f"- {line}" for line in lines)
