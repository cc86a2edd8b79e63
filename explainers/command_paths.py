"""Paths on a command line, of this package's commands and of Quorum's."""

import argparse
from pathlib import Path


def path_of(text: str) -> Path:
    """The path that an argument is.  An empty one, as an unset variable of a shell leaves it, would be this folder."""
    if not text.strip():
        raise argparse.ArgumentTypeError("is empty; name a file or a folder (. is the one you are in)")
    return Path(text)
