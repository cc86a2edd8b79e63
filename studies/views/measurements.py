"""What a page measured of an answer, as it sends it: nothing that cannot be a measurement is taken for one."""

import re
from collections.abc import Mapping
from typing import Any

from django.http import HttpRequest

from studies.lib.client_browser import browser_of
from studies.participation import Measured

from .pages import FORM_AGE

#: No picture is looked at for longer; what a page claims beyond this is no measurement.
LONGEST_RESPONSE_MS = int(FORM_AGE.total_seconds() * 1000)
COUNTS = ("response_ms", "away_ms", "hidden_count", "blur_count")
#: What a page sends that looked whether it was translated.
TRANSLATED = {"0": False, "1": True}
#: Of how pictures were shown, and the largest that can be: CSS pixels, device pixels for each, and zoom by two fingers.
SIZES = {"shown_width": 20_000, "shown_height": 20_000, "smallest_width": 20_000, "pixel_ratio": 50, "zoom": 50}


def recorded_sizes(design: Mapping[str, Any]) -> tuple[str, ...]:
    """The measurements of sizes that pages of this design are asked for."""
    return tuple(SIZES) if design.get("record_display") else ()


def measured(request: HttpRequest, design: Mapping[str, Any], evidence: Mapping[str, Any] | None = None) -> Measured:
    """The measurements sent with an answer; None for one that was not sent, or that people did not agree to."""
    sizes = {name: _size(request.POST.get(name, ""), SIZES[name]) for name in recorded_sizes(design)}
    browser = browser_of(request.headers.get("User-Agent", "")) if design.get("record_display") else ""
    counts = {name: _count(request.POST.get(name, "")) for name in COUNTS}
    translated = TRANSLATED.get(request.POST.get("translated", ""))
    return Measured(**counts, translated=translated, **sizes, browser=browser, evidence=evidence)


def _count(text: str) -> int | None:
    if not re.fullmatch(r"[0-9]{1,9}", text) or int(text) > LONGEST_RESPONSE_MS:
        return None
    return int(text)


def _size(text: str, most: int) -> float | None:
    if not re.fullmatch(r"[0-9]{1,5}(\.[0-9]{1,2})?", text) or not 0 < float(text) <= most:
        return None
    return float(text)
