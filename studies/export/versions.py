"""The versions of everything that computed a study: Quorum, Python, and the libraries it is installed with."""

import platform
import re
import tomllib
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from django.conf import settings

from studies import protocols
from studies.models import Study

REQUIREMENTS = ("requirements.txt", "requirements-networks.txt")


def quorum() -> str:
    """Quorum's own version, as its project file has it."""
    try:
        return tomllib.loads((Path(settings.BASE_DIR) / "pyproject.toml").read_text())["project"]["version"]
    except (OSError, KeyError, tomllib.TOMLDecodeError):
        return "unknown"


def versions(study: Study) -> dict[str, Any]:
    """Of Quorum, of the study's protocol, of Python, and of each library that requirements name and that is here."""
    return {
        "quorum": quorum(),
        "protocol": {"key": study.protocol, "version": study.protocol_version},
        "protocol_installed": protocols.get(study.protocol).version,
        "python": platform.python_version(),
        "platform": {"system": platform.system(), "machine": platform.machine()},
        "device": settings.DEVICE,
        "libraries": dict(sorted(_libraries())),
    }


def _libraries() -> list[tuple[str, str]]:
    found = []
    for file in REQUIREMENTS:
        path = Path(settings.BASE_DIR) / file
        for line in path.read_text().splitlines() if path.exists() else ():
            if name := re.match(r"[A-Za-z][\w.-]*", line):
                try:
                    found.append((name[0], version(name[0])))
                except PackageNotFoundError:
                    continue
    return found
