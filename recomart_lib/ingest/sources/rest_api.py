"""Fetch a table of `kind: rest`: all pages of an API into one JSON Lines file, completely or not at all.

Networks drop, repeat and truncate responses. A response that is recognisably wrong is requested again, with growing
pauses and within limits (params.yaml: ingest). If it stays wrong, the fetch fails and the previous file is kept.
"""

from __future__ import annotations

import hashlib
import json
import logging
import math
import os
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import partial
from pathlib import Path
from typing import Any, NoReturn
from urllib.parse import unquote, unquote_plus

import httpx
from tenacity import RetryCallState, RetryError, Retrying, retry_if_exception_type, wait_exponential_jitter
from tqdm.auto import tqdm

from recomart_lib.core.errors import UserError
from recomart_lib.core.shop_api import Api, Pagination
from recomart_lib.core.shops import Shop
from recomart_lib.ingest.settings import Ingest

log = logging.getLogger(__name__)
logging.getLogger("httpx").setLevel(logging.WARNING)  # otherwise it logs every URL, possibly with secrets

RETRIED = {408, 425, 429}  # and all from 500: errors that may be temporary
BACKOFF = wait_exponential_jitter(initial=0.5, max=30, jitter=0.5)  # seconds
_sleep = time.sleep


@dataclass(frozen=True)
class FetchResult:
    """The result of fetching one table. `retries`: repeated requests; `waited_s`: seconds of pauses before them."""

    table: str
    url: str
    records: int
    pages: int
    requests: int
    retries: int
    waited_s: float
    seconds: float


def check(shop: Shop) -> None:
    """Raise a `UserError` if a table needs an API whose secret is not set; sends no request."""
    if any(table.kind == "rest" for table in shop.tables.values()):
        _secret(shop)


def download(shop: Shop, table: str, folder: Path, settings: Ingest) -> FetchResult:
    """Fetch all pages of one table into `<folder>/<table>.jsonl`: one record per line, in the API's order.

    A page is requested again if the server or the connection fails, if it is not JSON of the declared form, if it
    repeats another page's records, or if it is too short. A page is known to be too short if pages are numbered (a page
    before the last one is not full) or if responses contain the total. With offsets, the next request starts after the
    records received. With cursors and links, a truncated but well-formed page is noticed only by the total at the end:
    declare `api.total` if the API returns it.

    Parameters
    ----------
    settings
        `timeout_s`: request timeout in seconds; `max_attempts`: requests per page; `retry_budget_s`: total seconds
        that the retries of this table may wait.

    Raises
    ------
    UserError
        If the secret is not set, the API rejects a request, the limits are reached, or the table is incomplete. The
        file of an earlier fetch then stays unchanged.
    """
    address, secret = _address(shop, table), _secret(shop)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with _client(shop.api, secret, settings) as client:
            session = _Session(client, shop, table, settings, address, secret)
            pages, records = _save(session, folder / f"{table}.jsonl")
    except OSError as problem:
        raise UserError(f"Table '{table}' could not be written to {folder}: {problem}") from None
    seconds = time.monotonic() - session.began
    retries = session.requests - len(session.requested)
    log.info("%s: %s records in %s pages, %s retries, %.1f s", table, records, pages, retries, seconds)
    return FetchResult(
        table, session.redacted(address), records, pages, session.requests, retries, session.waited, seconds
    )


class TransientError(Exception):
    """A problem that a retry may solve; `retry_after`: the number of seconds that the server asks to wait."""

    def __init__(self, problem: str, retry_after: float | None = None) -> None:
        super().__init__(problem)
        self.retry_after = retry_after


@dataclass(frozen=True)
class _Page:
    """One response: its `n` records as JSON Lines, the total that it states, and the URL of the next page."""

    lines: bytes
    n: int
    total: int | None
    next: httpx.URL | None


MinRecords = Callable[[int | None], float]  # total -> minimum number of records of a page


def _full_or_rest(size: float, before: int) -> MinRecords:
    """The minimum for a page of `size` after `before` records: full, or all remaining ones; 0 without a total."""
    return lambda total: 0 if total is None else min(size, total - before)


def _no_minimum(total: int | None) -> float:
    return 0


