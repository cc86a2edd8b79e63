"""Methods and results as paragraphs to paste: each sentence is a fact of the study, and none says what the data do not.

Written once, with places for citations, and then as Markdown and as LaTeX with one BibTeX file.
"""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from studies import protocols
from studies.lib.canonical_json import canonical_text
from studies.models import Artifact, Role, Study
from studies.recruitment import arrivals

from . import repeating
from .file_formats import LATEX
from .front_page import source_in_words

#: Within a sentence: `[[key]]` is a citation.
CITED = re.compile(r"\[\[(\w+)\]\]")
#: Every work that a sentence can cite.
REFERENCES = Path(__file__).parent / "references.bib"
#: As Pandoc has it.
CITATION = r"[@\1]"
#: What a recipe calls the method it uses.
METHODS = ("attack", "explainer", "selector")


class Paragraph(NamedTuple):
    title: str
    sentences: list[str]


def paragraphs(study: Study, content: Mapping[str, Any], version: str) -> list[Paragraph]:
    """The paragraphs of an opened study that have something to say; `content` as analysis.json has it."""
    told = [
        Paragraph("Participants", list(_participants(study, content["counts"]))),
        Paragraph("Procedure", list(_procedure(study, version))),
        Paragraph("Stimuli", list(_stimuli(study))),
        Paragraph("Exclusions", list(_exclusions(study, content["counts"]))),
        Paragraph("Statistics", list(_statistics(study, content))),
        Paragraph("Results", list(_results(study, content))),
        Paragraph("Limits", [_sentence(warning) for warning in content["warnings"]]),
    ]
    return [paragraph for paragraph in told if paragraph.sentences]


def markdown(told: list[Paragraph]) -> str:
    """With Pandoc's citations."""
    parts = [f"## {title}\n\n{CITED.sub(CITATION, ' '.join(_plain(s) for s in said))}\n" for title, said in told]
    return "\n".join(parts)


def latex(told: list[Paragraph]) -> str:
    """Paragraphs for \\input; `references.bib` has what they cite."""
    return "\n".join(f"\\paragraph{{{_tex(title)}}} {_tex(' '.join(said))}\n" for title, said in told)


def bibtex(told: list[Paragraph], version: str) -> str:
    """The entries that are cited, in the order of their keys."""
    cited = {key for _title, said in told for sentence in said for key in CITED.findall(sentence)}
    entries = REFERENCES.read_text(encoding="utf-8").strip().split("\n\n")
    named = {entry.partition("{")[2].partition(",")[0]: entry for entry in entries}
    return "\n\n".join(named[key].replace("VERSION", version) for key in sorted(cited)) + "\n"


# --- the facts --------------------------------------------------------------------------------------------------------


def _participants(study: Study, counts: Mapping[str, Any]) -> Iterator[str]:
    real = counts["participants"] - counts["simulated_participants"]
    yield (
        f"{_n(counts['participants'], 'participant')} agreed to take part, and "
        f"{counts['finished_participants']:,} finished."
    )
    if counts["simulated_participants"]:
        yield f"{counts['simulated_participants']:,} of them were simulated by software, and {real:,} were not."
    recruiter, _settings = arrivals.recruiter_of(study)
    yield f"They came by this way: {recruiter.title}."
    last = f" and closed on {study.closed_at:%Y-%m-%d}" if study.closed_at else ""
    yield f"The study opened on {study.opened_at:%Y-%m-%d}{last}."
    gone = {
        "withdrawn": "withdrew",
        "screened_out": "were screened out by gold trials",
        "excluded": "were excluded by a researcher",
    }
    for name, words in gone.items():
        if n := counts[f"{name}_participants"]:
            yield f"{n:,} {words}."


def _procedure(study: Study, version: str) -> Iterator[str]:
    design, protocol = study.design, protocols.get(study.protocol)
    yield (
        f"The study was run with Quorum {version} [[quorum]], protocol {study.protocol}, version "
        f"{study.protocol_version}."
    )
    yield _sentence(protocol.description)
    yield (
        f"Each participant was shown at most {design['trials_per_participant']:,} stimuli, one a page, and "
        "each stimulus "
        f"was to be answered by {design['answers_per_stimulus']} different people."
    )
    if design["practice"]:
        yield f"Participants began with {_n(design['practice'], 'practice trial')}, followed by the expected answer."
    if design["gold"]:
        yield f"Each visit had {_n(design['gold'], 'gold trial')} with a known answer, which were not counted."
    arms = protocol.arms(design)
    if arms and arms.visits == 1:
        yield "Conditions were met by separate groups of participants."
    elif arms:
        yield f"Conditions were met in {arms.visits} visits."
    conditions = list(study.conditions.order_by("pk").values_list("key", flat=True))
    if len(conditions) > 1:
        yield f"There were {len(conditions)} conditions: {', '.join(conditions)}."
    yield f"Every random choice had the seed {design['seed']}."


