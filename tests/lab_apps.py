"""Apps of others: the examples of the documentation as a Django app, and how to install one while a test runs."""

import re
import sys
from collections.abc import Mapping
from pathlib import Path

from studies import protocols, recruiters

HOW_TO = Path(__file__).parents[1] / "docs" / "how-to"
PAGES = (HOW_TO / "add-a-protocol.md", HOW_TO / "a-forced-choice.md")
APP = "ourlab"
LABEL_CHECK = f"{APP}/protocols/label_check.py"


def documented() -> dict[str, str]:
    """The files of the examples, by the path that the documentation gives them."""
    files = {f"{APP}/__init__.py": "", f"{APP}/protocols/__init__.py": ""}
    for page in PAGES:
        named = re.findall(r"^`([^`\s]+)`\n\n```\w+\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL)
        files |= dict(named)
    return files


def write(folder: Path, files: Mapping[str, str]) -> None:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)


def forget(app: str = APP) -> None:
    """Have nothing of the app in mind any more: neither its modules nor what was found in them."""
    for module in [name for name in sys.modules if name == app or name.startswith(f"{app}.")]:
        del sys.modules[module]
    for registry in (protocols, recruiters):
        registry.available.cache_clear()
