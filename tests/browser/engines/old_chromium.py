"""Chromium as it was in 2020 and in 2022, inside PyQt, driven over a pipe by `qt_window.py`."""

import base64
import json
import os
import subprocess
from pathlib import Path
from typing import Any

from tests import requirements

from .display import Display

#: Debian's own: it has Debian's PyQt, which an environment of ours does not see.
PYTHON = "/usr/bin/python3"
WINDOW = Path(__file__).with_name("qt_window.py")
#: Looks for the first frame, 20 ms apart.
FRAMES = 500


class _OldChromium:
    qt: str

    def __init__(self) -> None:
        module = f"PyQt{self.qt}.QtWebEngineWidgets"
        imports = [PYTHON, "-c", f"import {module}"]
        if not Path(PYTHON).exists() or subprocess.run(imports, check=False, capture_output=True).returncode:
            requirements.missing(f"no {module}", f"Install Debian's python3-pyqt{self.qt}.qtwebengine.")
        self._display = Display()
        environment = {**os.environ, "DISPLAY": self._display.name, "QTWEBENGINE_DISABLE_SANDBOX": "1"}
        environment["QTWEBENGINE_CHROMIUM_FLAGS"] = "--disable-gpu --no-first-run --ignore-certificate-errors"
        environment.pop("PYTHONPATH", None)
        self._process = subprocess.Popen(
            [PYTHON, str(WINDOW), self.qt],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env=environment,
        )

    def _ask(self, what: str, *values: Any) -> Any:
        print(json.dumps([what, *values]), file=self._process.stdin, flush=True)
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"Chromium in PyQt{self.qt} ended at {what} {values}")
        reply = json.loads(line)
        if "error" in reply:
            raise RuntimeError(reply["error"])
        return reply["value"]

    def open(self, url: str) -> None:
        self._ask("open", url)

    def js(self, expression: str) -> Any:
        return self._ask("js", expression)

    def click(self, selector: str) -> None:
        where = f"document.querySelector({json.dumps(selector)})"
        self.js(f"{where}.scrollIntoView({{block: 'nearest'}})")
        self._wait_until_drawn()
        middle = f"((box) => [box.x + box.width / 2, box.y + box.height / 2])({where}.getBoundingClientRect())"
        self._ask("click", *self.js(middle))

    def _wait_until_drawn(self) -> None:
        """Chromium drops what is clicked before a page’s first frame, which may come long after its load."""
        self.js("requestAnimationFrame(() => requestAnimationFrame(() => (window.drawn = true)))")
        for _ in range(FRAMES):
            if self.js("window.drawn === true"):
                return
            self._ask("pause", 20)

    def press(self, key: str) -> None:
        self._ask("press", key)

    def resize(self, width: int, height: int) -> None:
        self._ask("resize", width, height)

    def into_frame(self) -> None:
        """Qt gives scripts the outer page alone."""
        raise NotImplementedError

    def picture(self) -> bytes:
        return base64.b64decode(self._ask("picture"))

    def close(self) -> None:
        self._process.kill()
        self._process.wait()
        self._display.close()


class Chromium87(_OldChromium):
    qt = "5"


class Chromium102(_OldChromium):
    qt = "6"
