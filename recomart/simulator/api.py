"""Serve the simulated shop's files through a small REST API with configurable faults, to test `shop fetch`.

`/users`, `/products` and `/transactions` return `{"data": [...], "total": n, "next": cursor or null}`, in pages of
page/per_page, offset/limit or cursor/limit, with a Link header while there is a next page. `/` lists the tables.
`GET /faults` shows the rates of faults, `PUT /faults` with a JSON object sets them (unnamed ones to 0).
"""

from __future__ import annotations

import csv
import hmac
import json
import logging
import random
import threading
import time
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, urlencode, urlsplit

from recomart_lib.core import files
from recomart_lib.core.config import suggestion
from recomart_lib.core.errors import UserError

log = logging.getLogger(__name__)

FAULTS = {
    "drop": "the connection closes in the middle of the response",
    "error": "500",
    "busy": "429 with Retry-After",
    "truncate": "the JSON ends too early; Content-Length matches the truncated body",
    "short": "valid JSON with fewer records than there should be",
    "repeat": "the previous page again, as from a faulty cache",
    "slow": "the response is delayed",
}
RETRY_AFTER_S = 1
SLOW_S = 1.0
SIZE, MAX_SIZE = 100, 10_000  # records per page: default, and maximum
CURSOR = "after-"
STYLES = {"page": {"page", "per_page"}, "offset": {"offset", "limit"}, "cursor": {"cursor", "limit"}}


class _BadRequestError(Exception):
    """A request that gets status 400 and this message."""


class _Window(NamedTuple):
    """Which records a request asks for, and in which style."""

    style: str
    start: int
    size: int


class _Sent(NamedTuple):
    """A sent page: its records, and the start of the next one (None: it was the last)."""

    records: list[bytes]
    window: _Window
    next_start: int | None


def serve(
    folder: Path,
    host: str = "127.0.0.1",
    port: int = 8765,
    token: str | None = None,
    faults: Mapping[str, float] | None = None,
    seed: int = 42,
) -> ThreadingHTTPServer:
    """Create a server of the folder's tables; it is bound, and serves once `serve_forever` is called.

    Parameters
    ----------
    folder
        Contains users.csv, products.json and transactions/*.csv, which are read now; CSV cells become strings.
    port
        0: any free port; see `server_address`.
    token
        The required bearer token; None or "": no authorization.
    faults
        Name of a fault (`FAULTS`) -> the share of responses that it affects, at most one fault per response.
    seed
        For the faults: the same requests in the same order get the same faults.

    Raises
    ------
    UserError
        If a file is missing or invalid, a fault unknown, or the port in use.
    """
    rates = rates_of(faults or {})
    tables = _tables(folder)
    try:
        server = _Server((host, port), _Handler)
    except OSError as problem:
        raise UserError(
            f"{host}:{port} cannot be used: {problem.strerror}. Choose another port: --port <number>"
        ) from None
    server.tables, server.token, server.rates, server.random = tables, token or "", rates, random.Random(seed)
    return server


def rates_of(faults: Any) -> dict[str, float]:
    """A rate for every fault, 0 by default.

    Raises
    ------
    UserError
        If a name is unknown or a rate not a number in [0, 1].
    """
    if not isinstance(faults, Mapping):
        raise UserError('Faults must be an object of names and rates, such as {"drop": 0.1}.')
    for name, rate in faults.items():
        if name not in FAULTS:
            raise UserError(f"There is no fault '{name}'. {suggestion(name, list(FAULTS))}")
        if type(rate) not in (int, float) or not 0 <= rate <= 1:
            raise UserError(f"Fault {name}: {rate!r} is not a rate between 0 and 1.")
    return {name: float(faults.get(name, 0)) for name in FAULTS}


def _tables(folder: Path) -> dict[str, list[bytes]]:
    """Table -> its records as JSON, ready to be sent: dicts would need too much memory."""
    try:
        products = json.loads((folder / "products.json").read_text(encoding="utf-8"))
        transactions = files.listed(folder / "transactions", "*.csv")
        if not transactions:
            raise FileNotFoundError("there are no transactions")
        return {
            "users": _csv_records(folder / "users.csv"),
            "products": [_json(product) for product in products],
            "transactions": [record for file in transactions for record in _csv_records(file)],
        }
    except (OSError, ValueError, csv.Error) as problem:
        raise UserError(
            f"{folder} does not contain the simulated shop's files: {problem}. Run: recomart simulate"
        ) from None


def _csv_records(path: Path) -> list[bytes]:
    with path.open(encoding="utf-8", newline="") as stream:
        return [_json(row) for row in csv.DictReader(stream)]


