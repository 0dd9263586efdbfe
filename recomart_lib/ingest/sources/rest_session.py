"""The requests for one table of an API: retries, limits, and what was received so far."""

from __future__ import annotations

import hashlib
import logging
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple, NoReturn
from urllib.parse import unquote, unquote_plus

import httpx
from tenacity import RetryCallState, RetryError, Retrying, retry_if_exception_type

from recomart_lib.core.errors import UserError
from recomart_lib.core.shops import Shop
from recomart_lib.ingest.settings import Ingest
from recomart_lib.ingest.sources.http_retries import BACKOFF, TransientError, excerpt, may_pass, retry_after, status_of
from recomart_lib.ingest.sources.rest_answers import Deadline, RefusedAnswerError, receive
from recomart_lib.ingest.sources.rest_response import NO_PAGE, FormError, Page, parse

log = logging.getLogger(__name__)

CONFIRMATIONS = 3  # a server that gives the same response this often means it
BEYOND_LAST = {204, 400, 404, 410, 416, 422}  # how APIs refuse a page after the last one
MAX_SHOWN = 1_000  # characters of a URL or foreign message
_sleep = time.sleep

MinRecords = Callable[[int | None], float]  # total -> minimum number of records of a page


def no_minimum(total: int | None) -> float:
    return 0


class Beyond(NamedTuple):
    """Whether a page may be beyond the last one: then the server may refuse it, or repeat the records of a page."""

    refused: bool = False
    repeated: bool = False


NOT_BEYOND = Beyond()


