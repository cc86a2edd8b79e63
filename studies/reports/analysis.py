"""analysis.json: the result of a study with all that is needed to know what it is the result of."""

import platform
from importlib.metadata import version
from typing import Any

from studies.models import Study

from . import tables
from .results import Result, result

PACKAGES = ("numpy", "scipy", "pandas", "statsmodels")


def analyse(study: Study) -> tuple[Result, dict[str, Any]]:
    """The result of a study that was opened, and analysis.json's content: shares in [0, 1], null for undefined."""
    found = result(study, interim=True)
    return found, {
        "study": study.slug,
        "title": study.title,
        "protocol": study.protocol,
        "protocol_version": study.protocol_version,
        "state": study.state,
        "interim": study.state != Study.State.CLOSED,
        "opened_at": tables.iso(study.opened_at),
        "closed_at": study.closed_at and tables.iso(study.closed_at),
        "design_sha256": study.design_sha256,
        "stimuli_sha256": study.frozen["stimuli_sha256"],
        "consent_sha256": study.frozen["consent_sha256"],
        "seed": study.design["seed"],
        "headline": found.summary.headline,
        **found.summary.measures,
        "counts": found.counts,
        "versions": {"python": platform.python_version(), **{name: version(name) for name in PACKAGES}},
    }