@dataclass
class _Session:
    """The requests for one table: retries, limits and what was received so far."""

    client: httpx.Client
    shop: Shop
    table: str
    settings: Ingest
    address: httpx.URL
    secret: str
    requests: int = 0
    waited: float = 0.0  # seconds
    began: float = field(default_factory=time.monotonic)
    requested: set[httpx.URL] = field(default_factory=set)
    received: dict[bytes, httpx.URL] = field(default_factory=dict)  # hash of a page's records -> its URL

    def get(self, url: httpx.URL, min_records: MinRecords = _no_minimum) -> _Page:
        """The page at `url`, with retries within the limits."""
        retrying = Retrying(
            retry=retry_if_exception_type(TransientError),
            wait=self._wait,
            stop=self._is_over_limit,
            before_sleep=self._log_retry,
            sleep=self._pause,
        )
        try:
            return retrying(self._request, url, min_records)
        except RetryError as stopped:
            self._give_up(url, stopped.last_attempt.attempt_number, stopped.last_attempt.exception())

    def redacted(self, text: object) -> str:
        """A URL or foreign message without secrets."""
        if isinstance(text, httpx.URL):
            text = text.copy_with(userinfo=b"")
        return _without(self.secret, str(text))

    def _request(self, url: httpx.URL, min_records: MinRecords) -> _Page:
        self.requests += 1
        self.requested.add(url)
        try:
            response = self.client.get(url)
        except (httpx.TransportError, httpx.DecodingError) as problem:
            raise TransientError(self.redacted(f"{type(problem).__name__} {problem}".strip())) from None
        self._check_status(response, url)
        page = _page(response, self)
        if page.n < min_records(page.total):
            raise TransientError(
                f"it has {page.n} records instead of {min_records(page.total)} (is api.pagination.size right?)"
            )
        fingerprint = hashlib.blake2b(page.lines).digest()
        if page.n and self.received.setdefault(fingerprint, url) != url:
            other = self.redacted(self.received[fingerprint])
            raise TransientError(
                f"it has the same records as {other} (a cache, or is api.pagination wrong for this API?)"
            )
        return page

    def _check_status(self, response: httpx.Response, url: httpx.URL) -> None:
        status = response.status_code
        if response.is_success:
            return
        if status in RETRIED or status >= 500:
            wait = retry_after(response)
            raise TransientError(
                status_of(response) + ("" if wait is None else f", asking to wait {wait:,.0f} s"), wait
            )
        where, shop = self.redacted(response.headers.get("location", "nowhere")), f"shops/{self.shop.name}.yaml"
        auth = self.shop.api.auth
        question = (
            f"is the secret in {auth.env} right and allowed to read this?" if auth else f"{shop} has no api.auth."
        )
        hints = {401: question, 403: question, 404: f"are api.url and tables.{self.table}.path right in {shop}?"}
        redirect = f"it redirects to {where}; if that is right, set api.url in {shop} to it."
        hint = redirect if status < 400 else hints.get(status, f"are api.url and api.pagination right in {shop}?")
        raise UserError(
            f"{self.redacted(url)} returned {status_of(response)}: {hint} Nothing of '{self.table}' was ingested."
        )

    def _wait(self, state: RetryCallState) -> float:
        requested_wait = state.outcome.exception().retry_after
        return min(BACKOFF(state), self._left()) if requested_wait is None else requested_wait

    def _left(self) -> float:
        return max(0.0, self.settings.retry_budget_s - self.waited)

    def _is_over_limit(self, state: RetryCallState) -> bool:
        left = self._left()
        return state.attempt_number >= self.settings.max_attempts or left <= 0 or state.upcoming_sleep > left

    def _log_retry(self, state: RetryCallState) -> None:
        attempts, fault = f"{state.attempt_number} of {self.settings.max_attempts}", state.outcome.exception()
        log.warning(
            "%s: attempt %s at %s failed: %s; retrying in %.1f s",
            self.table,
            attempts,
            self.redacted(state.args[0]),
            fault,
            state.upcoming_sleep,
        )

    def _pause(self, seconds: float) -> None:
        _sleep(seconds)
        self.waited += seconds

    def _give_up(self, url: httpx.URL, attempts: int, fault: TransientError) -> NoReturn:
        seconds, left = time.monotonic() - self.began, self._left()
        excess = f", more than the {left:.0f} s left to wait" if (fault.retry_after or 0) > left else ""
        raise UserError(
            f"{self.redacted(url)}: given up after {attempts} attempt(s); table '{self.table}' took {seconds:.0f} s so "
            f"far, {self.waited:.0f} s of them waiting. The last problem: {fault}{excess}. Nothing was ingested. Try "
            f"again later, or raise ingest.max_attempts = {self.settings.max_attempts} or ingest.retry_budget_s = "
            f"{self.settings.retry_budget_s:g}."
        ) from None


def _address(shop: Shop, table: str) -> httpx.URL:
    """The table's URL with all parameters except the page."""
    text = f"{shop.api.url.rstrip('/')}/{shop.table(table).path}"
    try:
        url = httpx.URL(text)
    except httpx.InvalidURL as problem:
        raise UserError(
            f"shops/{shop.name}.yaml: api.url with tables.{table}.path is not a valid URL: {problem}."
        ) from None
    if not url.host or (url.port or 0) > 65_535:
        raise UserError(
            f"shops/{shop.name}.yaml: api.url '{url.copy_with(userinfo=b'')}' has no valid server and port."
        )
    return _sized(url, shop.api.pagination)


