"""Fetch a table of `kind: rest`: all pages of an API's answer into one file of JSON Lines, whole or not at all.

Networks drop, repeat and cut. What can be told from a right answer is asked again, with growing pauses and within
limits (params.yaml: ingest); what stays wrong is an error, and the file of the last fetch stays as it is.
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
from recomart_lib.core.shops import Api, Pagination, Shop
from recomart_lib.ingest.settings import Ingest

log = logging.getLogger(__name__)
logging.getLogger("httpx").setLevel(logging.WARNING)  # else a line per request, with whatever a Link's address holds

RETRIED = {408, 425, 429}  # and all from 500: the server, or the moment, is at fault
BACKOFF = wait_exponential_jitter(initial=0.5, max=30, jitter=0.5)  # seconds
_sleep = time.sleep


@dataclass(frozen=True)
class Fetched:
    """What it took to fetch one table. `retries`: requests for what had been asked for before; `waited_s`: pauses."""

    table: str
    url: str
    records: int
    pages: int
    requests: int
    retries: int
    waited_s: float
    seconds: float


def check(shop: Shop) -> None:
    """Raise a `UserError` if a table is behind an API whose secret is not set; nothing is asked."""
    if any(table.kind == "rest" for table in shop.tables.values()):
        _secret(shop)


def download(shop: Shop, table: str, folder: Path, patience: Ingest) -> Fetched:
    """Fetch all pages of one table into `<folder>/<table>.jsonl`: one record per line, in the API's order.

    A page is asked for again if the server or the connection fails, if it is no JSON of the declared shape, if it
    repeats another page's records, or if it holds fewer records than it must. That last can be seen where pages are
    numbered (a page before the last that is not full) and where the answers tell the total; offsets go on from what
    came. A page behind a cursor or a link that is cut short but well-formed can only be found by the total at the end:
    declare `api.total` wherever the API tells it.

    Parameters
    ----------
    patience
        `timeout_s`: seconds without a sign of life until an answer is given up; `max_attempts`: per page;
        `retry_budget_s`: seconds that this table's retries may wait in all.

    Raises
    ------
    UserError
        If the secret is not set, the API refuses, the patience is spent, or the pages do not make a whole table.
        The file of an earlier fetch is then as it was.
    """
    address, secret = _address(shop, table), _secret(shop)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with _client(shop.api, secret, patience) as client:
            talk = _Talk(client, shop, table, patience, address, secret)
            pages, records = _save(talk, folder / f"{table}.jsonl")
    except OSError as problem:
        raise UserError(f"Table '{table}' could not be written to {folder}: {problem}") from None
    seconds = time.monotonic() - talk.began
    retries = talk.requests - len(talk.asked)
    log.info("%s: %s records in %s pages, %s retries, %.1f s", table, records, pages, retries, seconds)
    return Fetched(table, talk.shown(address), records, pages, talk.requests, retries, talk.waited, seconds)


class TransientError(Exception):
    """What may be better the next time; `retry_after`: the seconds that the server asks us to wait."""

    def __init__(self, problem: str, retry_after: float | None = None) -> None:
        super().__init__(problem)
        self.retry_after = retry_after


@dataclass(frozen=True)
class _Page:
    """One answer: its `n` records as lines of JSON, the total that it tells, and where the next page is."""

    lines: bytes
    n: int
    total: int | None
    next: httpx.URL | None


Due = Callable[[int | None], float]  # how many records a page must have at least, given the total


def _due(size: float, before: int) -> Due:
    """A page of `size` after `before` records: full, or holding all that is left. Without a total nobody knows."""
    return lambda total: 0 if total is None else min(size, total - before)


def _any(total: int | None) -> float:
    return 0


@dataclass
class _Talk:
    """One table's conversation with the API."""

    client: httpx.Client
    shop: Shop
    table: str
    patience: Ingest
    address: httpx.URL
    secret: str
    requests: int = 0
    waited: float = 0.0  # seconds
    began: float = field(default_factory=time.monotonic)
    asked: set[httpx.URL] = field(default_factory=set)
    answered: dict[bytes, httpx.URL] = field(default_factory=dict)  # hash of a page's records -> what was asked

    def ask(self, url: httpx.URL, due: Due = _any) -> _Page:
        """The page at `url`, asked for as often as it takes and patience allows."""
        retrying = Retrying(
            retry=retry_if_exception_type(TransientError),
            wait=self._wait,
            stop=self._is_spent,
            before_sleep=self._tell,
            sleep=self._pause,
        )
        try:
            return retrying(self._once, url, due)
        except RetryError as spent:
            self._give_up(url, spent.last_attempt.attempt_number, spent.last_attempt.exception())

    def shown(self, text: object) -> str:
        """An address or a message of others without secrets."""
        if isinstance(text, httpx.URL):
            text = text.copy_with(userinfo=b"")
        return _without(self.secret, str(text))

    def _once(self, url: httpx.URL, due: Due) -> _Page:
        self.requests += 1
        self.asked.add(url)
        try:
            response = self.client.get(url)
        except (httpx.TransportError, httpx.DecodingError) as problem:
            raise TransientError(self.shown(f"{type(problem).__name__} {problem}".strip())) from None
        self._check_status(response, url)
        page = _page(response, self)
        if page.n < due(page.total):
            raise TransientError(
                f"it holds {page.n} records where {due(page.total)} are due (does api.pagination.size fit?)"
            )
        fingerprint = hashlib.blake2b(page.lines).digest()
        if page.n and self.answered.setdefault(fingerprint, url) != url:
            other = self.shown(self.answered[fingerprint])
            raise TransientError(
                f"it holds the same records as {other} (a cache? or api.pagination is not what the API takes)"
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
        where, shop = self.shown(response.headers.get("location", "nowhere")), f"shops/{self.shop.name}.yaml"
        auth = self.shop.api.auth
        held = f"is the secret in {auth.env} right and allowed to read this?" if auth else f"{shop} has no api.auth."
        hints = {401: held, 403: held, 404: f"are api.url and tables.{self.table}.path right in {shop}?"}
        redirect = f"it sends us to {where}; if that is right, write it into {shop}: api.url."
        hint = redirect if status < 400 else hints.get(status, f"are api.url and api.pagination right in {shop}?")
        raise UserError(
            f"{self.shown(url)} answers {status_of(response)}: {hint} Nothing of '{self.table}' was landed."
        )

    def _wait(self, state: RetryCallState) -> float:
        asked_for = state.outcome.exception().retry_after
        return min(BACKOFF(state), self._left()) if asked_for is None else asked_for

    def _left(self) -> float:
        return max(0.0, self.patience.retry_budget_s - self.waited)

    def _is_spent(self, state: RetryCallState) -> bool:
        left = self._left()
        return state.attempt_number >= self.patience.max_attempts or left <= 0 or state.upcoming_sleep > left

    def _tell(self, state: RetryCallState) -> None:
        attempts, fault = f"{state.attempt_number} of {self.patience.max_attempts}", state.outcome.exception()
        log.warning(
            "%s: attempt %s at %s failed: %s; again in %.1f s",
            self.table,
            attempts,
            self.shown(state.args[0]),
            fault,
            state.upcoming_sleep,
        )

    def _pause(self, seconds: float) -> None:
        _sleep(seconds)
        self.waited += seconds

    def _give_up(self, url: httpx.URL, attempts: int, fault: TransientError) -> NoReturn:
        seconds, left = time.monotonic() - self.began, self._left()
        late = f", more than the {left:.0f} s left to wait" if (fault.retry_after or 0) > left else ""
        raise UserError(
            f"{self.shown(url)}: given up after {attempts} attempt(s); table '{self.table}' took {seconds:.0f} s so "
            f"far, {self.waited:.0f} s of them waiting. The last problem: {fault}{late}. Nothing was landed. Try again "
            f"later, or raise ingest.max_attempts = {self.patience.max_attempts} or ingest.retry_budget_s = "
            f"{self.patience.retry_budget_s:g}."
        ) from None


def _address(shop: Shop, table: str) -> httpx.URL:
    """The table's address with what every request has, but for the page."""
    text = f"{shop.api.url.rstrip('/')}/{shop.table(table).path}"
    try:
        url = httpx.URL(text)
    except httpx.InvalidURL as problem:
        raise UserError(f"shops/{shop.name}.yaml: api.url with tables.{table}.path is no address: {problem}.") from None
    if not url.host or (url.port or 0) > 65_535:
        raise UserError(f"shops/{shop.name}.yaml: api.url '{url.copy_with(userinfo=b'')}' names no server and port.")
    return _sized(url, shop.api.pagination)


def _sized(url: httpx.URL, paging: Pagination) -> httpx.URL:
    return url.copy_merge_params({paging.size_parameter: paging.size}) if paging.size_parameter else url


def _secret(shop: Shop) -> str:
    """What api.auth's environment variable holds; "" without api.auth."""
    auth = shop.api.auth
    if auth is None:
        return ""
    secret = os.environ.get(auth.env, "")
    if not secret:
        raise UserError(
            f"The environment variable {auth.env} is not set; shops/{shop.name}.yaml takes the API's secret from it "
            f"(api.auth.env). Set it where you start the pipeline: export {auth.env}=<secret>"
        )
    if secret != secret.strip() or not (secret.isascii() and secret.isprintable()):
        raise UserError(
            f"The environment variable {auth.env} holds what no header may: a line break, a space at its end, or a "
            "character that is not ASCII. Set it again."
        )
    return secret


def _without(secret: str, text: str) -> str:
    """The text with stars for the secret, also where an address quotes some of its characters."""
    held = (form for form in (unquote(text), unquote_plus(text), text) if secret in form)
    return next(held, text).replace(secret, "***") if secret else text


def _client(api: Api, secret: str, patience: Ingest) -> httpx.Client:
    headers = {"Accept": "application/json", "User-Agent": "recomart"}
    if api.auth:
        headers[api.auth.header] = api.auth.prefix + secret
    try:
        return httpx.Client(headers=headers, timeout=patience.timeout_s)
    except (OSError, ValueError, ImportError, httpx.InvalidURL) as problem:
        reason = _without(secret, str(problem))
        raise UserError(
            f"No connection is possible with the proxy, certificates or api.auth as set: {reason}"
        ) from None


def status_of(response: httpx.Response) -> str:
    return f"{response.status_code} {response.reason_phrase}".strip()


def retry_after(response: httpx.Response) -> float | None:
    """Seconds from now until the moment that the header names; None if it names none that we understand."""
    text = response.headers.get("retry-after", "").strip()
    if re.fullmatch(r"[0-9]{1,9}", text):
        return float(text)
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return max(0.0, (moment - datetime.now(UTC)).total_seconds())


def _page(response: httpx.Response, talk: _Talk) -> _Page:
    """The answer's records, or a `TransientError` if it is not of the declared shape."""
    api = talk.shop.api
    try:
        answer = json.loads(response.content)
        records = _records(answer, api.records)
        lines = b"".join(map(_line, records))
    except (ValueError, RecursionError) as problem:
        raise TransientError(f"the answer is not valid JSON ({problem})") from None
    total = None if api.total is None else _member(answer, api.total, "total")
    if total is not None and (type(total) is not int or total < 0):
        raise TransientError(f"its '{api.total}' (api.total) is no number of records")
    return _Page(lines, len(records), total, _next(response, answer, talk))


def _records(answer: Any, key: str | None) -> list[dict]:
    records = answer if key is None else _member(answer, key, "records")
    if not isinstance(records, list):
        where = "the answer" if key is None else f"its '{key}'"
        raise TransientError(f"{where} is no list of records (api.records names the key that holds it)")
    if not all(isinstance(record, dict) for record in records):
        raise TransientError("it holds records that are no JSON objects")
    return records


def _member(answer: Any, key: str, ours: str) -> Any:
    if not isinstance(answer, dict) or key not in answer:
        found = ", ".join(map(repr, list(answer)[:10])) if isinstance(answer, dict) else "no object"
        raise TransientError(f"the answer has no key '{key}' (api.{ours}); found: {found or 'none'}")
    return answer[key]


def _line(record: dict) -> bytes:
    try:
        return json.dumps(record, ensure_ascii=False).encode() + b"\n"
    except UnicodeEncodeError:  # half of a surrogate pair, which JSON can say and UTF-8 cannot
        return json.dumps(record).encode() + b"\n"


def _next(response: httpx.Response, answer: Any, talk: _Talk) -> httpx.URL | None:
    """Where the next page is, in the styles whose answers say so."""
    style = talk.shop.api.pagination.style
    try:
        if style == "cursor":
            return _after_cursor(answer, talk)
        return _after_link(response, talk) if style == "link" else None
    except httpx.InvalidURL as problem:
        raise TransientError(talk.shown(f"what it says of the next page makes no address ({problem})")) from None


def _after_link(response: httpx.Response, talk: _Talk) -> httpx.URL | None:
    link = _link(response.headers.get("link", ""))
    if link is None:
        return None
    url = _sized(response.url.join(link), talk.shop.api.pagination)
    if (url.scheme, url.host, url.port) != (talk.address.scheme, talk.address.host, talk.address.port):
        raise UserError(
            f"{talk.shown(response.url)}: its Link leads to another server, {talk.shown(url)}, which must not get our "
            f"secret. If it is the right one, write it into shops/{talk.shop.name}.yaml: api.url."
        )
    return url


def _link(header: str) -> str | None:
    """The address that a Link header calls next."""
    for address, parameters in re.findall(r"<([^>]*)>([^<]*)", header):
        relation = re.search(r';\s*rel\s*=\s*"?([^";,]*)', parameters, re.IGNORECASE)
        if relation and "next" in relation[1].lower().split():
            return address
    return None


def _after_cursor(answer: Any, talk: _Talk) -> httpx.URL | None:
    paging = talk.shop.api.pagination
    if not isinstance(answer, dict):
        raise TransientError(f"the answer is no object and cannot hold '{paging.next}' (api.pagination.next)")
    if paging.next not in answer and not talk.answered:
        log.warning(
            "%s: the first answer has no key '%s' (api.pagination.next): taken for the only page",
            talk.table,
            paging.next,
        )
    cursor = answer.get(paging.next)
    if cursor is None or cursor is False or cursor == "":
        return None
    if type(cursor) not in (str, int):
        raise TransientError(f"its '{paging.next}' (api.pagination.next) is no value for '{paging.parameter}'")
    return talk.address.copy_merge_params({paging.parameter: cursor})


def _save(talk: _Talk, target: Path) -> tuple[int, int]:
    """Write all pages, and put the file in place when the table is complete; returns (pages, records)."""
    unfinished = target.with_name(f".{target.name}.unfinished")
    n_pages = n_records = 0
    bar = partial(tqdm, desc=f"fetching {talk.table}", unit="records", disable=None)
    try:
        with unfinished.open("wb") as stream, bar() as progress:
            for page in PAGES[talk.shop.api.pagination.style](talk):
                stream.write(page.lines)
                n_pages, n_records = n_pages + (page.n > 0), n_records + page.n
                progress.total = page.total
                progress.update(page.n)
        if page.total not in (None, n_records):
            raise UserError(
                f"{talk.shown(talk.address)}: {n_records} records came, but '{talk.shop.api.total}' (api.total) says "
                f"{page.total}. Nothing of '{talk.table}' was landed. Try again: pages were cut short or came twice, "
                "or the table changed meanwhile."
            )
        unfinished.replace(target)
    finally:
        unfinished.unlink(missing_ok=True)
    return n_pages, n_records


def _only(talk: _Talk) -> Iterator[_Page]:
    yield talk.ask(talk.address, _due(math.inf, 0))


def _by_offset(talk: _Talk) -> Iterator[_Page]:
    before, page = 0, None
    while page is None or page.n:
        url = talk.address.copy_merge_params({talk.shop.api.pagination.parameter: before})
        page = talk.ask(url, _due(1, before))
        before += page.n
        yield page


def _by_number(talk: _Talk) -> Iterator[_Page]:
    """One page behind: only when the next one has come it is known that a short page was not the last."""
    paging = talk.shop.api.pagination
    number, before, size = paging.first, 0, paging.size if paging.size_parameter else 1
    page = talk.ask(_numbered(talk, number), _due(size, 0))
    while page.n:
        full = max(size, page.n)
        following = talk.ask(_numbered(talk, number + 1), _due(full, before + page.n))
        full = max(full, following.n)
        if full > size and before:
            raise UserError(
                f"{talk.shown(_numbered(talk, number))}: pages of {size} records are followed by one of {full}, so the "
                f"earlier ones were cut short. Nothing of '{talk.table}' was landed. Try again."
            )
        if page.n < full and following.n:
            log.warning(
                "%s: page %s holds %s records, not %s, and is not the last: asked for again",
                talk.table,
                number,
                page.n,
                full,
            )
            page = talk.ask(_numbered(talk, number), lambda total, least=full: least)
        yield page
        number, before, size, page = number + 1, before + page.n, max(full, page.n), following
    yield page


def _numbered(talk: _Talk, number: int) -> httpx.URL:
    return talk.address.copy_merge_params({talk.shop.api.pagination.parameter: number})


def _by_next(talk: _Talk) -> Iterator[_Page]:
    url, seen = talk.address, set()
    while url is not None:
        if url in seen:
            raise UserError(
                f"{talk.shown(url)} is named as the next page a second time: the pages run in a circle. Nothing of "
                f"'{talk.table}' was landed. Is api.pagination right in shops/{talk.shop.name}.yaml?"
            )
        seen.add(url)
        page = talk.ask(url)
        yield page
        url = page.next


PAGES = {"page": _by_number, "offset": _by_offset, "cursor": _by_next, "link": _by_next, "none": _only}
