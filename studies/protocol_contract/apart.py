"""The contract in a process, a data folder and a database of its own, which are gone afterwards.

An installation that people take part in is not touched: no row, no file, no lock on its database.
"""

import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from studies.lib.errors import StudyError

ROOT = Path(__file__).parent.parent.parent
#: What would lead to the services of this installation, or to addresses that no made-up study has.
UNSET = (
    "DATABASE_URL",
    "BROKER_URL",
    "STORAGE_URL",
    "CACHE_URL",
    "SITE_URL",
    "ALLOWED_HOSTS",
    "PICTURES_URL",
    "FRAME_ANCESTORS",
)
#: What Django puts before the line of a command that failed.
FAILED = "CommandError: "


def check_apart(key: str, only: Sequence[str], say: Callable[[str], None]) -> tuple[int, str]:
    """Say a line for each property as it is known; the status, 0 where all hold, and the verdict in one line."""
    with tempfile.TemporaryDirectory(prefix="quorum-contract-") as folder:
        # The environment is the settings' to read; env(1) changes what the process is given.
        command = [
            "env",
            *(word for name in UNSET for word in ("-u", name)),
            f"DATA_DIR={folder}",
            "LOG_LEVEL=CRITICAL",
        ]
        command += [sys.executable, str(ROOT / "manage.py")]
        made = subprocess.run([*command, "migrate", "-v0"], capture_output=True, text=True)  # noqa: S603
        if made.returncode:
            raise StudyError(f"no database could be made for the check: {' '.join(made.stderr.split())}")
        command += ["check_protocol", key, "--in-place", *(["--only", *only] if only else [])]
        last = ""
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:  # noqa: S603
            try:
                for line in process.stdout:
                    if last:
                        say(last)
                    last = line.rstrip("\n")
            except BaseException:
                process.terminate()
                raise
        return process.returncode, last.removeprefix(FAILED) or f"{key}: the check ended without a word"
