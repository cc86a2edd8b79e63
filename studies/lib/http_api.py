"""Asking another service over HTTP: with a time limit, again where that does no harm, in one line where it fails."""

import re
import time
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import httpx

from .errors import StudyError, one_line

#: Seconds for each step of one request, and for one call with all its tries and pauses.
TIMEOUT, PATIENCE = 20.0, 60.0
TRIES = 4
PAGE, MOST_PAGES = 100, 1000
TOO_MANY = 429
#: The service is away, or starting again.
AWAY = (500, 502, 503, 504)
LONGEST_REASON = 200


class ServiceError(StudyError):
    """The service refused, or could not be reached; nothing was done."""


class OutcomeUnknown(StudyError):
    """The request was sent and no answer came: whether it was done is not known."""


class Api:
    """One service.

    Args:
        name: how it is called in messages.
        url: where it is, without a slash at its end.
        headers: sent with each request, such as a token; no message shows them.
        hidden: what no message may show, such as ids of people.
    """

    def __init__(self, name: str, url: str, headers: Mapping[str, str], *, hidden: re.Pattern[str]):
        self.name, self.url, self.headers, self.hidden = name, url, dict(headers), hidden

    def get(self, path: str, **params: Any) -> Any:
        """The JSON at a path.

        Raises:
            ServiceError: in one line.
        """
        return self._call("GET", path, params=params).json

    def pages(self, path: str, **params: Any) -> Iterator[dict[str, Any]]:
        """The results of all pages, in the order in which they come; one that stands on two pages comes twice."""
        for page in range(1, MOST_PAGES + 1):
            results = self.get(path, page=page, page_size=PAGE, **params).get("results") or []
            yield from results
            if len(results) < PAGE:
                return
        raise ServiceError(f"{self.name} has more than {MOST_PAGES:,} pages of it")

    def post(self, path: str, body: Any = None, *, again: bool) -> "Reply":
        """What comes back from sending JSON.

        Args:
            again: whether doing it twice is the same as doing it once; otherwise it is sent once.

        Raises:
            ServiceError: it was not done.
            OutcomeUnknown: it was sent once, and no answer came.
        """
        return self._call("POST", path, body=body, again=again)

    def _call(
        self, method: str, path: str, *, params: Mapping[str, Any] | None = None, body: Any = None, again: bool = True
    ) -> "Reply":
        began, problem = time.monotonic(), ""
        with httpx.Client(timeout=TIMEOUT, headers=self.headers) as client:
            for attempt in range(TRIES):
                wait = 2.0**attempt
                try:
                    response = client.request(method, self.url + path, params=params, json=body)
                except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as error:
                    problem = f"{self.name} cannot be reached: {self._hide(one_line(error))}"
                except httpx.HTTPError as error:
                    problem = f"{self.name} did not answer: {self._hide(one_line(error))}"
                    if not again:
                        raise OutcomeUnknown(problem) from None
                else:
                    if response.status_code not in (TOO_MANY, *AWAY):
                        return self._reply(response)
                    problem = f"{self.name} answers {response.status_code}"
                    if response.status_code == TOO_MANY:
                        wait = max(wait, retry_after(response.headers.get("Retry-After", "")))
                        problem = f"{self.name} asks to wait {wait:.0f} seconds"
                    elif not again:
                        raise OutcomeUnknown(problem)
                if attempt + 1 == TRIES or time.monotonic() - began + wait > PATIENCE:
                    break
                pause(wait)
        raise ServiceError(problem)

    def _reply(self, response: httpx.Response) -> "Reply":
        if response.is_success:
            try:
                return Reply(response.json() if response.content else None, response.headers)
            except ValueError:
                # Some answer in words where there is nothing to say.
                return Reply(None, response.headers)
        raise ServiceError(f"{self.name} refuses ({response.status_code}): {self._reason(response)}")

    def _reason(self, response: httpx.Response) -> str:
        try:
            told = response.json()
            error = told.get("error", told) if isinstance(told, dict) else told
            text = f"{error.get('title', '')} {error.get('detail', '')}" if isinstance(error, dict) else str(error)
        except ValueError:
            text = response.reason_phrase
        return self._hide(" ".join(text.split()))[:LONGEST_REASON] or "it says no reason"

    def _hide(self, text: str) -> str:
        for secret in self.headers.values():
            text = text.replace(secret, "…")
        return self.hidden.sub("…", text)


class Reply:
    """What a service answered: its JSON, None where there is none, and its headers."""

    def __init__(self, json: Any, headers: Mapping[str, str]):
        self.json, self.headers = json, headers


def pause(seconds: float) -> None:
    """Wait between two tries."""
    time.sleep(seconds)


def retry_after(value: str) -> float:
    """The seconds that a Retry-After header asks for, as a number or a date; 0 where it asks for none (RFC 9110)."""
    if re.fullmatch(r"[0-9]{1,6}", value.strip()):
        return float(value)
    try:
        until = parsedate_to_datetime(value)
    except ValueError:
        return 0.0
    return max(0.0, (until.replace(tzinfo=until.tzinfo or UTC) - datetime.now(UTC)).total_seconds())