@dataclass
class Session:
    """The requests for one table; `end` says how the last page was recognised."""

    client: httpx.Client
    shop: Shop
    table: str
    settings: Ingest
    address: httpx.URL
    secret: str
    requests: int = 0
    waited: float = 0.0  # seconds
    end: str = ""
    began: float = field(default_factory=time.monotonic)
    requested: set[httpx.URL] = field(default_factory=set)
    received: dict[bytes, httpx.URL] = field(default_factory=dict)  # hash of a page's records -> its URL
    deadline: Deadline = field(init=False)
    responses: Counter[tuple[httpx.URL, bytes]] = field(default_factory=Counter)  # how often the same one came

    def __post_init__(self) -> None:
        self.deadline = Deadline(self.settings.max_answer_s)

    def get(self, url: httpx.URL, min_records: MinRecords = no_minimum, beyond: Beyond = NOT_BEYOND) -> Page:
        """The page at `url`, with retries within the limits; `NO_PAGE` if it is beyond the last one.

        A page with fewer records than `min_records` is requested again, unless the server insists on it. `beyond` says
        whether the page may be beyond the last one.
        """
        if url not in self.requested and len(self.requested) >= self.settings.max_pages:
            self.refuse(
                url,
                f"this is page {len(self.requested) + 1:,}, more than ingest.max_pages = {self.settings.max_pages:,} "
                "(in params.yaml). Does the API name next pages without end? If there are so many, raise it.",
            )
        retrying = Retrying(
            retry=retry_if_exception_type(TransientError),
            wait=self._wait,
            stop=self._is_over_limit,
            before_sleep=self._log_retry,
            sleep=self._pause,
        )
        try:
            return retrying(self._request, url, min_records, beyond)
        except RetryError as stopped:
            self._give_up(url, stopped.last_attempt.attempt_number, stopped.last_attempt.exception())

    def redacted(self, text: object) -> str:
        """A URL or foreign message without secrets, and not longer than fits in a sentence."""
        if isinstance(text, httpx.URL):
            text = text.copy_with(userinfo=b"")
        shown = without(self.secret, str(text))
        return shown if len(shown) <= MAX_SHOWN else f"{shown[:MAX_SHOWN]}..."

    def _request(self, url: httpx.URL, min_records: MinRecords, beyond: Beyond) -> Page:
        self.requests += 1
        self.requested.add(url)
        try:
            response = receive(self.client, url, self.settings, self.deadline)
        except RefusedAnswerError as problem:
            self.refuse(url, str(problem))
        except (httpx.TransportError, httpx.DecodingError) as problem:
            raise TransientError(self.redacted(f"{type(problem).__name__} {problem}".strip())) from None
        if beyond.refused and response.status_code in BEYOND_LAST:
            return self._beyond_last(f"page refused: {self._problem(response)}")
        self._check_status(response, url)
        return self._checked(response, url, min_records, beyond)

    def _checked(self, response: httpx.Response, url: httpx.URL, min_records: MinRecords, beyond: Beyond) -> Page:
        key = url, hashlib.blake2b(response.content).digest()
        self.responses[key] += 1
        insists = self.responses[key] >= CONFIRMATIONS
        try:
            page = parse(response, self.shop.api)
        except FormError as problem:
            if insists and beyond.refused:
                return self._beyond_last(f"page refused: {problem}")
            if insists:
                self.refuse(url, f"{problem}. The response says: {self.redacted(excerpt(response))}")
            raise
        except TransientError as problem:
            looks_like_json = response.content.lstrip()[:1] in (b"", b"{", b"[")  # then it was truncated
            body = "" if looks_like_json else f": {self.redacted(excerpt(response))}"
            raise TransientError(f"{problem}{body}") from None
        if page.n < min_records(page.total) and not insists:
            raise TransientError(
                f"it has {page.n} records instead of {min_records(page.total)} (is api.pagination.size right?)"
            )
        other = self.received.setdefault(hashlib.blake2b(page.lines).digest(), url)
        if page.n and other != url:
            if insists and beyond.repeated:
                return self._beyond_last("an earlier page was repeated")
            raise TransientError(
                f"it has the same records as {self.redacted(other)} (a cache, or is api.pagination wrong for this API?)"
            )
        return page

    def _beyond_last(self, reason: str) -> Page:
        self.end = reason
        log.info("%s: taken for the end of the table: %s", self.table, reason)
        return NO_PAGE

    def _problem(self, response: httpx.Response) -> str:
        """An error response in words: its status and what its body says."""
        body = self.redacted(excerpt(response))
        return f"{status_of(response)} ({body})" if body else status_of(response)

    def refuse(self, url: httpx.URL, problem: str) -> NoReturn:
        """Give up on the table: `problem` is a sentence about the response from `url`."""
        raise UserError(f"{self.redacted(url)}: {problem} Nothing of '{self.table}' was ingested.")

    def _check_status(self, response: httpx.Response, url: httpx.URL) -> None:
        if response.is_success:
            return
        status = response.status_code
        if may_pass(status):
            wait = retry_after(response)
            asks = "" if wait is None else f", asking to wait {wait:,.0f} s"
            raise TransientError(f"{self._problem(response)}{asks}", wait)
        raise UserError(
            f"{self.redacted(url)} returned {self._problem(response)}: {self._hint(response)} "
            f"Nothing of '{self.table}' was ingested."
        )

    def _hint(self, response: httpx.Response) -> str:
        """What a user can do about a status."""
        status, auth, shop = response.status_code, self.shop.api.auth, f"shops/{self.shop.name}.yaml"
        if status < 400:
            where = self.redacted(response.headers.get("location", "nowhere"))
            return f"it redirects to {where}; if that is right, set api.url in {shop} to it."
        question = (
            f"is the secret in {auth.env} right and allowed to read this?" if auth else f"{shop} has no api.auth."
        )
        hints = {401: question, 403: question, 404: f"are api.url and tables.{self.table}.path right in {shop}?"}
        return hints.get(status, f"are api.url and api.pagination right in {shop}?")

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


def without(secret: str, text: str) -> str:
    """The text with stars for the secret, even if a URL escapes some of its characters."""
    forms = (form for form in (unquote(text), unquote_plus(text), text) if secret in form)
    return next(forms, text).replace(secret, "***") if secret else text
