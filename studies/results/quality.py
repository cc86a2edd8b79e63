"""What is odd about the answers of a study: measures, and a named warning for each that a reader has to know.

Nothing here excludes an answer. An oddity is told, on the results, in analysis.json and on the researcher's first page
before a study is closed; what becomes of it is the researcher's decision, which is registered or recorded.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from studies.models import Trial

if TYPE_CHECKING:
    import pandas as pd

#: A gold rate below the design's own, or below this where it names none, after so many gold trials.
GOLD_RATE, GOLD_FROM = 0.7, 20
#: The page's clock starts later than the server's and stops earlier: so much more than it is no rounding.
CLOCK_SLACK_MS = 1000
#: Between the two clocks lie the network and the loading of pictures; more than this, by the median, is odd.
CLOCK_GAP_MS = 5000
#: Nobody sees a picture and answers in less, by the median; of so many answers at least.
SEEN_MS, MEDIAN_FROM = 300, 5

Measures = Mapping[str, Any]


def quality(design: Mapping[str, Any], counts: Mapping[str, Any], answers: "pd.DataFrame") -> dict[str, Any]:
    """What the warnings rest on, JSON-ready.

    Args:
        design: the study's.
        counts: as `result.counts` gives them.
        answers: the counted ones, as `frames.counted_answers` gives them.

    Returns ``gold`` {answers, right, least}, ``clocks`` {answers, page_longer, median_gap_ms}, ``fast`` {participants,
    of, least_ms} and ``straight_lining`` {participants, of}.
    """
    gold = counts["checks"].get("gold", {"answers": 0, "right": 0})
    rate = design.get("gold_rate")
    least = max(SEEN_MS, design.get("min_answer_ms") or 0)
    each = answers.groupby("participant", observed=True)["response_ms"]
    medians = each.median()[each.count() >= MEDIAN_FROM]
    both = answers[answers["response_ms"].notna()]
    gaps = both["server_ms"].to_numpy(dtype=np.float64) - both["response_ms"].to_numpy(dtype=np.float64)
    straight = straight_liners(answers)
    return {
        "gold": {
            "answers": gold["answers"],
            "right": gold["right"],
            "least": GOLD_RATE if rate is None else rate,
        },
        "clocks": {
            "answers": len(gaps),
            "page_longer": int(np.count_nonzero(gaps < -CLOCK_SLACK_MS)),
            "median_gap_ms": float(np.median(gaps)) if len(gaps) else None,
        },
        "fast": {"participants": int((medians < least).sum()), "of": len(medians), "least_ms": least},
        "straight_lining": {"participants": int(straight.sum()), "of": len(straight)},
    }


def frames_of(studies: Sequence[int]) -> "dict[int, pd.DataFrame]":
    """By study its counted answers with what `quality` reads of them, from one query."""
    import pandas as pd

    rows = Trial.objects.filter(study__in=studies, counted=True).order_by("pk")
    columns = ("study", "participant", "answer", "response_ms", "presented_at", "answered_at")
    table = pd.DataFrame.from_records(list(rows.values_list(*columns)), columns=list(columns))
    table["response_ms"] = table["response_ms"].astype("float64")
    gap = pd.to_datetime(table["answered_at"], utc=True) - pd.to_datetime(table["presented_at"], utc=True)
    table["server_ms"] = (gap.dt.total_seconds() * 1000).round()
    table["participant"] = pd.factorize(table["participant"])[0]
    return {study: table[table["study"] == study] for study in studies}


def straight_liners(answers: "pd.DataFrame") -> Any:
    """(W,) of the participants who answered, in the order of their codes: a run of one answer that chance hardly makes.

    For each participant's longest run, and p the share of its answer among all answers: (m - run + 1) * p^run over m
    answers bounds the chance of one as long.
    """
    from studies.analysis.participant_quality import UNLIKELY, run_chances

    if answers.empty:
        return np.zeros(0, dtype=bool)
    said = answers["answer"].astype("category").cat.codes.to_numpy(dtype=np.int64)
    chances = run_chances(answers["participant"].to_numpy(dtype=np.int64), said)
    return chances[np.isfinite(chances)] < UNLIKELY


def warnings_of(found: Measures, counts: Mapping[str, Any], *, rehearsal: bool = False) -> list[str]:
    """A sentence for each oddity, which begins with its name."""
    told = []
    gold, clocks, fast, straight = (found[name] for name in ("gold", "clocks", "fast", "straight_lining"))
    if below_gold(gold["answers"], gold["right"], gold["least"]):
        told.append(
            f"Gold: {gold['right']} of {gold['answers']} gold trials are answered right, below "
            f"{percent_of(gold['least'])}%. Participants may not look, or the gold may be wrong."
        )
    if clocks["page_longer"]:
        told.append(
            f"Clocks: {clocks['page_longer']} of {clocks['answers']} answers took longer by the page’s clock than by "
            "the server’s, which cannot be. Check their times before you use them."
        )
    elif clocks["median_gap_ms"] is not None and clocks["median_gap_ms"] > CLOCK_GAP_MS:
        told.append(
            f"Clocks: by the median the server’s clock has {clocks['median_gap_ms'] / 1000:.1f} s more than the "
            "page’s. Pictures or pages arrived late."
        )
    if fast["participants"]:
        told.append(
            f"Fast answers: {fast['participants']} of {fast['of']} participants answer in under {fast['least_ms']} ms "
            "by the median, before a picture can be seen and judged."
        )
    if straight["participants"]:
        told.append(
            f"Straight-lining: {straight['participants']} of {straight['of']} participants give one answer in a run "
            "that chance hardly makes. They are kept."
        )
    simulated, people = counts["simulated_participants"], counts["participants"]
    if 0 < simulated < people and not rehearsal:
        told.append(
            f"Simulated: {simulated} of {people} participants are simulated. A result of people and programs together "
            "says nothing about people."
        )
    return told


def below_gold(answers: int, right: int, least: float) -> bool:
    """Whether gold goes wrong too often, of enough trials to say so."""
    return answers >= GOLD_FROM and right < least * answers


def percent_of(share: float) -> str:
    """A share in percent, as short as it is."""
    return f"{100 * share:g}"


def simulated_in_words(counts: Mapping[str, Any]) -> str:
    """What a headline begins with where some participants are simulated; empty where none is."""
    simulated, people = counts["simulated_participants"], counts["participants"]
    return f"{simulated} of {people} participants are simulated. " if simulated else ""
