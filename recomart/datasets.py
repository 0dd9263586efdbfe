"""Fetch a public data set: one file, gone on with where it broke off, and unpacked only if it is the expected one.

What came of a file lies beside it as `<name>.part`, with the server's word for its version in `<name>.part.version`.
"""

from __future__ import annotations

import errno
import hashlib
import logging
import shutil
import time
import zipfile
import zlib
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import BinaryIO

import httpx
from tenacity import RetryCallState, RetryError, Retrying, retry_if_exception_type
from tqdm.auto import tqdm

from recomart_lib.core.errors import UserError
from recomart_lib.core.shops import Shop
from recomart_lib.ingest.settings import Ingest
from recomart_lib.ingest.sources.rest_api import BACKOFF, RETRIED, TransientError, retry_after, status_of

log = logging.getLogger(__name__)

BLOCK = 1 << 20  # bytes that are hashed or compared at once
_sleep = time.sleep


@dataclass(frozen=True)
class Fetched:
    """What was done: bytes that came now (0: the file was there), and each data file's fate: there, new or replaced."""

    file: Path
    n_bytes: int
    fates: dict[str, str]


def fetch(shop: Shop, folder: Path, patience: Ingest) -> Fetched:
    """Fetch the shop's public file into `folder` and unpack it there; what is there and right stays as it is.

    A download that breaks off is gone on with, in this call and the next, if the server still has the same version
    (`If-Range`); else it starts again. Nothing is unpacked before the file's sha256 is the one of the shop file.

    Parameters
    ----------
    patience
        `timeout_s`: seconds without a sign of life; `max_attempts`: how often the server is asked; `retry_budget_s`:
        seconds that retries may wait in all.

    Raises
    ------
    UserError
        If the shop file names no file to fetch, the server refuses or cannot be reached, the disk is full, or what
        came is not the expected file.
    """
    job = _job(shop, folder, patience)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        n_bytes = 0 if _sha256(job.file) == job.sha256 else _download(job)
        return Fetched(job.file, n_bytes, _unpack(job, shop.fetch.unpack))
    except OSError as problem:
        hint = " Make room and run the command again: it goes on." if problem.errno == errno.ENOSPC else ""
        raise UserError(f"{folder} could not be written: {problem.strerror or problem}.{hint}") from None


@dataclass(frozen=True)
class _Job:
    """One file to fetch: from where, to where, and how to know that it is the right one."""

    shop: str
    url: str
    sha256: str
    page: str
    file: Path
    patience: Ingest

    @property
    def part(self) -> Path:
        return self.file.with_name(f"{self.file.name}.part")

    @property
    def version(self) -> Path:
        return self.file.with_name(f"{self.file.name}.part.version")


def _job(shop: Shop, folder: Path, patience: Ingest) -> _Job:
    spec, where = shop.fetch, f"shops/{shop.name}.yaml"
    if spec is None:
        raise UserError(f"{where} has no `fetch`: it names no public file. Put the shop's own files into {folder}.")
    if spec.url is None:
        raise UserError(f"{where} names no file that could be fetched. By hand: {spec.by_hand} See {spec.page}")
    return _Job(shop.name, spec.url, spec.sha256, spec.page, folder / spec.file_name, patience)


def _sha256(file: Path) -> str | None:
    if not file.is_file():
        return None
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _download(job: _Job) -> int:
    """Bring the file, whole and right, to its place; returns the bytes that came. Of a wrong one nothing is kept."""
    resumed = job.part.exists()
    n_bytes = _persist(job)
    if resumed and _sha256(job.part) != job.sha256:
        log.warning("%s: what was gone on with is not the expected file: it is fetched from its start", job.file.name)
        _forget(job)
        n_bytes += _persist(job)
    if (found := _sha256(job.part)) != job.sha256:
        _forget(job)
        raise UserError(
            f"{job.url} is not the expected file: its sha256 is {found}, shops/{job.shop}.yaml says {job.sha256} "
            f"(fetch.sha256). Nothing was unpacked, and what came was deleted. Has the publisher changed it? {job.page}"
        )
    job.part.replace(job.file)
    _forget(job)
    return n_bytes


def _forget(job: _Job) -> None:
    job.part.unlink(missing_ok=True)
    job.version.unlink(missing_ok=True)


def _persist(job: _Job) -> int:
    """Ask until all has come, or patience is spent; returns the bytes that came."""
    came: list[int] = []
    retrying = Retrying(
        retry=retry_if_exception_type(TransientError),
        wait=lambda state: state.outcome.exception().retry_after or BACKOFF(state),
        stop=partial(_is_spent, job.patience),
        before_sleep=_tell,
        sleep=lambda seconds: _sleep(seconds),
    )
    with _client(job) as client:
        try:
            retrying(_once, client, job, came)
        except RetryError as spent:
            raise UserError(
                f"{job.url}: given up after {spent.last_attempt.attempt_number} attempt(s). The last problem: "
                f"{spent.last_attempt.exception()}. What came is kept: run the command again, and it goes on."
            ) from None
    return sum(came)


def _is_spent(patience: Ingest, state: RetryCallState) -> bool:
    late = state.idle_for + state.upcoming_sleep > patience.retry_budget_s
    return late or state.attempt_number >= patience.max_attempts


def _tell(state: RetryCallState) -> None:
    log.warning(
        "attempt %s failed: %s; again in %.1f s", state.attempt_number, state.outcome.exception(), state.upcoming_sleep
    )


