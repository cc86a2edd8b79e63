"""Libraries that take seconds to load, loaded before somebody waits for them.

Pages that draw or simulate load them where they are used, so that web processes start fast and those that serve
participants alone stay small.  The first request for a page of the desk has the rest of them loaded beside it.
"""

import importlib
import logging
import threading
from collections.abc import Callable, Iterable
from typing import Any

log = logging.getLogger(__name__)

LIBRARIES = (
    "matplotlib.figure",
    "matplotlib.backends.backend_svg",
    "pandas",
    "studies.analysis.power",
    "studies.results.result",
)
DESK = "/admin/"

Application = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


def load() -> None:
    """All of them, one after the other; what cannot be loaded is said where it is used."""
    for name in LIBRARIES:
        try:
            importlib.import_module(name)
        except ImportError:
            log.warning("%s cannot be loaded", name, exc_info=True)


def with_the_first_page_of_the_desk(application: Application) -> Application:
    """The application, which begins to load them, once, when a page of the desk is asked for."""
    begun = threading.Lock()

    def serve(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        if environ.get("PATH_INFO", "").startswith(DESK) and begun.acquire(blocking=False):
            threading.Thread(target=load, name="loading libraries", daemon=True).start()
        return application(environ, start_response)

    return serve
