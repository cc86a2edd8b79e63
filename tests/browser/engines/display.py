"""A screen that nobody sees, for browsers that want one."""

import os
import shutil
import subprocess

from tests import requirements


class Display:
    """An X server of its own; `name` is what DISPLAY has to be."""

    def __init__(self) -> None:
        if not shutil.which("Xvfb"):
            requirements.missing("no Xvfb", "Install Debian's xvfb.")
        reading, writing = os.pipe()
        screen = ["Xvfb", "-displayfd", str(writing), "-screen", "0", "1600x1400x24", "-nolisten", "tcp"]
        self._process = subprocess.Popen(screen, pass_fds=[writing], stderr=subprocess.DEVNULL)
        os.close(writing)
        with os.fdopen(reading) as said:
            self.name = f":{said.readline().strip()}"

    def close(self) -> None:
        self._process.terminate()
        self._process.wait()
