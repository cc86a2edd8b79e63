"""A stub of Prolific's API that follows its published description, faults and all, with people who take part.

What is approved, screened out or paid as a bonus stands in `paid`, a line for each payment: whoever is paid twice
stands there twice.  A bonus payment is made as often as it is asked for, as Prolific's description says.
"""

import json
import re
import threading
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from studies.recruiters.prolific_api import sign

TOKEN, SECRET, WORKSPACE = "a-token-of-tests", "a-secret-of-tests", "6a" * 12
STARTED, COMPLETED = "2026-11-01T10:00:00.000000Z", "2026-11-01T10:12:00.000000Z"
NEEDED = {
    "name",
    "description",
    "external_study_url",
    "prolific_id_option",
    "total_available_places",
    "estimated_completion_time",
    "reward",
}
TAKING_PLACES = ("ACTIVE", "AWAITING REVIEW", "APPROVED", "SCREENED OUT")


class Refused(Exception):
    def __init__(self, status: int, detail: str):
        super().__init__(detail)
        self.status, self.detail = status, detail


class ProlificStub:
    """The service.  `faults` has, by a pattern of method and path, what goes wrong, one for each request in turn:
    a status, `drop` (no answer, nothing done), `lose` (done, no answer), or `garbage`.
    """

    def __init__(self) -> None:
        self.studies: dict[str, dict[str, Any]] = {}
        self.rows: dict[str, dict[str, Any]] = {}
        self.batches: dict[str, dict[str, int]] = {}
        self.groups: dict[str, set[str]] = defaultdict(set)
        self.subscriptions: dict[str, dict[str, Any]] = {}
        self.paid: list[tuple[str, int]] = []
        self.paid_batches: Counter[str] = Counter()
        self.events: list[dict[str, Any]] = []
        self.asked: Counter[str] = Counter()
        self.faults: dict[str, list[Any]] = {}
        self.repeats_on_pages = False
        self.url = ""
        self._lock, self._n = threading.RLock(), 0

    def new_id(self, kind: str = "f") -> str:
        self._n += 1
        return f"{kind}{self._n:023x}"

    # --- people -------------------------------------------------------------------------------------------------------

    def open_to(self, study: str, person: str) -> bool:
        """Whether this person is shown the study and finds a place."""
        with self._lock:
            row = self.studies[study]
            taken = [one for one in self.rows.values() if one["study"] == study and one["status"] in TAKING_PLACES]
            full = len(taken) >= row["total_available_places"]
            again = any(one["study"] == study and one["participant_id"] == person for one in self.rows.values())
            for rule in row["filters"]:
                inside = any(person in self.groups[group] for group in rule["selected_values"])
                if inside is (rule["filter_id"] == "participant_group_blocklist"):
                    return False
            return row["status"] == "ACTIVE" and not full and not again

    def take(self, study: str, person: str) -> tuple[str, str]:
        """Begin a submission: its id, and the address that the person is sent to."""
        with self._lock:
            assert self.open_to(study, person)
            name = self.new_id("5")
            self.rows[name] = {"id": name, "study": study, "participant_id": person, "started_at": STARTED}
            self.rows[name] |= {
                "completed_at": None,
                "has_siblings": False,
                "study_code": None,
                "return_requested": None,
            }
            self._change(name, "ACTIVE")
            values = {"PROLIFIC_PID": person, "STUDY_ID": study, "SESSION_ID": name}
            address = self.studies[study]["external_study_url"]
            return name, re.sub(r"\{\{%(\w+)%\}\}", lambda found: values[found[1]], address)

    def complete(self, name: str, code: str) -> None:
        """Hand a submission in with a code; what follows on it happens."""
        with self._lock:
            row = self.rows[name]
            codes = {one["code"]: one["actions"] for one in self.studies[row["study"]]["completion_codes"]}
            row |= {"study_code": code, "completed_at": COMPLETED}
            for action in codes.get(code, [{"action": "MANUALLY_REVIEW"}]):
                match action["action"]:
                    case "FIXED_SCREEN_OUT_PAYMENT":
                        self._change(name, "SCREENED OUT", pays=action["fixed_screen_out_reward"])
                    case "ADD_TO_PARTICIPANT_GROUP":
                        self.groups[action["participant_group"]].add(row["participant_id"])
                    case "REQUEST_RETURN":
                        row["return_requested"] = COMPLETED
                        self._change(name, "AWAITING REVIEW")
                    case _:
                        self._change(name, "AWAITING REVIEW")

    def leave(self, name: str, status: str) -> None:
        """Return a submission, or let its time run out."""
        with self._lock:
            self._change(name, status)

    def _change(self, name: str, status: str, pays: int = 0) -> None:
        row = self.rows[name]
        row["status"] = status
        if pays:
            self.paid.append((name, pays))
        event = {"event_type": "submission.status.change", "resource_id": name, "status": status}
        self.events.append(event | {"study_id": row["study"], "participant_id": row["participant_id"]})

    def message(self, event: dict[str, Any], *, secret: str = SECRET, at: str = "1793000000") -> dict[str, Any]:
        """What is posted to us for an event, as keyword arguments of Django's test client."""
        body = json.dumps(event).encode()
        headers = {"X-Prolific-Request-Timestamp": at, "X-Event-ID": self.new_id("e")}
        headers["X-Prolific-Request-Signature"] = sign(secret, at, body).decode()
        return {"data": body, "content_type": "application/json", "headers": headers}

    # --- the API ------------------------------------------------------------------------------------------------------

    def answer(self, method: str, url: str, headers: Any, body: bytes) -> tuple[int, dict[str, str], bytes | None]:
        """Status, headers and body; None: the connection is closed without an answer."""
        with self._lock:
            path = urlsplit(url).path
            self.asked[f"{method} {path}"] += 1
            fault = next(
                (rest.pop(0) for name, rest in self.faults.items() if rest and re.search(name, f"{method} {path}")),
                None,
            )
            if fault == "drop":
                return 0, {}, None
            if isinstance(fault, int):
                return fault, {"Retry-After": "0"}, b'{"error": {"status": %d, "title": "Fault"}}' % fault
            more: dict[str, str] = {}
            try:
                if headers.get("Authorization") != f"Token {TOKEN}":
                    raise Refused(401, "Invalid token")
                query = {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}
                status, told = self._route(method, path, query, json.loads(body or b"null"), more)
            except Refused as error:
                told = {"error": {"status": error.status, "error_code": 1, "title": "Refused", "detail": error.detail}}
                status = error.status
            if fault == "lose":
                return 0, {}, None
            return status, more, b"<html>" if fault == "garbage" else json.dumps(told).encode()

    def _route(self, method: str, path: str, query: dict, body: Any, more: dict[str, str]) -> tuple[int, Any]:
        routes: dict[str, Callable[..., tuple[int, Any]]] = {
            r"POST /api/v1/studies/": lambda: self._draft(body),
            r"GET /api/v1/studies/(\w+)/": lambda study: (200, self._study(study)),
            r"POST /api/v1/studies/(\w+)/transition/": lambda study: self._move_study(study, body),
            r"GET /api/v1/submissions/": lambda: (200, {"results": self._page(query)}),
            r"POST /api/v1/submissions/bonus-payments/": lambda: self._set_up(body),
            r"POST /api/v1/bulk-bonus-payments/(\w+)/pay/": self._pay,
            r"POST /api/v1/submissions/(\w+)/transition/": lambda name: self._decide(name, body),
            r"POST /api/v1/submissions/(\w+)/request-return/": lambda name: self._request_return(name, body),
            r"POST /api/v1/participant-groups/": lambda: self._group(body),
            r"POST /api/v1/participant-groups/(\w+)/participants/": lambda group: self._join(group, body),
            r"POST /api/v1/hooks/subscriptions/": lambda: self._subscribe(body, more),
            r"POST /api/v1/hooks/subscriptions/(\w+)/": lambda name: self._confirm(name, body),
        }
        for route, serve in routes.items():
            if found := re.fullmatch(route, f"{method} {path}"):
                return serve(*found.groups())
        raise Refused(404, "Not found")

    def _study(self, study: str) -> dict[str, Any]:
        if study not in self.studies:
            raise Refused(404, "No such study")
        return self.studies[study]

    def _draft(self, body: dict[str, Any]) -> tuple[int, Any]:
        if missing := NEEDED - set(body):
            raise Refused(400, f"missing {sorted(missing)}")
        codes = [one["code"] for one in body["completion_codes"]]
        if len(set(codes)) < len(codes):
            raise Refused(400, "codes are not unique")
        for one in body["completion_codes"]:
            for action in one["actions"]:
                reward = action.get("fixed_screen_out_reward")
                if reward is not None and reward >= body["reward"]:
                    raise Refused(400, "the screen-out reward must be less than the reward")
        study = self.new_id("6")
        self.studies[study] = {"filters": [], **body, "id": study, "status": "UNPUBLISHED"}
        return 201, self.studies[study]

    def _move_study(self, study: str, body: dict[str, Any]) -> tuple[int, Any]:
        moves = {("UNPUBLISHED", "PUBLISH"): "ACTIVE", ("ACTIVE", "STOP"): "COMPLETED", ("ACTIVE", "PAUSE"): "PAUSED"}
        row = self._study(study)
        if (row["status"], body["action"]) not in moves:
            raise Refused(400, "this transition is not available")
        row["status"] = moves[row["status"], body["action"]]
        return 200, row

    def _page(self, query: dict[str, str]) -> list[dict[str, Any]]:
        rows = [row for row in self.rows.values() if row["study"] == query["study"]]
        page, size = int(query.get("page", 1)), int(query.get("page_size", 20))
        first = (page - 1) * size
        found = rows[first : first + size]
        if self.repeats_on_pages and page > 1 and found:
            found = [rows[first - 1], *found][:size]
        return [dict(row) for row in found]

    def _row(self, name: str) -> dict[str, Any]:
        if name not in self.rows:
            raise Refused(404, f"submission {name} was not found")
        return self.rows[name]

    def _decide(self, name: str, body: dict[str, Any]) -> tuple[int, Any]:
        row, action = self._row(name), body["action"]
        to = {"APPROVE": "APPROVED", "REJECT": "REJECTED"}[action]
        if row["status"] == to:
            return 200, row
        if row["status"] != "AWAITING REVIEW":
            raise Refused(400, f"submission {name} is {row['status']}")
        if action == "REJECT" and (len(body.get("message", "")) < 100 or not body.get("rejection_category")):
            raise Refused(400, "a rejection needs a category and a message of 100 letters")
        self._change(name, to, pays=self.studies[row["study"]]["reward"] if to == "APPROVED" else 0)
        return 200, row

    def _request_return(self, name: str, body: dict[str, Any]) -> tuple[int, Any]:
        if not body.get("request_return_reasons"):
            raise Refused(400, "a reason is needed")
        self._row(name)["return_requested"] = COMPLETED
        return 200, {"id": name, "status": self._row(name)["status"]}

    def _set_up(self, body: dict[str, Any]) -> tuple[int, Any]:
        amounts = {}
        for line in body["csv_bonuses"].splitlines():
            name, amount = line.split(",")
            if self._row(name)["study"] != body["study_id"]:
                raise Refused(400, f"{name} has not taken part")
            amounts[name] = round(100 * float(amount))
        batch = self.new_id("b")
        self.batches[batch] = amounts
        return 201, {"id": batch, "study": body["study_id"], "total_amount": sum(amounts.values())}

    def _pay(self, batch: str) -> tuple[int, Any]:
        if batch not in self.batches:
            raise Refused(404, "No such bonus payment")
        self.paid += list(self.batches[batch].items())
        self.paid_batches[batch] += 1
        return 202, None

    def _group(self, body: dict[str, Any]) -> tuple[int, Any]:
        if not body.get("workspace_id"):
            raise Refused(400, "a workspace is needed")
        group = self.new_id("a")
        self.groups[group] = set(body.get("participant_ids", ()))
        return 201, {"id": group, "name": body["name"]}

    def _join(self, group: str, body: dict[str, Any]) -> tuple[int, Any]:
        self.groups[group] |= set(body["participant_ids"])
        return 200, {"results": []}

    def _subscribe(self, body: dict[str, Any], more: dict[str, str]) -> tuple[int, Any]:
        name = self.new_id("d")
        self.subscriptions[name] = {**body, "confirmed": False}
        more["X-Hook-Secret"] = f"secret of {name}"
        return 201, {"id": name}

    def _confirm(self, name: str, body: dict[str, Any]) -> tuple[int, Any]:
        if body["secret"] != f"secret of {name}":
            raise Refused(400, "another secret")
        self.subscriptions[name]["confirmed"] = True
        return 200, None


@contextmanager
def serving(stub: ProlificStub) -> Iterator[ProlificStub]:
    """The stub at a port of this machine, `stub.url`, until the block ends."""

    class Handler(BaseHTTPRequestHandler):
        def _serve(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            status, more, told = stub.answer(self.command, self.path, self.headers, body)
            if told is None:
                self.close_connection = True
                return
            self.send_response(status)
            for name, value in {**more, "Content-Type": "application/json", "Content-Length": str(len(told))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(told)

        do_GET = do_POST = _serve  # noqa: N815 - as http.server calls them

        def log_message(self, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    stub.url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield stub
    finally:
        server.shutdown()
        server.server_close()


def use(stub: ProlificStub, settings: Any) -> None:
    """Have this installation ask the stub."""
    settings.PROLIFIC_URL, settings.PROLIFIC_TOKEN = stub.url, TOKEN
    settings.PROLIFIC_SECRET, settings.PROLIFIC_WORKSPACE = SECRET, WORKSPACE
