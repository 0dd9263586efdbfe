"""Download a public data set: one file, with resuming and retries, unpacked only if its sha256 is correct.

A partial download is stored as `<name>.part`, with the server's version (ETag or Last-Modified) in
`<name>.part.version`.

pooch is not used. It retries every failure, even a missing page or a wrong hash, supports neither `Retry-After` nor a
limit for the waiting time, and unpacks members under their own paths, not under the names in the shop file: unpacking,
checks and error messages would still be our code.
"""

from __future__ import annotations

import errno
import logging
import shutil
import time
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import BinaryIO, NoReturn

import httpx
from tenacity import RetryCallState, RetryError, Retrying, retry_if_exception_type
from tqdm.auto import tqdm

from recomart_lib.core import files
from recomart_lib.core.errors import UserError
from recomart_lib.core.shops import Shop
from recomart_lib.ingest.settings import Ingest
from recomart_lib.ingest.sources.http_retries import BACKOFF, RETRIED, TransientError, retry_after, status_of
from recomart_lib.ingest.sources.rest_answers import Deadline

log = logging.getLogger(__name__)

BLOCK = 1 << 20  # bytes per read; each, and what comes before the first, must come within `max_answer_s`
_sleep = time.sleep


@dataclass(frozen=True)
class Download:
    """The file, the bytes downloaded now (0: none were missing), and each data file's status.

    The status is unchanged, new or replaced.
    """

    file: Path
    n_bytes: int
    statuses: dict[str, str]


def fetch(shop: Shop, folder: Path, limits: Ingest) -> Download:
    """Download the shop's public file into `folder` and unpack it there; correct files are kept.

    An interrupted download resumes, in this call or the next, if the server still has the same version (`If-Range`);
    otherwise it restarts. Nothing is unpacked unless the file's sha256 is that in the shop file.

    Parameters
    ----------
    limits
        `timeout_s`: request timeout; `max_attempts`: maximum number of requests; `retry_budget_s`: maximum total
        waiting time of retries, in seconds; `max_file_bytes`: maximum size of the file; `max_answer_s`: maximum
        number of seconds per megabyte.

    Raises
    ------
    UserError
        If the shop file has no download, the server refuses or is unreachable, the disk is full, or the download is
        not the expected file.
    """
    request = _request(shop, folder, limits)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        n_bytes = 0 if _sha256(request.file) == request.sha256 else _download(request)
        return Download(request.file, n_bytes, _unpack(request, shop.fetch.unpack))
    except OSError as error:
        hint = " Free disk space and run the command again: it resumes." if error.errno == errno.ENOSPC else ""
        raise UserError(f"{folder} could not be written: {error.strerror or error}.{hint}") from None


@dataclass(frozen=True)
class _Request:
    """A file to download: source, destination and expected hash."""

    shop: str
    url: str
    sha256: str
    page: str
    file: Path
    limits: Ingest

    @property
    def part(self) -> Path:
        return self.file.with_name(f"{self.file.name}.part")

    @property
    def version(self) -> Path:
        return self.file.with_name(f"{self.file.name}.part.version")


def _request(shop: Shop, folder: Path, limits: Ingest) -> _Request:
    spec, shop_file = shop.fetch, f"shops/{shop.name}.yaml"
    if spec is None:
        raise UserError(
            f"{shop_file} has no `fetch`, so there is nothing to download. Put the shop's files into {folder}."
        )
    if spec.url is None:
        raise UserError(f"{shop_file} has no download URL. Manual download: {spec.by_hand} See {spec.page}")
    return _Request(shop.name, spec.url, spec.sha256, spec.page, folder / spec.file_name, limits)


def _sha256(file: Path) -> str | None:
    return files.sha256(file) if file.is_file() else None


def _download(request: _Request) -> int:
    """Download and verify the file; returns the downloaded bytes. A file with another hash is deleted."""
    if request.part.is_symlink() or request.version.is_symlink():
        _delete_partial(request)  # what is downloaded must not be written through a link, wherever that leads
    resumed = request.part.exists()
    n_bytes = _download_with_retries(request)
    if resumed and _sha256(request.part) != request.sha256:
        log.warning("%s: the resumed file has another sha256; downloading it again from the start", request.file.name)
        _delete_partial(request)
        n_bytes += _download_with_retries(request)
    if (actual := _sha256(request.part)) != request.sha256:
        _delete_partial(request)
        raise UserError(
            f"{request.url} is not the expected file: its sha256 is {actual}, shops/{request.shop}.yaml says "
            f"{request.sha256} (fetch.sha256). Nothing was unpacked; the download was deleted. "
            f"Has the publisher changed the file? {request.page}"
        )
    files.move(request.part, request.file)
    _delete_partial(request)
    return n_bytes


