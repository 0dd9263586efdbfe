"""Which HTTP problems a retry may solve, and how long to wait before it."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import httpx
from tenacity import wait_exponential_jitter

from recomart_lib.core import clock

RETRIED = {408, 425, 429}  # and all from 500 except PERMANENT: errors that may pass
PERMANENT = {501, 505, 511}  # not implemented, unknown HTTP version, a network login
BACKOFF = wait_exponential_jitter(initial=0.5, max=30, jitter=0.5)  # seconds
MAX_EXCERPT = 200  # characters of a response body in a message
# of error bodies; Python knows more that a server may name, some of which are no text or take very long
ENCODINGS = ("utf-8", "utf-16", "iso-8859-1", "iso-8859-15", "windows-1252", "us-ascii")
DETAILS = ("message", "detail", "error_description", "error", "title", "code")  # keys of error bodies, best first


class TransientError(Exception):
    """A problem that a retry may solve; `retry_after`: the number of seconds that the server asks to wait."""

    def __init__(self, problem: str, retry_after: float | None = None) -> None:
        super().__init__(problem)
        self.retry_after = retry_after


def may_pass(status: int) -> bool:
    """Whether the same request may succeed later."""
    return status in RETRIED or (status >= 500 and status not in PERMANENT)


def status_of(response: httpx.Response) -> str:
    return f"{response.status_code} {response.reason_phrase[:MAX_EXCERPT]}".strip()


def retry_after(response: httpx.Response) -> float | None:
    """Seconds until the moment in the `Retry-After` header; None without a valid one.

    A moment is compared with the `Date` of the same response, by the server's clock: this machine's may be wrong.
    """
    text = response.headers.get("retry-after", "")[:MAX_EXCERPT].strip()
    if re.fullmatch(r"[0-9]{1,9}", text):
        return float(text)
    if (moment := _moment(text)) is None:
        return None
    now = _moment(response.headers.get("date", "")) or clock.now()
    return max(0.0, (moment - now).total_seconds())


def _moment(text: str) -> datetime | None:
    """The moment in a header; None if it is none."""
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def excerpt(response: httpx.Response) -> str:
    """What the body of an error says, in one short printable line; "" if it is empty.

    Of JSON, the usual member with the message; of a web page, its title; else the beginning of the text.
    """
    encoding = response.charset_encoding if response.charset_encoding in ENCODINGS else "utf-8"
    text = response.content[:100_000].decode(encoding, "replace")
    text = _json_message(text) or _page_title(text) or text
    line = " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())
    return line if len(line) <= MAX_EXCERPT else line[:MAX_EXCERPT] + "..."


def _json_message(text: str) -> str:
    try:
        content = json.loads(text)
        if not isinstance(content, dict):
            return ""
        nested = content.get("error")
        parts = nested if isinstance(nested, dict) else content
        message = next((parts[key] for key in DETAILS if isinstance(parts.get(key), str) and parts[key]), "")
        return message or json.dumps(content, ensure_ascii=False)
    except (ValueError, RecursionError):
        return ""


def _page_title(text: str) -> str:
    title = re.search(r"<title[^>]{0,100}>([^<]{1,200})", text[:10_000], re.IGNORECASE)
    return f"a web page, '{title[1].strip()}'" if title else ""