def _sized(url: httpx.URL, paging: Pagination) -> httpx.URL:
    return url.copy_merge_params({paging.size_parameter: paging.size}) if paging.size_parameter else url


def _secret(shop: Shop) -> str:
    """The value of api.auth's environment variable; "" without api.auth."""
    auth = shop.api.auth
    if auth is None:
        return ""
    secret = os.environ.get(auth.env, "")
    if not secret:
        raise UserError(
            f"The environment variable {auth.env} is not set; shops/{shop.name}.yaml reads the API's secret from it "
            f"(api.auth.env). Set it where you start the pipeline: export {auth.env}=<secret>"
        )
    if secret != secret.strip() or not (secret.isascii() and secret.isprintable()):
        raise UserError(
            f"The environment variable {auth.env} is not a valid header value: it contains a line break, a space at "
            "one end, or a character that is not ASCII. Set it again."
        )
    return secret


def _without(secret: str, text: str) -> str:
    """The text with stars for the secret, even if a URL escapes some of its characters."""
    forms = (form for form in (unquote(text), unquote_plus(text), text) if secret in form)
    return next(forms, text).replace(secret, "***") if secret else text


def _client(api: Api, secret: str, settings: Ingest) -> httpx.Client:
    headers = {"Accept": "application/json", "User-Agent": "recomart"}
    if api.auth:
        headers[api.auth.header] = api.auth.prefix + secret
    try:
        return httpx.Client(headers=headers, timeout=settings.timeout_s)
    except (OSError, ValueError, ImportError, httpx.InvalidURL) as problem:
        reason = _without(secret, str(problem))
        raise UserError(
            f"No connection is possible with the current proxy, certificates or api.auth: {reason}"
        ) from None


def status_of(response: httpx.Response) -> str:
    return f"{response.status_code} {response.reason_phrase}".strip()


def retry_after(response: httpx.Response) -> float | None:
    """Seconds until the moment in the `Retry-After` header; None without a valid one."""
    text = response.headers.get("retry-after", "").strip()
    if re.fullmatch(r"[0-9]{1,9}", text):
        return float(text)
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return max(0.0, (moment - datetime.now(UTC)).total_seconds())


def _page(response: httpx.Response, session: _Session) -> _Page:
    """The response as a page; a `TransientError` if it does not have the declared form."""
    api = session.shop.api
    try:
        content = json.loads(response.content)
        records = _records(content, api.records)
        lines = b"".join(map(_line, records))
    except (ValueError, RecursionError) as problem:
        raise TransientError(f"the response is not valid JSON ({problem})") from None
    total = None if api.total is None else _member(content, api.total, "total")
    if total is not None and (type(total) is not int or total < 0):
        raise TransientError(f"its '{api.total}' (api.total) is not a number of records")
    return _Page(lines, len(records), total, _next(response, content, session))


def _records(content: Any, key: str | None) -> list[dict]:
    records = content if key is None else _member(content, key, "records")
    if not isinstance(records, list):
        where = "the response" if key is None else f"its '{key}'"
        raise TransientError(f"{where} is not a list of records (api.records names the key of the list)")
    if not all(isinstance(record, dict) for record in records):
        raise TransientError("it contains records that are not JSON objects")
    return records


def _member(content: Any, key: str, ours: str) -> Any:
    if not isinstance(content, dict) or key not in content:
        keys = ", ".join(map(repr, list(content)[:10])) if isinstance(content, dict) else "no object"
        raise TransientError(f"the response has no key '{key}' (api.{ours}); found: {keys or 'none'}")
    return content[key]


def _line(record: dict) -> bytes:
    try:
        return json.dumps(record, ensure_ascii=False).encode() + b"\n"
    except UnicodeEncodeError:  # half of a surrogate pair, which JSON can express and UTF-8 cannot
        return json.dumps(record).encode() + b"\n"


def _next(response: httpx.Response, content: Any, session: _Session) -> httpx.URL | None:
    """The URL of the next page, for the styles whose responses contain it."""
    style = session.shop.api.pagination.style
    try:
        if style == "cursor":
            return _after_cursor(content, session)
        return _after_link(response, session) if style == "link" else None
    except httpx.InvalidURL as problem:
        raise TransientError(
            session.redacted(f"its reference to the next page is not a valid URL ({problem})")
        ) from None