def _client(job: _Job) -> httpx.Client:
    # bytes are counted and hashed as they lie on the server: nothing may be packed for the way
    headers = {"Accept-Encoding": "identity", "User-Agent": "recomart"}
    try:
        return httpx.Client(headers=headers, timeout=job.patience.timeout_s, follow_redirects=True)
    except (ValueError, ImportError, httpx.InvalidURL) as problem:
        raise UserError(f"No connection is possible with the proxy or certificates as set: {problem}") from None


def _once(client: httpx.Client, job: _Job, came: list[int]) -> None:
    """One request for what is missing; `came` gets the sizes of its blocks, however it ends."""
    have = job.part.stat().st_size if job.part.exists() else 0
    try:
        with client.stream("GET", job.url, headers=_range(job, have)) as response:
            if response.status_code == httpx.codes.REQUESTED_RANGE_NOT_SATISFIABLE:
                _nothing_left(response, job, have)
                return
            _check_status(response, job)
            _receive(response, job, _start(response, job, have), came)
    except httpx.TransportError as problem:
        raise TransientError(f"{type(problem).__name__} {problem}".strip()) from None
    except (httpx.HTTPError, httpx.InvalidURL) as problem:
        raise UserError(f"{job.url} cannot be fetched: {problem}. See {job.page}") from None


def _range(job: _Job, have: int) -> dict[str, str]:
    """Ask for the rest only; `If-Range`: but for the whole file, if it is no longer the one of which a part is here."""
    if not have:
        return {}
    version = job.version.read_text(encoding="latin-1") if job.version.exists() else ""
    return {"Range": f"bytes={have}-"} | ({"If-Range": version} if version else {})


def _nothing_left(response: httpx.Response, job: _Job, have: int) -> None:
    """The server has nothing behind what is here: either that is all, or it belongs to another file."""
    if have and response.headers.get("content-range", "").rpartition("/")[2] == str(have):
        return
    _forget(job)
    raise TransientError("what is here is no part of the server's file: it starts again")


def _check_status(response: httpx.Response, job: _Job) -> None:
    status = response.status_code
    if status in RETRIED or status >= 500:
        raise TransientError(f"the server answers {status_of(response)}", retry_after(response))
    if not response.is_success:
        raise UserError(
            f"{job.url} answers {status_of(response)}: the file is not there, or not for everybody. {job.page} tells "
            f"where it is; write its address into shops/{job.shop}.yaml: fetch.url."
        )


def _start(response: httpx.Response, job: _Job, have: int) -> int:
    """The place in the file of the first byte that comes."""
    if response.status_code != httpx.codes.PARTIAL_CONTENT:
        if have:
            log.warning("%s: the server sends all of it again", job.file.name)
        return 0
    if response.headers.get("content-range", "").startswith(f"bytes {have}-"):
        return have
    _forget(job)
    raise TransientError("the server sends another part than was asked for: it starts again")


def _receive(response: httpx.Response, job: _Job, start: int, came: list[int]) -> None:
    length = response.headers.get("content-length", "")
    bar = partial(tqdm, desc=f"fetching {job.file.name}", unit="B", unit_scale=True, initial=start, disable=None)
    with job.part.open("ab" if start else "wb") as stream, bar(total=start + int(length or 0) or None) as progress:
        if not start:
            job.version.write_text(_version(response), encoding="latin-1")
        for block in response.iter_raw():
            stream.write(block)
            came.append(len(block))
            progress.update(len(block))


def _version(response: httpx.Response) -> str:
    """What `If-Range` may name: a strong ETag, else the time of the last change, else nothing."""
    etag = response.headers.get("etag", "")
    return etag if etag.startswith('"') else response.headers.get("last-modified", "")


def _unpack(job: _Job, wanted: dict[str, str]) -> dict[str, str]:
    """Copy the wanted members of a ZIP file to their places: file -> there (as in the archive), new or replaced."""
    if not wanted:
        return {job.file.name: "there"}
    try:
        with zipfile.ZipFile(job.file) as archive:
            missing = [member for member in wanted if member not in archive.namelist()]
            if missing:
                raise UserError(f"{job.file} holds no {', '.join(missing)}: shops/{job.shop}.yaml, fetch.unpack.")
            return {name: _copied(archive, member, job.file.parent, name) for member, name in wanted.items()}
    except (zipfile.BadZipFile, zlib.error, RuntimeError, NotImplementedError, EOFError) as problem:
        raise UserError(f"{job.file} could not be unpacked: {problem} (shops/{job.shop}.yaml: fetch.unpack)") from None


def _copied(archive: zipfile.ZipFile, member: str, folder: Path, name: str) -> str:
    target = folder / name
    if not target.resolve().is_relative_to(folder.resolve()):  # the shop file cannot say so, but a link can lead there
        raise UserError(f"{target} leads out of {folder}: nothing is written there.")
    if there := target.is_file():
        with archive.open(member) as packed, target.open("rb") as stream:
            if _same(packed, stream):
                return "there"
    target.parent.mkdir(parents=True, exist_ok=True)
    unfinished = target.with_name(f".{target.name}.unfinished")
    try:
        with archive.open(member) as packed, unfinished.open("wb") as stream:
            shutil.copyfileobj(packed, stream)
        unfinished.replace(target)
    finally:
        unfinished.unlink(missing_ok=True)
    return "replaced" if there else "new"


def _same(one: BinaryIO, other: BinaryIO) -> bool:
    while (block := one.read(BLOCK)) == other.read(BLOCK):
        if not block:
            return True
    return False
