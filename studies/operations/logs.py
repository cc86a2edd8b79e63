"""What the program writes down of its work: one line a happening, without anything that opens a participant's page.

A participant's token is the only key to their page, and stands in its path; a recruiter's ids stand in the query of a
study's link.  They are taken out last, of the finished line with its traceback, so that it does not matter who wrote
the line.  Nothing here needs the rest of the application: logging is set up before it.
"""

import json
import logging
import re
from datetime import UTC, datetime
from typing import Any

#: What a recruiter sends along with a study's link: its ids of people.
ARRIVING = re.compile(r"(?i)((?:/|%2f)s(?:/|%2f)[^\s?\"'<>]*?(?:\?|%3f))(?!…)[^\s\"'<>]+")
#: The path of a participant's page, also inside another address; what stands for the token.
TOKEN = re.compile(r"(?i)((?:/|%2f)t(?:/|%2f))(?!…)[^/?#&%\s\"'<>]+")
HIDDEN = r"\1…"


def scrub(text: str) -> str:
    """The text without tokens, and without what recruiters call people."""
    return TOKEN.sub(HIDDEN, ARRIVING.sub(HIDDEN, text))


class TextFormatter(logging.Formatter):
    """A line to be read by people; a traceback follows on lines of its own."""

    def __init__(self) -> None:
        super().__init__("{asctime} {levelname} {name}: {message}", style="{")

    def format(self, record: logging.LogRecord) -> str:
        return scrub(super().format(record))


class JsonFormatter(logging.Formatter):
    """One JSON object a line.  Of a request there are the method, the route and the status; of a task its name, its id
    and, in the end, its seconds; of people nothing.
    """

    def format(self, record: logging.LogRecord) -> str:
        said: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
            "process": record.process,
        }
        if match := getattr(getattr(record, "request", None), "resolver_match", None):
            said |= {"method": record.request.method, "route": match.route}
        if status := getattr(record, "status_code", None):
            said["status"] = status
        # Celery's lines about a task; its arguments, ids too, are not among what is said.
        task = getattr(record, "data", None)
        if isinstance(task, dict) and {"id", "name"} <= task.keys():
            said |= {"task": task["name"], "task_id": task["id"]}
            if "runtime" in task:
                said["seconds"] = round(task["runtime"], 3)
        if record.exc_info:
            said["error"] = self.formatException(record.exc_info)
        return scrub(json.dumps(said, ensure_ascii=False, default=str))


class OneLineARefusal(logging.Filter):
    """No traceback of what was refused on purpose: a page that is forbidden, a request that is none."""

    def filter(self, record: logging.LogRecord) -> bool:
        if 400 <= getattr(record, "status_code", 0) < 500:
            record.exc_info = record.exc_text = None
        return True


def configuration(layout: str, level: str) -> dict[str, Any]:
    """Django's LOGGING: all lines of this process go to standard error in one layout, `text` or `json`.

    Handlers that other packages bring of their own are taken away, with them Django's mails about errors and gunicorn's
    access log as it would be: their lines go the same way.
    """
    here: dict[str, Any] = {"handlers": [], "propagate": True}
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {
            "text": {"()": "studies.operations.logs.TextFormatter"},
            "json": {"()": "studies.operations.logs.JsonFormatter"},
        },
        "filters": {"one_line_a_refusal": {"()": "studies.operations.logs.OneLineARefusal"}},
        "handlers": {
            "console": {"class": "logging.StreamHandler", "formatter": layout, "filters": ["one_line_a_refusal"]}
        },
        "root": {"handlers": ["console"], "level": level},
        "loggers": {
            **{name: {"level": "WARNING"} for name in ("axes", "httpx")},
            # What they are asked, keys and ids of people among it, is written down at no level.
            **{name: {"level": "WARNING"} for name in ("boto3", "botocore", "urllib3")},
            "django": {**here, "level": "INFO"},
            "django.server": {**here, "level": "WARNING"},
            "gunicorn.error": here,
            "gunicorn.access": {**here, "level": "INFO"},
        },
    }
