"""Closed studies, and exports of others', side by side: how they were made, and what they found."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from studies import audit, protocols
from studies.analysis.answers import AnswersError
from studies.analysis.pooling import StudyEstimate, difference, pool
from studies.lib.errors import StudyError
from studies.models import Study
from studies.protocols import Table
from studies.results.analysis_json import analyse

from .folder import opened, read

#: What two studies may have in common, as analysis.json and design.json have it.
HASHES = {"design_sha256": "frozen design", "stimuli_sha256": "stimuli", "consent_sha256": "consent text"}


@dataclass(frozen=True)
class ComparedStudy:
    """frozen: of design.json.  analysis: as analysis.json.  stimuli: digests of the main ones."""

    name: str
    frozen: Mapping[str, Any]
    analysis: Mapping[str, Any]
    stimuli: frozenset[str]

    @property
    def measures(self) -> dict[str, Mapping[str, Any]]:
        return protocols.get(self.frozen["protocol"]).rehearsal_measures(dict(self.analysis))


def find(name: str) -> ComparedStudy:
    """The closed study of that short name, or the export of one at that path; StudyError for anything else."""
    study = Study.objects.filter(slug=name).first()
    if study is None and Path(name).exists():
        return _exported(Path(name))
    if study is None:
        raise StudyError(f"there is no study called {name}, nor an export at that path")
    if study.state != Study.State.CLOSED:
        raise StudyError(f"study {name} is {study.state}: only closed studies are compared, as this tells outcomes")
    audit.record_reading(study, "compare_studies", None)
    _result, content = analyse(study, None)
    digests = frozenset(study.stimuli.main().values_list("digest", flat=True))
    return ComparedStudy(name, study.frozen, {**content, "design_sha256": study.design_sha256}, digests)


def _exported(path: Path) -> ComparedStudy:
    with opened(path) as folder:
        exported = read(folder)
        analysis = json.loads((folder / "analysis.json").read_text(encoding="utf-8"))
        if analysis.get("interim") is not False:
            raise StudyError(f"{path}: an interim look; only closed studies are compared")
        if exported.frozen["protocol"] not in protocols.available():
            raise StudyError(f"{path}: there is no protocol {exported.frozen['protocol']} here")
        digests = frozenset(row["digest"] for row in exported.rows("stimuli.csv") if row["role"] == "main")
    return ComparedStudy(path.name, exported.frozen, analysis, digests)


def compare_studies(first: ComparedStudy, second: ComparedStudy) -> dict[str, Any]:
    """What differs between two studies, and each common measure with the difference; JSON-ready."""
    _same_protocol([first, second])
    return {
        "studies": [first.name, second.name],
        "same": {what: first.analysis[name] == second.analysis[name] for name, what in HASHES.items()},
        "shared_stimuli": len(first.stimuli & second.stimuli),
        "settings": _settings(first, second),
        "counts": {
            one.name: {name: one.analysis["counts"][name] for name in ("participants", "counted_answers", "stimuli")}
            for one in (first, second)
        },
        "measures": list(_differences(first, second)),
    }


def pool_studies(studies: Sequence[ComparedStudy]) -> dict[str, Any]:
    """Each measure that all the studies have, pooled; JSON-ready.  Measures that cannot be pooled say why."""
    if len({one.name for one in studies}) < len(studies):
        raise StudyError("a study is named twice: its answers would count twice")
    if len(studies) < 2:
        raise StudyError("pooling needs two studies or more")
    _same_protocol(studies)
    shared = sum(len(a.stimuli & b.stimuli) for n, a in enumerate(studies) for b in studies[n + 1 :])
    common = [name for name in studies[0].measures if all(name in one.measures for one in studies)]
    if not common:
        raise StudyError("these studies have no measure in common")
    measures = []
    for name in common:
        told = {one.name: one.measures[name] for one in studies}
        if why := [f"{study}: {_why_not(measure)}" for study, measure in told.items() if _why_not(measure)]:
            measures.append({"measure": name, "estimate": None, "reason": "; ".join(why)})
            continue
        try:
            found = pool([_estimate(*one) for one in told.items()], shared=bool(shared))
        except AnswersError as error:
            raise StudyError(str(error)) from None
        measures.append({"measure": name, **found})
    settings = {name: values for a, b in pairwise(studies) for name, values in _settings(a, b).items()}
    return {
        "studies": [one.name for one in studies],
        "shared_stimuli": shared,
        "differing_settings": sorted(settings),
        "measures": measures,
    }


def comparison_tables(found: Mapping[str, Any]) -> Iterator[Table]:
    """What `compare_studies` gives, for the terminal."""
    first, second = found["studies"]
    same = [[what, "same" if yes else "another"] for what, yes in found["same"].items()]
    yield Table("Made", ["", "both"], [*same, ["stimuli in common", f"{found['shared_stimuli']:,}"]])
    rows = [[name, *map(str, values)] for name, values in found["settings"].items()]
    yield Table("Settings that differ", ["setting", first, second], rows or [["none", None, None]])
    measures = [
        [one["measure"], *map(_number, one["estimates"]), _span(one["difference"]), _p(one["difference"])]
        for one in found["measures"]
    ]
    columns = ["measure", first, second, "difference (95%)", "p"]
    yield Table("Measures", columns, measures, "The second less the first; studies are taken as independent.")


def pooled_tables(found: Mapping[str, Any]) -> Iterator[Table]:
    """What `pool_studies` gives, for the terminal."""
    rows = [
        [one["measure"], one["reason"], None, None, None]
        if one["estimate"] is None
        else [
            one["measure"],
            _span(one),
            f"{one['heterogeneity']['q']:.2f} on {one['heterogeneity']['degrees_of_freedom']}",
            f"{one['heterogeneity']['p_value']:.3f}",
            f"{100 * one['heterogeneity']['i2']:.0f}%",
        ]
        for one in found["measures"]
    ]
    note = "Fixed effect by two-way variances. "
    if found["shared_stimuli"]:
        note += "Studies share stimuli: --json has the widest interval there can be as `shared`. "
    if found["differing_settings"]:
        note += f"Their designs differ in {', '.join(found['differing_settings'])}."
    yield Table("Pooled", ["measure", "estimate (95%)", "Q", "p", "I²"], rows, note)


def _same_protocol(studies: Sequence[ComparedStudy]) -> None:
    kinds = {one.frozen["protocol"]: one.name for one in studies}
    if len(kinds) > 1:
        told = ", ".join(f"{name} is {kind}" for kind, name in kinds.items())
        raise StudyError(f"these are studies of different protocols: {told}")


def _settings(first: ComparedStudy, second: ComparedStudy) -> dict[str, list[Any]]:
    return audit.differences(dict(first.frozen["design"]), dict(second.frozen["design"]))


def _differences(first: ComparedStudy, second: ComparedStudy) -> Iterator[dict[str, Any]]:
    for name, one in first.measures.items():
        other = second.measures.get(name)
        if other is None:
            continue
        why = [
            f"{study.name}: {_why_not(measure)}"
            for study, measure in ((first, one), (second, other))
            if _why_not(measure)
        ]
        found: dict[str, Any] = {"estimate": None, "reason": "; ".join(why)}
        if not why:
            found = difference(_estimate(first.name, one), _estimate(second.name, other))
        yield {"measure": name, "estimates": [one["estimate"], other["estimate"]], "difference": found}


def _why_not(measure: Mapping[str, Any]) -> str:
    if measure.get("estimate") is None:
        return measure.get("reason") or "no estimate"
    if not measure.get("standard_error") or not measure.get("degrees_of_freedom"):
        return measure.get("reason") or "no two-way standard error"
    return ""


def _estimate(study: str, measure: Mapping[str, Any]) -> StudyEstimate:
    return StudyEstimate(study, measure["estimate"], measure["standard_error"], measure["degrees_of_freedom"])


def _number(value: float | None) -> str | None:
    return None if value is None else f"{value:.4f}"


def _span(found: Mapping[str, Any]) -> str:
    if found["estimate"] is None:
        return found["reason"]
    return f"{found['estimate']:.4f} ({found['low']:.4f} to {found['high']:.4f})"


def _p(found: Mapping[str, Any]) -> str | None:
    return None if found["estimate"] is None else f"{found['p_value']:.4f}"
