"""Fetch a table of `kind: rest`: all pages of an API into one JSON Lines file, completely or not at all.

Networks drop, repeat and truncate responses. A response that is recognisably wrong is requested again, with growing
pauses and within limits (params.yaml: ingest). If it stays wrong, the fetch fails and the previous file is kept.
"""

from __future__ import annotations

import logging
import os
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import httpx
from tqdm.auto import tqdm

from recomart_lib.core import files, shops
from recomart_lib.core.errors import UserError
from recomart_lib.core.secure_transport import is_loopback, may_carry_secret
from recomart_lib.core.shop_api import Api
from recomart_lib.core.shops import Shop
from recomart_lib.ingest.settings import Ingest
from recomart_lib.ingest.sources.rest_paging import PAGES, sized
from recomart_lib.ingest.sources.rest_session import Session, without

log = logging.getLogger(__name__)
logging.getLogger("httpx").setLevel(logging.WARNING)  # otherwise it logs every URL, possibly with secrets


@dataclass(frozen=True)
class FetchResult:
    """The result of fetching one table.

    `retries`: repeated requests; `waited_s`: seconds of pauses before them; `end`: how the last page was recognised.
    """

    table: str
    url: str
    records: int
    pages: int
    requests: int
    retries: int
    waited_s: float
    seconds: float
    end: str


def check(shop: Shop, settings: Ingest) -> None:
    """Raise a `UserError` if a table needs an API whose secret is not set, or not allowed; sends no request."""
    if any(table.kind == "rest" for table in shop.tables.values()):
        _secret(shop, settings)


def download(shop: Shop, table: str, folder: Path, settings: Ingest) -> FetchResult:
    """Fetch all pages of one table into `<folder>/<table>.jsonl`: one record per line, in the API's order.

    A page is requested again if the server or the connection fails, if it is not JSON of the declared form, if it
    repeats another page's records, or if it is too short. A page is known to be too short if pages are numbered (a page
    before the last one is not full) or if responses contain the total. With offsets, the next request starts after the
    records received. With cursors and links, a truncated but well-formed page is noticed only by the total at the end:
    declare `api.total` if the API returns it. See `rest_paging` for how the end is recognised.

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
    address, secret = _address(shop, table), _secret(shop, settings)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with _client(shop.api, secret, settings, address) as client:
            session = Session(client, shop, table, settings, address, secret)
            pages, records = _save(session, folder / f"{table}.jsonl")
    except OSError as problem:
        raise UserError(f"Table '{table}' could not be written to {folder}: {problem}") from None
    seconds = time.monotonic() - session.began
    retries = session.requests - len(session.requested)
    log.info(
        "%s: %s records in %s pages, %s retries, %.1f s; the end: %s",
        table,
        records,
        pages,
        retries,
        seconds,
        session.end,
    )
    return FetchResult(
        table,
        session.redacted(address),
        records,
        pages,
        session.requests,
        retries,
        session.waited,
        seconds,
        session.end,
    )


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
    return sized(url, shop.api.pagination)


def _secret(shop: Shop, settings: Ingest) -> str:
    """The value of api.auth's environment variable; "" without api.auth."""
    auth = shop.api.auth
    if auth is None:
        return ""
    shops.check_auth(shop, settings.auth_variables)
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


def _client(api: Api, secret: str, settings: Ingest, address: httpx.URL) -> httpx.Client:
    headers = {"Accept": "application/json", "User-Agent": "recomart"}
    if api.auth:
        headers[api.auth.header] = api.auth.prefix + secret
    # what is sent to this computer does not take the way through a proxy, which could read the secret
    direct = {f"all://{address.netloc.decode('ascii')}": None} if is_loopback(address.host) else None
    try:
        client = httpx.Client(headers=headers, timeout=settings.timeout_s, mounts=direct)
    except (OSError, ValueError, ImportError, httpx.InvalidURL) as problem:
        reason = without(secret, str(problem))
        raise UserError(
            f"No connection is possible with the current proxy, certificates or api.auth: {reason}"
        ) from None
    client.event_hooks["request"].append(partial(_keep_secret, api))
    return client


def _keep_secret(api: Api, request: httpx.Request) -> None:
    """Refuse to send a secret in the clear, wherever the address came from; called before every request."""
    has_secret = api.auth is not None or "Authorization" in request.headers or request.url.userinfo
    if has_secret and not may_carry_secret(request.url.scheme, request.url.host):
        raise UserError(
            f"{request.url.copy_with(userinfo=b'', query=None)} is not https: the secret is not sent there, as others "
            "could read it on its way. Write https:// in api.url."
        )


def _save(session: Session, target: Path) -> tuple[int, int]:
    """Write all pages, and replace the file once the table is complete; returns (pages, records)."""
    n_pages, n_records, total = 0, 0, None
    bar = partial(tqdm, desc=f"fetching {session.table}", unit="records", disable=None)
    with files.complete(target) as unfinished:
        with unfinished.open("wb") as stream, bar() as progress:
            for page in PAGES[session.shop.api.pagination.style](session):
                stream.write(page.lines)
                n_pages, n_records = n_pages + (page.n > 0), n_records + page.n
                total = total if page.total is None else page.total
                progress.total = total
                progress.update(page.n)
        if total not in (None, n_records):
            raise UserError(
                f"{session.redacted(session.address)}: {n_records} records were received, but "
                f"'{session.shop.api.total}' (api.total) says {total}. Nothing of '{session.table}' was ingested. "
                "Try again: pages were truncated or repeated, or the table changed meanwhile. If this number is the "
                "size of a page, it is not the total: name another key in api.total, or leave it out."
            )
    return n_pages, n_records