def _delete_partial(request: _Request) -> None:
    request.part.unlink(missing_ok=True)
    request.version.unlink(missing_ok=True)


def _download_with_retries(request: _Request) -> int:
    """Request the file until it is complete or the limits are reached; returns the downloaded bytes."""
    block_sizes: list[int] = []
    retrying = Retrying(
        retry=retry_if_exception_type(TransientError),
        wait=lambda state: state.outcome.exception().retry_after or BACKOFF(state),
        stop=partial(_is_exhausted, request.limits),
        before_sleep=_log_retry,
        sleep=lambda seconds: _sleep(seconds),
    )
    with _client(request) as client:
        try:
            retrying(_request_rest, client, request, block_sizes)
        except RetryError as failure:
            raise UserError(
                f"{request.url}: given up after {failure.last_attempt.attempt_number} attempt(s). Last error: "
                f"{failure.last_attempt.exception()}. The partial download is kept: run the command again to resume."
            ) from None
    return sum(block_sizes)


def _is_exhausted(limits: Ingest, state: RetryCallState) -> bool:
    over_budget = state.idle_for + state.upcoming_sleep > limits.retry_budget_s
    return over_budget or state.attempt_number >= limits.max_attempts


def _log_retry(state: RetryCallState) -> None:
    log.warning(
        "attempt %s failed: %s; retrying in %.1f s",
        state.attempt_number,
        state.outcome.exception(),
        state.upcoming_sleep,
    )


def _client(request: _Request) -> httpx.Client:
    # the bytes are counted and hashed as stored on the server, so no compression in transit
    headers = {"Accept-Encoding": "identity", "User-Agent": "recomart"}
    try:
        return httpx.Client(headers=headers, timeout=request.limits.timeout_s, follow_redirects=True)
    except (ValueError, ImportError, httpx.InvalidURL) as error:
        raise UserError(f"The proxy or certificate settings are invalid: {error}") from None


def _request_rest(client: httpx.Client, request: _Request, block_sizes: list[int]) -> None:
    """One request for the missing bytes; appends the size of each received block to `block_sizes`."""
    n_present = request.part.stat().st_size if request.part.exists() else 0
    deadline = Deadline(request.limits.max_answer_s)
    try:
        with _answer(client, request, n_present, deadline) as response:
            if response.status_code == httpx.codes.REQUESTED_RANGE_NOT_SATISFIABLE:
                _nothing_left(response, request, n_present)
                return
            _check_status(response, request)
            start = _start(response, request, n_present)
            _receive(_in_time(response, deadline), response, request, start, block_sizes)
    except httpx.TransportError as error:
        if deadline.is_over:
            raise UserError(
                f"{request.url}: less than a megabyte came in ingest.max_answer_s = {request.limits.max_answer_s:g} s. "
                "The partial download is kept: run the command again to resume."
            ) from None
        raise TransientError(f"{type(error).__name__} {error}".strip()) from None
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise UserError(f"{request.url} cannot be fetched: {error}. See {request.page}") from None


@contextmanager
def _answer(client: httpx.Client, request: _Request, n_present: int, deadline: Deadline) -> Iterator[httpx.Response]:
    """The response to a request for the missing bytes, once its header has come."""
    missing = client.build_request(
        "GET", request.url, headers=_range(request, n_present), extensions={"trace": deadline.report}
    )
    with deadline.running():
        response = client.send(missing, stream=True)
    try:
        yield response
    finally:
        response.close()


def _in_time(response: httpx.Response, deadline: Deadline) -> Iterator[bytes]:
    """The body in blocks: `BLOCK` bytes must come within the seconds, however many bytes the whole body has.

    The timeout of the client counts from byte to byte: a server can send one every few seconds for ever.
    """
    blocks, is_complete = response.iter_raw(), False
    while not is_complete:
        with deadline.running():
            room, is_complete = BLOCK, True
            for block in blocks:
                yield block
                room -= len(block)
                if room <= 0:
                    is_complete = False
                    break


