"""Receive one response of an API, with an end to its size and to the time that it takes.

A server can send a gigabyte as a megabyte of gzip, or one byte every few seconds for ever: the request timeout counts
from byte to byte.
"""

from __future__ import annotations

import socket
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from threading import Lock, Timer
from typing import Any

import httpx

from recomart_lib.ingest.settings import Ingest

ACCEPTED = "gzip, deflate"
# how answers are packed; servers also write utf-8 or none here, which says nothing about the bytes
PACKINGS = {"gzip", "x-gzip", "deflate", "br", "zstd", "compress", "x-compress", "dcb", "dcz"}
BLOCK = 1 << 20  # bytes that are unpacked at once
MAX_ERROR_BYTES = 100_000  # of the body of an error
WRITTEN_AGAIN = {"content-encoding", "content-length", "transfer-encoding"}  # headers about the body as it was sent


class RefusedAnswerError(Exception):
    """The answer is too large, takes too long, or is packed in a way that was not asked for: a retry cannot help."""


class Deadline:
    """Ends what a connection receives, wherever it waits, after some seconds; one answer at a time.

    httpx knows only the timeout of one read. But it reports its connections, and closing one from outside ends a read.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds, self._connection, self._lock = seconds, None, Lock()
        self.is_over = False

    @contextmanager
    def running(self) -> Iterator[None]:
        """Inside, an answer must be complete within the seconds.

        Raises
        ------
        httpx.ReadTimeout
            If it was not: an answer without a length seems to be complete where its connection was closed.
        """
        self.is_over = False
        timer = Timer(self._seconds, self._end)
        timer.daemon = True
        timer.start()
        try:
            yield
            if self.is_over:
                raise httpx.ReadTimeout(f"not complete after {self._seconds:g} s")
        finally:
            timer.cancel()
            timer.join()

    def report(self, event: str, details: dict[str, Any]) -> None:
        """For `extensions={"trace": ...}` of a request: keeps its connection."""
        connection = details.get("return_value")
        if event.endswith(".complete") and hasattr(connection, "get_extra_info"):
            with self._lock:
                self._connection = connection
            if self.is_over:
                self._close()

    def _end(self) -> None:
        self.is_over = True
        self._close()

    def _close(self) -> None:
        with self._lock:
            plain = self._connection and self._connection.get_extra_info("socket")
        if plain is not None:
            with suppress(OSError):  # the server has closed it already
                socket.socket.shutdown(plain, socket.SHUT_RDWR)  # that of TLS would not end a read


def receive(client: httpx.Client, url: httpx.URL, limits: Ingest, deadline: Deadline) -> httpx.Response:
    """The response to a request, complete and unpacked; of an error, only the beginning of its body.

    Raises
    ------
    RefusedAnswerError
        If it is larger than `ingest.max_answer_bytes`, takes longer than `ingest.max_answer_s`, or is packed otherwise
        than by gzip or deflate.
    httpx.TransportError, httpx.DecodingError
        If the connection fails, or the packed body is damaged.
    """
    try:
        with deadline.running(), _stream(client, url, deadline) as response:
            content = _content(response, limits.max_answer_bytes)
    except httpx.TransportError:
        if deadline.is_over:
            raise RefusedAnswerError(
                f"the answer was not complete after ingest.max_answer_s = {limits.max_answer_s:g} s."
            ) from None
        raise
    kept = [(name, value) for name, value in response.headers.multi_items() if name not in WRITTEN_AGAIN]
    return httpx.Response(
        response.status_code,
        headers=kept,
        content=content,
        request=response.request,
        extensions={"reason_phrase": response.extensions.get("reason_phrase", b"")},
    )


@contextmanager
def _stream(client: httpx.Client, url: httpx.URL, deadline: Deadline) -> Iterator[httpx.Response]:
    headers, extensions = {"Accept-Encoding": ACCEPTED}, {"trace": deadline.report}
    with client.stream("GET", url, headers=headers, extensions=extensions) as response:
        yield response


def _content(response: httpx.Response, max_bytes: int) -> bytes:
    blocks, n_bytes = [], 0
    for block in _unpacked(response):
        blocks.append(block)
        n_bytes += len(block)
        if not response.is_success and n_bytes > min(MAX_ERROR_BYTES, max_bytes):
            break
        if n_bytes > max_bytes:
            raise RefusedAnswerError(
                f"the answer has more than ingest.max_answer_bytes = {max_bytes:,} bytes (in params.yaml). Ask for "
                "smaller pages (api.pagination.size), or raise it."
            )
    return b"".join(blocks)


def _unpacked(response: httpx.Response) -> Iterator[bytes]:
    """The body in blocks of bounded size."""
    encodings = [name.strip().lower() for name in response.headers.get("content-encoding", "").split(",")]
    encodings = [name for name in encodings if name in PACKINGS]
    if not encodings:
        yield from response.iter_raw()
    elif encodings in (["gzip"], ["x-gzip"], ["deflate"]):
        yield from _inflated(response, is_gzip=encodings != ["deflate"])
    else:
        packed = ", ".join(encodings)[:100]
        raise RefusedAnswerError(f"the answer is packed by {packed}, though only {ACCEPTED} was asked for.")


def _inflated(response: httpx.Response, is_gzip: bool) -> Iterator[bytes]:
    unpacker = None
    try:
        for block in response.iter_raw():
            unpacker = unpacker or _unpacker(block, is_gzip)
            is_full = True
            while block or is_full:
                unpacked = unpacker.decompress(block, BLOCK)
                block, is_full = unpacker.unconsumed_tail, len(unpacked) == BLOCK
                yield unpacked
            if unpacker.eof:  # what follows belongs to no answer, may have no end, and zlib would keep it
                return
    except zlib.error as problem:
        raise httpx.DecodingError(str(problem)) from None


def _unpacker(start: bytes, is_gzip: bool) -> Any:
    """What unpacks a body that starts like this; some servers call deflate what lacks the header of zlib."""
    if is_gzip:
        return zlib.decompressobj(zlib.MAX_WBITS | 16)
    has_header = len(start) > 1 and start[0] & 15 == 8 and int.from_bytes(start[:2]) % 31 == 0
    return zlib.decompressobj(zlib.MAX_WBITS if has_header or len(start) == 1 else -zlib.MAX_WBITS)
