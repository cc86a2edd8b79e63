"""Browsers other than the tests' Chromium, each driven in its own way behind the same few methods.

They come from Debian and PyPI alone: Firefox by Marionette, WebKit by its WebDriver, and two Chromiums of 2020 and 2022
inside PyQt. `.ci/run` installs them; elsewhere what is missing is skipped with one line.
"""

from collections.abc import Callable
from typing import Any, Protocol

from .firefox import Firefox
from .old_chromium import Chromium87, Chromium102
from .webkit import WebKit


class Engine(Protocol):
    """One window of a browser that was just installed.  Clicks and keys are the browser's own, not a script's."""

    def open(self, url: str) -> None: ...

    def js(self, expression: str) -> Any:
        """The value of an expression, as JSON knows it, in the frame that was chosen."""

    def click(self, selector: str) -> None: ...

    def press(self, key: str) -> None:
        """A letter, or Enter, Tab or Escape."""

    def resize(self, width: int, height: int) -> None:
        """So many CSS pixels for the page itself."""

    def into_frame(self) -> None:
        """What follows is about the page in the first frame."""

    def picture(self) -> bytes:
        """A PNG of what the window shows."""

    def close(self) -> None: ...


#: By name; each is a class that starts one, or says what is missing.
ENGINES: dict[str, Callable[[], Engine]] = {
    "firefox": Firefox,
    "webkit": WebKit,
    "chromium-87": Chromium87,
    "chromium-102": Chromium102,
}
