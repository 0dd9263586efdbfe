"""One response of an API as a page: its records as JSON Lines, the declared total, the reference to the next page.

The shop file names keys of the response (`api.records`, `api.total`, `api.pagination.next`) at any depth: `meta.total`
is the member `total` of `meta`. A member that has the whole name as its key comes first.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

import httpx

from recomart_lib.core.shop_api import Api
from recomart_lib.ingest.sources import objects
from recomart_lib.ingest.sources.http_retries import TransientError

NOTHING = object()  # there is no such member: null is one
MAX_KEY = 100  # characters of a key in a message
WHOLE_NUMBER = re.compile(r"[0-9]{1,18}")


class FormError(TransientError):
    """The response is JSON, but not of the declared form."""


@dataclass(frozen=True)
class Page:
    """One response: its `n` records as JSON Lines, the total that it declares, and what it says about the next page.

    `next` is the value or URL in the body (style cursor) or in the header Link (style link); None: there is none.
    `states_next`: whether the response has a place for it at all.
    """

    lines: bytes
    n: int
    total: int | None
    next: str | int | None = None
    states_next: bool = False


NO_PAGE = Page(b"", 0, None)  # beyond the last page


def parse(response: httpx.Response, api: Api) -> Page:
    """The response as a page.

    Raises
    ------
    TransientError
        If the response is not JSON, for example truncated.
    FormError
        If it is JSON that has not the declared form.
    """
    try:
        content = json.loads(response.content, object_pairs_hook=_object, parse_float=objects.number)
        records = _records(content, api.records)
        lines = b"".join(map(_line, records))
    except (ValueError, RecursionError) as problem:
        raise TransientError(f"the response is not valid JSON ({problem})") from None
    reference = _next(response, content, api)
    return Page(lines, len(records), _total(content, api.total), *reference)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A JSON object; of a key that comes twice with different values, nobody knows which is meant."""
    content = dict(pairs)
    if len(content) < len(pairs) and (twice := [key for key, value in pairs if content[key] != value]):
        raise FormError(f"an object in it has the key '{twice[0][:MAX_KEY]}' twice, with different values")
    return content


def member(content: Any, key: str) -> Any:
    """The member of a JSON value at a key or a path such as `meta.pages.0.total`; `NOTHING` if there is none.

    >>> member({"meta": {"total": 3}}, "meta.total"), member({"meta.total": 4}, "meta.total")
    (3, 4)
    """
    value = objects.value_at(content, key)
    return NOTHING if isinstance(value, objects.Odd) or value in (objects.ABSENT, objects.IN_NULL) else value


def _required(content: Any, key: str, ours: str) -> Any:
    value = member(content, key)
    if value is NOTHING:
        shown = [repr(path[:MAX_KEY]) for path in islice(_paths(content), 20)]
        keys = ", ".join(shown) or ("none" if isinstance(content, dict) else "no object")
        raise FormError(f"the response has no key '{key}' (api.{ours}); found: {keys}")
    return value


def _paths(content: Any, prefix: str = "", depth: int = 2) -> Iterator[str]:
    """The keys of an object and of the objects in it, as paths."""
    for key, value in content.items() if isinstance(content, dict) else ():
        yield f"{prefix}{key}"
        if depth > 1:
            yield from _paths(value, f"{prefix}{key}.", depth - 1)


def _records(content: Any, key: str | None) -> list[dict]:
    records = content if key is None else _required(content, key, "records")
    if not isinstance(records, list):
        where = "the response" if key is None else f"its '{key}'"
        raise FormError(f"{where} is not a list of records (api.records names the key of the list)")
    if not all(isinstance(record, dict) for record in records):
        raise FormError("it contains records that are not JSON objects")
    return records


def _total(content: Any, key: str | None) -> int | None:
    """The declared number of all records, which may be written as text."""
    if key is None:
        return None
    value = _required(content, key, "total")
    text = value.strip() if isinstance(value, str) else str(value)
    if isinstance(value, bool) or not WHOLE_NUMBER.fullmatch(text.removesuffix(".0")):
        raise FormError(f"its '{key}' (api.total) is not a number of records")
    return int(text.removesuffix(".0"))


def _line(record: dict) -> bytes:
    try:
        return json.dumps(record, ensure_ascii=False).encode() + b"\n"
    except UnicodeEncodeError:  # half of a surrogate pair, which JSON can express and UTF-8 cannot
        return json.dumps(record).encode() + b"\n"


def _next(response: httpx.Response, content: Any, api: Api) -> tuple[str | int | None, bool]:
    """(reference to the next page, whether the response has a place for it), for the styles that have one."""
    paging = api.pagination
    if paging.style == "link":
        return _link(response.headers.get("link", "")), True
    if paging.style != "cursor":
        return None, False
    if not isinstance(content, dict):
        raise FormError(f"the response is not an object and cannot contain '{paging.next}' (api.pagination.next)")
    value = member(content, paging.next)
    if value is NOTHING or value is None or value is False or value == "":
        return None, value is not NOTHING
    if type(value) not in (str, int):
        raise FormError(f"its '{paging.next}' (api.pagination.next) is not a value for '{paging.parameter}', or a URL")
    return value, True


def _link(header: str) -> str | None:
    """The URL with the relation `next` in a Link header."""
    for link in header.split("<")[1:]:
        address, closed, parameters = link.partition(">")
        if closed and "next" in _relations(parameters):
            return address
    return None


def _relations(parameters: str) -> list[str]:
    """The words in the first parameter `rel` of a link, which may be quoted."""
    for parameter in parameters.split(";")[1:]:
        name, _, value = parameter.partition("=")
        if name.strip().lower() == "rel":
            return value.partition(",")[0].strip().strip("\"'").lower().split()
    return []
