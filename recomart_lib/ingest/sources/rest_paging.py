"""The pages of a table, one generator per style of pagination.

A table ends when the declared total has come; without a total, after a page that is empty, refused, or the same as an
earlier one. A short page alone does not end it: networks and servers cut pages, and some servers return fewer records
than asked for.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterator

import httpx

from recomart_lib.core.errors import UserError
from recomart_lib.core.shop_api import Pagination
from recomart_lib.ingest.sources.rest_response import Page
from recomart_lib.ingest.sources.rest_session import NOT_BEYOND, Beyond, MinRecords, Session

log = logging.getLogger(__name__)

TOTAL, EMPTY, NO_NEXT, ONE = "the declared total has come", "an empty page", "no next page", "one response"
CERTAIN_ENDS = (TOTAL, NO_NEXT, ONE)  # after other ends, more pages are imaginable
MAX_EMPTY = 10  # empty pages in a row; some APIs go on naming a new next page for ever


def sized(url: httpx.URL, paging: Pagination) -> httpx.URL:
    """The URL with the parameter that asks for the size of a page."""
    return url.copy_merge_params({paging.size_parameter: paging.size}) if paging.size_parameter else url


def _full_or_rest(size: float, before: int) -> MinRecords:
    """The minimum for a page of `size` after `before` records: full, or all remaining ones; 0 without a total."""
    return lambda total: 0 if total is None else min(size, total - before)


def _at(session: Session, value: int | str) -> httpx.URL:
    return session.address.copy_merge_params({session.shop.api.pagination.parameter: value})


def _single(session: Session) -> Iterator[Page]:
    session.end = ONE
    yield session.get(session.address, _full_or_rest(math.inf, 0))


def _by_offset(session: Session) -> Iterator[Page]:
    before, page = 0, session.get(_at(session, 0), _full_or_rest(1, 0))
    while page.n:
        yield page
        before, n_before = before + page.n, before
        if _has_all(session, page, before, is_first=not n_before):
            return
        page = session.get(_at(session, before), _full_or_rest(1, before), _beyond(session, page))
    session.end = session.end or EMPTY
    yield page


def _by_number(session: Session) -> Iterator[Page]:
    """Yield one page late: only the next page shows that a short page was not the last one."""
    paging = session.shop.api.pagination
    number, before, size = paging.first, 0, paging.size if paging.size_parameter else 1
    page = session.get(_at(session, number), _full_or_rest(size, 0))
    while page.n:
        if _has_all(session, page, before + page.n, is_first=not before):
            yield page
            return
        least = max(size if before else 1, page.n)
        following = session.get(_at(session, number + 1), _full_or_rest(least, before + page.n), _beyond(session, page))
        full = max(size, page.n, following.n)
        if full > size and before:
            raise UserError(
                f"{session.redacted(_at(session, number))}: pages of {size} records are followed by one "
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
            page = session.get(_at(session, number), lambda total, least=full: least)
        yield page
        # a first page that the server insists on shows its own size of a page
        size = full if before else max(page.n, following.n)
        number, before, page = number + 1, before + page.n, following
    session.end = session.end or EMPTY
    yield page


def _has_all(session: Session, page: Page, n_records: int, is_first: bool) -> bool:
    """Whether the declared total has come.

    A total that equals a full first page may be the size of the page: then only the next page shows it.
    """
    paging = session.shop.api.pagination
    is_doubtful = is_first and page.n == page.total and paging.size_parameter and page.n == paging.size
    if page.total is None or n_records < page.total or is_doubtful:
        return False
    session.end = TOTAL
    return True


def _beyond(session: Session, page: Page) -> Beyond:
    """Whether the page after `page` may be beyond the last one.

    The same first page again, though it is full, is no end: more likely, the API does not know the parameter.
    """
    if page.total is not None and page.total > page.n:
        return NOT_BEYOND
    paging = session.shop.api.pagination
    is_short = bool(paging.size_parameter) and page.n < paging.size
    is_alone = len(session.received) == 1 and not is_short and page.total is None
    return Beyond(refused=True, repeated=not is_alone)


def _by_next(session: Session) -> Iterator[Page]:
    url, visited, n_records, n_empty, beyond = session.address, set(), 0, 0, NOT_BEYOND
    while url is not None:
        if url in visited:
            if beyond.refused:
                break
            raise UserError(
                f"{session.redacted(url)} is the next page for the second time: the pages form a loop. Nothing of "
                f"'{session.table}' was ingested. Is api.pagination right in shops/{session.shop.name}.yaml?"
            )
        page = session.get(url, beyond=beyond)
        yield page
        visited.add(url)
        n_records, n_empty = n_records + page.n, 0 if page.n else n_empty + 1
        if beyond.refused and not page.n:
            break
        if page.total is not None and n_records >= page.total:
            beyond = Beyond(refused=True, repeated=True)  # some APIs go on naming a next page after the last one
        following = _next_url(session, page, url)
        if not page.n and following is not None and (following == url or n_empty == MAX_EMPTY):
            session.end = EMPTY if following == url else f"{MAX_EMPTY} empty pages in a row"
            break
        url = following
    session.end = session.end or (NO_NEXT if url is None else TOTAL)


def _next_url(session: Session, page: Page, current: httpx.URL) -> httpx.URL | None:
    """The URL of the next page in a response, for the styles whose responses contain it."""
    paging = session.shop.api.pagination
    if not page.states_next and len(session.requested) == 1:
        log.warning(
            "%s: the first response has no key '%s' (api.pagination.next): assuming that there is only one page",
            session.table,
            paging.next,
        )
    if page.next is None:
        return None
    try:
        if paging.style == "cursor" and not _is_url(page.next, current):
            return _at(session, page.next)
        return _same_server(session, current, sized(current.join(str(page.next)), paging))
    except httpx.InvalidURL as problem:
        session.refuse(current, session.redacted(f"its reference to the next page is not a valid URL ({problem})."))


def _is_url(value: str | int, current: httpx.URL) -> bool:
    """Whether a cursor in a body is the whole address of the next page, or one relative to the server."""
    folder = current.path.rpartition("/")[0]
    return isinstance(value, str) and (
        value.lower().startswith(("http://", "https://", "//", "?"))
        or value.startswith(f"{folder}/{current.path.rpartition('/')[2]}")
    )


def _same_server(session: Session, current: httpx.URL, url: httpx.URL) -> httpx.URL:
    """The URL, which must not lead to another server: that one would get the secret."""
    own = session.address
    if (own.scheme, url.scheme, own.host, own.port, url.port) == ("https", "http", url.host, None, None):
        return url.copy_with(scheme="https")  # a server behind a proxy that does not know that it is reached by https
    if (url.scheme, url.host, url.port) != (own.scheme, own.host, own.port):
        raise UserError(
            f"{session.redacted(current)}: its reference to the next page leads to another server, "
            f"{session.redacted(url)}, which must not get the secret. If it is right, set api.url in "
            f"shops/{session.shop.name}.yaml to it."
        )
    return url


PAGES: dict[str, Callable[[Session], Iterator[Page]]] = {
    "page": _by_number,
    "offset": _by_offset,
    "cursor": _by_next,
    "link": _by_next,
    "none": _single,
}
