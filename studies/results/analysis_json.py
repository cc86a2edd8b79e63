"""analysis.json: the result of a study with all that is needed to know what it is the result of."""

import platform
from importlib.metadata import version
from typing import Any

from studies.models import InterimLook, Study

from . import frames
from .result import StudyResult, result

PACKAGES = ("numpy", "scipy", "pandas", "statsmodels")


def analyse(study: Study, seen: InterimLook | None) -> tuple[StudyResult, dict[str, Any]]:
    """The result of a study that was opened, and analysis.json's content: shares in [0, 1], null for undefined.

    `seen` is the look that was recorded (`looking.look`); only of a closed study there is none.
    """
    found = result(study, seen=seen)
    amendments = list(study.amendments.all())
    return found, {
        "study": study.slug,
        "title": study.title,
        "rehearsal_of": study.rehearsal_of and study.rehearsal_of.slug,
        "protocol": study.protocol,
        "protocol_version": study.protocol_version,
        "state": study.state,
        "interim": study.state != Study.State.CLOSED,
        "opened_at": frames.iso(study.opened_at),
        "closed_at": study.closed_at and frames.iso(study.closed_at),
        "design_sha256": study.design_sha256,
        "stimuli_sha256": study.frozen["stimuli_sha256"],
        "consent_sha256": study.frozen["consent_sha256"],
        "seed": study.design["seed"],
        "amendments_sha256": amendments[-1].sha256 if amendments else None,
        "looks": study.looks.count(),
        "headline": found.summary.headline,
        "warnings": found.summary.warnings,
        **found.summary.measures,
        "exploratory": [
            {
                "amendment": amendment.number,
                "changes": amendment.changes,
                "headline": summary.headline,
                **summary.measures,
            }
            for amendment, summary in found.exploratory
        ],
        "counts": found.counts,
        "versions": {"python": platform.python_version(), **{name: version(name) for name in PACKAGES}},
    }