def _after_link(response: httpx.Response, session: _Session) -> httpx.URL | None:
    link = _link(response.headers.get("link", ""))
    if link is None:
        return None
    url = _sized(response.url.join(link), session.shop.api.pagination)
    if (url.scheme, url.host, url.port) != (session.address.scheme, session.address.host, session.address.port):
        raise UserError(
            f"{session.redacted(response.url)}: its Link leads to another server, {session.redacted(url)}, "
            f"which must not get the secret. If it is right, set api.url in shops/{session.shop.name}.yaml to it."
        )
    return url


def _link(header: str) -> str | None:
    """The URL with the relation `next` in a Link header."""
    for address, parameters in re.findall(r"<([^>]*)>([^<]*)", header):
        relation = re.search(r';\s*rel\s*=\s*"?([^";,]*)', parameters, re.IGNORECASE)
        if relation and "next" in relation[1].lower().split():
            return address
    return None


def _after_cursor(content: Any, session: _Session) -> httpx.URL | None:
    paging = session.shop.api.pagination
    if not isinstance(content, dict):
        raise TransientError(f"the response is not an object and cannot contain '{paging.next}' (api.pagination.next)")
    if paging.next not in content and not session.received:
        log.warning(
            "%s: the first response has no key '%s' (api.pagination.next): assuming that there is only one page",
            session.table,
            paging.next,
        )
    cursor = content.get(paging.next)
    if cursor is None or cursor is False or cursor == "":
        return None
    if type(cursor) not in (str, int):
        raise TransientError(f"its '{paging.next}' (api.pagination.next) is not a value for '{paging.parameter}'")
    return session.address.copy_merge_params({paging.parameter: cursor})


def _save(session: _Session, target: Path) -> tuple[int, int]:
    """Write all pages, and replace the file once the table is complete; returns (pages, records)."""
    temporary = target.with_name(f".{target.name}.unfinished")
    n_pages = n_records = 0
    bar = partial(tqdm, desc=f"fetching {session.table}", unit="records", disable=None)
    try:
        with temporary.open("wb") as stream, bar() as progress:
            for page in PAGES[session.shop.api.pagination.style](session):
                stream.write(page.lines)
                n_pages, n_records = n_pages + (page.n > 0), n_records + page.n
                progress.total = page.total
                progress.update(page.n)
        if page.total not in (None, n_records):
            raise UserError(
                f"{session.redacted(session.address)}: {n_records} records were received, but "
                f"'{session.shop.api.total}' (api.total) says {page.total}. Nothing of '{session.table}' was ingested. "
                "Try again: pages were truncated or repeated, or the table changed meanwhile."
            )
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)
    return n_pages, n_records


def _single(session: _Session) -> Iterator[_Page]:
    yield session.get(session.address, _full_or_rest(math.inf, 0))


def _by_offset(session: _Session) -> Iterator[_Page]:
    before, page = 0, None
    while page is None or page.n:
        url = session.address.copy_merge_params({session.shop.api.pagination.parameter: before})
        page = session.get(url, _full_or_rest(1, before))
        before += page.n
        yield page


def _by_number(session: _Session) -> Iterator[_Page]:
    """Yield one page late: only the next page shows that a short page was not the last one."""
    paging = session.shop.api.pagination
    number, before, size = paging.first, 0, paging.size if paging.size_parameter else 1
    page = session.get(_numbered(session, number), _full_or_rest(size, 0))
    while page.n:
        full = max(size, page.n)
        following = session.get(_numbered(session, number + 1), _full_or_rest(full, before + page.n))
        full = max(full, following.n)
        if full > size and before:
            raise UserError(
                f"{session.redacted(_numbered(session, number))}: pages of {size} records are followed by one "
                f"of {full}, so the earlier ones were truncated. Nothing of '{session.table}' was ingested. Try again."
            )
        if page.n < full and following.n:
            log.warning(
                "%s: page %s has %s records, not %s, and is not the last one: requesting it again",
                session.table,
                number,
                page.n,
                full,
            )
            page = session.get(_numbered(session, number), lambda total, least=full: least)
        yield page
        number, before, size, page = number + 1, before + page.n, max(full, page.n), following
    yield page


def _numbered(session: _Session, number: int) -> httpx.URL:
    return session.address.copy_merge_params({session.shop.api.pagination.parameter: number})


def _by_next(session: _Session) -> Iterator[_Page]:
    url, visited = session.address, set()
    while url is not None:
        if url in visited:
            raise UserError(
                f"{session.redacted(url)} is the next page for the second time: the pages form a loop. Nothing of "
                f"'{session.table}' was ingested. Is api.pagination right in shops/{session.shop.name}.yaml?"
            )
        visited.add(url)
        page = session.get(url)
        yield page
        url = page.next


PAGES = {"page": _by_number, "offset": _by_offset, "cursor": _by_next, "link": _by_next, "none": _single}