def _json(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode()


class _Server(ThreadingHTTPServer):
    """The tables, the faults, and the last page sent of each table."""

    tables: dict[str, list[bytes]]
    token: str
    rates: dict[str, float]
    random: random.Random

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.last: dict[str, _Sent] = {}
        self.lock = threading.Lock()

    def fault(self) -> str | None:
        """The fault of the next response, if any."""
        with self.lock:
            return next((name for name, rate in self.rates.items() if self.random.random() < rate), None)

    def page(self, table: str, window: _Window, fault: str | None) -> _Sent:
        """The page of a table's window, with faults of its content applied."""
        records = self.tables[table]
        stop = window.start + window.size
        page = _Sent(records[window.start : stop], window, stop if stop < len(records) else None)
        with self.lock:
            if fault == "repeat" and window.start > 0:
                return self.last.get(table, page)
            if fault == "short" and page.records:
                page = page._replace(records=page.records[: self.random.randrange(len(page.records))])
            if fault in (None, "short", "slow"):
                self.last[table] = page
        return page


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"  # keep-alive: every response has a Content-Length
    disable_nagle_algorithm = True  # otherwise the body waits 40 ms for the acknowledgement of the headers

    def do_GET(self) -> None:
        self._answer(self._get)

    def do_PUT(self) -> None:
        self._answer(self._put)

    def log_message(self, form: str, *values: Any) -> None:
        """To the log, not to the terminal."""
        log.debug(form, *values)

    def _answer(self, act: Any) -> None:
        address = urlsplit(self.path)
        try:
            body = self.rfile.read(_number(self.headers, "Content-Length", 0, 0))
            header, expected = self.headers.get("Authorization", ""), f"Bearer {self.server.token}"
            if (
                self.server.token
                and address.path != "/"
                and not hmac.compare_digest(header.encode(), expected.encode())
            ):
                self._send(401, {"error": "a bearer token is needed"}, {"WWW-Authenticate": "Bearer"})
            else:
                act(address.path, dict(parse_qsl(address.query, keep_blank_values=True)), body)
        except (_BadRequestError, UserError) as problem:
            self._send(400, {"error": str(problem)})

    def _get(self, path: str, query: dict[str, str], body: bytes) -> None:
        table = path.strip("/")
        if path == "/":
            self._send(200, {"tables": {name: len(records) for name, records in self.server.tables.items()}})
        elif path == "/faults":
            self._send(200, self.server.rates)
        elif table in self.server.tables:
            self._send_table(table, _window(query))
        else:
            self._send(404, {"error": f"there is no {path}"})

    def _put(self, path: str, query: dict[str, str], body: bytes) -> None:
        if path != "/faults":
            self._send(404, {"error": f"nothing can be set at {path}"})
            return
        try:
            faults = json.loads(body)
        except ValueError as problem:
            raise _BadRequestError(f"not valid JSON: {problem}") from None
        self.server.rates = rates_of(faults)
        self._send(200, self.server.rates)

    def _send_table(self, table: str, window: _Window) -> None:
        fault = self.server.fault()
        if fault == "error":
            self._send(500, {"error": "a fault, on purpose"})
            return
        if fault == "busy":
            self._send(429, {"error": "busy, on purpose"}, {"Retry-After": str(RETRY_AFTER_S)})
            return
        if fault == "slow":
            time.sleep(SLOW_S)
        page = self.server.page(table, window, fault)
        cursor = None if page.next_start is None else f"{CURSOR}{page.next_start}"
        total = len(self.server.tables[table])
        body = b'{"data": [%s], "total": %d, "next": %s}' % (b", ".join(page.records), total, _json(cursor))
        headers = {"Link": f'<{self._link(table, page)}>; rel="next"'} if cursor else {}
        if fault == "truncate":
            body = body[: len(body) // 2]
        self._send_body(200, body, headers, cut=fault == "drop")

    def _link(self, table: str, page: _Sent) -> str:
        style, _, size = page.window
        query = {
            "page": {"page": page.next_start // size + 1, "per_page": size},
            "offset": {"offset": page.next_start, "limit": size},
            "cursor": {"cursor": f"{CURSOR}{page.next_start}", "limit": size},
        }[style]
        return f"http://{self.headers.get('Host')}/{table}?{urlencode(query)}"

    def _send(self, status: int, answer: Any, headers: Mapping[str, str] | None = None) -> None:
        self._send_body(status, _json(answer), headers or {})

    def _send_body(self, status: int, body: bytes, headers: Mapping[str, str], cut: bool = False) -> None:
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", "Content-Length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.close_connection |= cut
        try:
            self.end_headers()
            self.wfile.write(body[: len(body) // 2] if cut else body)
        except OSError as problem:  # the client has disconnected
            log.debug("%s: %s", self.path, problem)
            self.close_connection = True


def _window(query: dict[str, str]) -> _Window:
    style = next((style for style in STYLES if style in query), "page" if "per_page" in query else "cursor")
    if unknown := set(query) - STYLES[style]:
        raise _BadRequestError(f"a page by {style} takes no {', '.join(sorted(unknown))}")
    size = _number(query, "per_page" if style == "page" else "limit", SIZE, 1, MAX_SIZE)
    if style == "page":
        return _Window(style, (_number(query, "page", 1, 1) - 1) * size, size)
    if style == "offset":
        return _Window(style, _number(query, "offset", 0, 0), size)
    cursor = query.get("cursor", f"{CURSOR}0")
    if not cursor.startswith(CURSOR):
        raise _BadRequestError("the cursor is invalid")
    return _Window(style, _number({"cursor": cursor.removeprefix(CURSOR)}, "cursor", 0, 0), size)


def _number(query: Mapping[str, str], name: str, default: int, least: int, most: int = 10**12) -> int:
    text = query.get(name, str(default))
    if not (text.isascii() and text.isdecimal() and len(text) < 14 and least <= int(text) <= most):
        raise _BadRequestError(f"{name}: a whole number of at least {least} is needed, at most {most}")
    return int(text)