def _range(request: _Request, n_present: int) -> dict[str, str]:
    """Headers for the missing bytes; with `If-Range` the server sends the whole file if its version has changed."""
    if not n_present:
        return {}
    version = request.version.read_text(encoding="latin-1") if request.version.exists() else ""
    return {"Range": f"bytes={n_present}-"} | ({"If-Range": version} if version else {})


def _nothing_left(response: httpx.Response, request: _Request, n_present: int) -> None:
    """The server has no more bytes: either the partial file is complete, or it belongs to another file."""
    if n_present and response.headers.get("content-range", "").rpartition("/")[2] == str(n_present):
        return
    _delete_partial(request)
    raise TransientError("the partial file does not belong to the server's file; the download restarts")


def _check_status(response: httpx.Response, request: _Request) -> None:
    status = response.status_code
    if status in RETRIED or status >= 500:
        raise TransientError(f"the server returned {status_of(response)}", retry_after(response))
    if not response.is_success:
        raise UserError(
            f"{request.url} returned {status_of(response)}: the file is missing or not public. Find its address on "
            f"{request.page} and write it into shops/{request.shop}.yaml: fetch.url."
        )


def _start(response: httpx.Response, request: _Request, n_present: int) -> int:
    """The position in the file of the first byte in the response."""
    if response.status_code != httpx.codes.PARTIAL_CONTENT:
        if n_present:
            log.warning("%s: the server sends the whole file again", request.file.name)
        return 0
    if response.headers.get("content-range", "").startswith(f"bytes {n_present}-"):
        return n_present
    _delete_partial(request)
    raise TransientError("the server sent another range than requested; the download restarts")


def _receive(
    blocks: Iterator[bytes], response: httpx.Response, request: _Request, start: int, block_sizes: list[int]
) -> None:
    length = response.headers.get("content-length", "")
    bar = partial(tqdm, desc=f"downloading {request.file.name}", unit="B", unit_scale=True, initial=start, disable=None)
    with request.part.open("ab" if start else "wb") as stream, bar(total=start + int(length or 0) or None) as progress:
        if not start:
            request.version.write_text(_version(response), encoding="latin-1")
        for block in blocks:
            if stream.tell() + len(block) > request.limits.max_file_bytes:
                _refuse_size(request)
            stream.write(block)
            block_sizes.append(len(block))
            progress.update(len(block))


def _refuse_size(request: _Request) -> NoReturn:
    _delete_partial(request)
    raise UserError(
        f"{request.url} is larger than ingest.max_file_bytes = {request.limits.max_file_bytes:,} (in params.yaml). Is "
        f"this the data set's address (shops/{request.shop}.yaml: fetch.url)? The download was deleted."
    )


def _version(response: httpx.Response) -> str:
    """The version for `If-Range`: a strong ETag, else Last-Modified, else empty."""
    etag = response.headers.get("etag", "")
    return etag if etag.startswith('"') else response.headers.get("last-modified", "")


def _unpack(request: _Request, members: dict[str, str]) -> dict[str, str]:
    """Extract members of a ZIP file: file -> unchanged, new or replaced."""
    if not members:
        return {request.file.name: "unchanged"}
    try:
        with zipfile.ZipFile(request.file) as archive:
            missing = [member for member in members if member not in archive.namelist()]
            if missing:
                raise UserError(f"{request.file} lacks {', '.join(missing)}: shops/{request.shop}.yaml, fetch.unpack.")
            return {name: _extract(archive, member, request.file.parent, name) for member, name in members.items()}
    except (zipfile.BadZipFile, zlib.error, RuntimeError, NotImplementedError, EOFError) as error:
        raise UserError(
            f"{request.file} could not be unpacked: {error} (shops/{request.shop}.yaml: fetch.unpack)"
        ) from None


def _extract(archive: zipfile.ZipFile, member: str, folder: Path, name: str) -> str:
    target = folder / name
    if not target.resolve().is_relative_to(
        folder.resolve()
    ):  # shop files are checked for this, but a symbolic link can lead out
        raise UserError(f"{target} leads out of {folder}: nothing is written there.")
    if exists := target.is_file():
        with archive.open(member) as packed, target.open("rb") as stream:
            if _same(packed, stream):
                return "unchanged"
    with files.complete(target) as unfinished, archive.open(member) as packed, unfinished.open("wb") as stream:
        shutil.copyfileobj(packed, stream)
    return "replaced" if exists else "new"


def _same(first: BinaryIO, second: BinaryIO) -> bool:
    while (block := first.read(BLOCK)) == second.read(BLOCK):
        if not block:
            return True
    return False