def _stimuli(study: Study) -> Iterator[str]:
    main = study.stimuli.main().count()
    rows = repeating.classifiers(study)
    for image_set in repeating.image_sets(rows):
        yield (
            f"{_n(main, 'stimulus', 'stimuli')} came from the image set {image_set.name}, which has "
            f"{_n(image_set.images.count(), 'photograph')} of {_n(image_set.classes.count(), 'class', 'classes')}."
        )
    for row in rows:
        yield (
            f"The classifier {row.name} was {source_in_words(row.source)} (SHA-256 of its weights {row.state_digest})."
        )
    for what, method in _methods(study):
        given = ", ".join(f"{name} = {canonical_text(value)}" for name, value in sorted(method["parameters"].items()))
        yield f"The {what} was {method['method']}, version {method['version']}{f' ({given})' if given else ''}."
    for role in (Role.GOLD, Role.PRACTICE, Role.TRAINING):
        if n := study.stimuli.filter(role=role).count():
            yield f"{_n(n, f'further stimulus was for {role} trials', f'further stimuli were for {role} trials')}."


def _methods(study: Study) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """The methods that made stimuli, each with its parameters once."""
    seen: dict[tuple[str, str], Mapping[str, Any]] = {}
    for recipe in Artifact.objects.filter(studies=study).order_by("digest").values_list("recipe", flat=True).iterator():
        for what in METHODS:
            method = recipe.get(what)
            if isinstance(method, dict) and "method" in method:
                seen.setdefault((what, canonical_text(method)), method)
    for what, _text in sorted(seen):
        yield what, {"version": "unknown", "parameters": {}, **seen[what, _text]}


def _exclusions(study: Study, counts: Mapping[str, Any]) -> Iterator[str]:
    for rule in study.frozen["analysis"]["exclusions"]:
        yield _sentence(f"by a rule registered before the first answer, {rule}")
    for rule, n in counts["excluded_by_rule"].items():
        yield f"{_n(n['answers'], 'answer')} of {_n(n['participants'], 'participant')} did not count ({rule})."
    if not counts["excluded_by_rule"]:
        yield "No answer was excluded."


def _statistics(study: Study, content: Mapping[str, Any]) -> Iterator[str]:
    plan = study.frozen["analysis"]
    yield f"The estimand, registered before the first answer, is {plan['estimand']}."
    methods = sorted({one for one in _values(content, "method") if isinstance(one, str)})
    for method in methods:
        cites = "".join(
            f" [[{key}]]"
            for key, name in (("cameron2011", "Cameron"), ("mackinnon2024", "MacKinnon"))
            if name in method
        )
        yield _sentence(f"an interval is by this method: {method}{cites}")
    if plan["contrasts"]:
        yield (
            f"{_n(len(plan['contrasts']), 'contrast was', 'contrasts were')} registered and tested two-sided at alpha "
            f"{plan['alpha']:g}, corrected by {plan['correction']} [[holm1979]]."
        )
    if looks := plan.get("looks"):
        shares = ", ".join(f"{100 * share:g}%" for share in looks["shares"])
        yield f"Interim looks were registered at {shares} of the answers [[lan1983]]."
    yield (
        f"Outcomes were looked at {content['looks']} times before the end."
        if content["looks"]
        else ("No look at outcomes before the end was recorded.")
    )
    yield f"The design was frozen with the SHA-256 {study.design_sha256}."
    if amendments := study.amendments.count():
        yield f"{_n(amendments, 'amendment')} followed; results under them are exploratory."


def _results(study: Study, content: Mapping[str, Any]) -> Iterator[str]:
    counts = content["counts"]
    yield f"{counts['counted_answers']:,} of {counts['wanted_answers']:,} wanted answers counted."
    yield _sentence(content["headline"])
    for name, one in protocols.get(study.protocol).rehearsal_measures(dict(content)).items():
        if one.get("estimate") is None:
            yield _sentence(f"{name} has no estimate: {one.get('reason') or 'no answer counts'}")
        elif one.get("low") is None:
            yield _sentence(f"{name} was {one['estimate']:.4f}, without an interval: {one.get('reason') or 'none'}")
        else:
            level = 100 * one.get("level", 0.95)
            yield _sentence(
                f"{name} was {one['estimate']:.4f} ({level:g}% interval {one['low']:.4f} to {one['high']:.4f})"
            )


# --- words ------------------------------------------------------------------------------------------------------------


def _values(value: Any, name: str) -> Iterator[Any]:
    if isinstance(value, dict):
        if name in value and value.get("low") is not None:
            yield value[name]
        for inner in value.values():
            yield from _values(inner, name)
    elif isinstance(value, list):
        for inner in value:
            yield from _values(inner, name)


def _n(n: int, one: str, several: str = "") -> str:
    return f"{n:,} {one if n == 1 else several or one + 's'}"


def _sentence(text: str) -> str:
    text = text.strip()
    return text[:1].upper() + text[1:] + ("" if text.endswith((".", "!", "?")) else ".")


def _plain(sentence: str) -> str:
    """A sentence whose letters Markdown takes for nothing of its own; citations stay."""
    return re.sub(r"([\\`*_<>#|])", r"\\\1", sentence)


def _tex(text: str) -> str:
    parts = CITED.split(text)
    return "".join(
        rf"\cite{{{part}}}" if at % 2 else "".join(LATEX.get(c, c) for c in part) for at, part in enumerate(parts)
    )
