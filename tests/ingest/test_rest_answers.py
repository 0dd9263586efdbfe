"""An API's answer has an end, in bytes and in seconds, whatever the server does."""

from __future__ import annotations

import gzip
import json
import socket
import threading
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx
import pytest

from recomart_lib.core.errors import UserError
from recomart_lib.core.shops import Shop
from recomart_lib.ingest.settings import Ingest
from recomart_lib.ingest.sources import rest_api, rest_response, rest_session
from recomart_lib.ingest.sources.http_retries import excerpt

SETTINGS = Ingest(timeout_s=5, max_attempts=2, max_answer_bytes=10_000, max_pages=20)
PAGE = json.dumps({"data": [{"customer_id": "u1"}]}).encode()


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch):
    monkeypatch.setattr(rest_session, "_sleep", lambda _: None)


@contextmanager
def serving(send: Callable[[socket.socket, int], None]) -> Iterator[str]:
    """The address of a server that answers the nth request, from 0, on a connection of its own, as `send` says."""
    listener = socket.create_server(("127.0.0.1", 0))

    def accept() -> None:
        number = 0
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:  # the test is over
                return
            with connection:
                connection.recv(65_536)
                with suppress(OSError):  # the client has closed it, as it should
                    send(connection, number)
            number += 1

    thread = threading.Thread(target=accept)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join()


def response(body: bytes, status: str = "200 OK", **headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status}", "Connection: close", f"Content-Length: {len(body)}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def always(body: bytes, status: str = "200 OK", **headers: str) -> Callable[[socket.socket, int], None]:
    return lambda connection, _: connection.sendall(response(body, status, **headers))


def fetch(folder: Path, url: str, settings: Ingest = SETTINGS, **pagination: object) -> str:
    keys = {"name": "x", "title": "X", "currency": "EUR", "time_zone": "UTC", "simulated": False, "cut": "auto"}
    columns = {"user_id": "customer_id", "item_id": "i", "timestamp": "t"}
    events = {"kind": "rest", "path": "users", "columns": columns, "event_type": "view"}
    api = {"url": url, "records": "data", "pagination": pagination or {"style": "none"}}
    shop = Shop(**keys, horizon_days="auto", relevant_events=["view"], tables={"events": events}, api=api)
    rest_api.download(shop, "events", folder, settings)
    return (folder / "events.jsonl").read_text()


def raw_deflate(body: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return packer.compress(body) + packer.flush()


@pytest.mark.parametrize(
    ("encoding", "body"),
    [
        ("identity", PAGE),
        ("UTF-8", PAGE),  # what some servers write
        ("none", PAGE),
        ("gzip", gzip.compress(PAGE)),
        ("x-gzip", gzip.compress(PAGE)),
        ("deflate", zlib.compress(PAGE)),
        ("deflate", raw_deflate(PAGE)),
    ],
)
def test_a_packed_answer_is_unpacked(tmp_path, encoding, body):
    with serving(always(body, Content_Encoding=encoding)) as url:
        assert fetch(tmp_path, url) == '{"customer_id": "u1"}\n'


HUGE = b'{"data": ["' + b"a" * 10**6


@pytest.mark.parametrize(
    ("encoding", "body"),
    [
        ("identity", HUGE),
        ("gzip", gzip.compress(HUGE)),
        ("deflate", zlib.compress(HUGE)),
        ("deflate", raw_deflate(HUGE)),
    ],
)
def test_an_answer_that_is_too_large_is_refused_and_not_asked_for_again(tmp_path, encoding, body):
    answers = []

    def send(connection: socket.socket, number: int) -> None:
        answers.append(number)
        connection.sendall(response(body, Content_Encoding=encoding))

    with (
        serving(send) as url,
        pytest.raises(UserError, match=r"more than ingest\.max_answer_bytes = 10,000 bytes \(in params\.yaml\)"),
    ):
        fetch(tmp_path, url)
    assert answers == [0]
    assert not list(tmp_path.glob("*.jsonl"))


@pytest.mark.parametrize("encoding", ["br", "zstd", "gzip, gzip", "gzip, br"])
def test_an_answer_in_another_packing_is_refused(tmp_path, encoding):
    with (
        serving(always(gzip.compress(PAGE), Content_Encoding=encoding)) as url,
        pytest.raises(UserError, match=f"is packed by {encoding}, though only gzip, deflate was asked for"),
    ):
        fetch(tmp_path, url)


def test_a_damaged_packing_is_tried_again(tmp_path):
    def send(connection: socket.socket, number: int) -> None:
        connection.sendall(response(gzip.compress(PAGE) if number else b"no gzip", Content_Encoding="gzip"))

    with serving(send) as url:
        assert fetch(tmp_path, url) == '{"customer_id": "u1"}\n'


@pytest.mark.parametrize(("encoding", "body"), [("gzip", gzip.compress(PAGE)), ("deflate", zlib.compress(PAGE))])
def test_what_follows_a_packed_answer_without_end_is_not_read(tmp_path, encoding, body):
    head = f"HTTP/1.1 200 OK\r\nContent-Encoding: {encoding}\r\nConnection: close\r\n\r\n".encode()

    def send(connection: socket.socket, _: int) -> None:
        connection.sendall(head + body)
        with suppress(OSError):
            while True:
                connection.sendall(b"\0" * 1000)

    with serving(send) as url:
        assert fetch(tmp_path, url) == '{"customer_id": "u1"}\n'


@pytest.mark.parametrize(
    "start",
    [
        b"",
        b"HTTP/1.1 200 OK\r\nX: ",
        b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n\r\n" + PAGE,  # ends where the connection ends
    ],
    ids=["before the header", "header", "body", "body without a length"],
)
def test_an_answer_that_drips_for_ever_is_ended(tmp_path, start):
    gone = threading.Event()

    def send(connection: socket.socket, _: int) -> None:
        connection.sendall(start)
        while not gone.wait(0.02):
            connection.sendall(b"a")

    with serving(send) as url:
        with pytest.raises(UserError, match=r"the answer was not complete after ingest\.max_answer_s = 0\.3 s"):
            fetch(tmp_path, url, SETTINGS.model_copy(update={"max_answer_s": 0.3}))
        gone.set()


def test_an_error_without_end_is_read_in_part(tmp_path):
    body = b"<title>Sorry</title>" + b"a" * 10**6
    with serving(always(body, "403 Forbidden" + "!" * 5_000)) as url, pytest.raises(UserError) as refused:
        fetch(tmp_path, url)
    assert "a web page, 'Sorry'" in str(refused.value)
    assert len(str(refused.value)) < 1_000


def test_a_long_address_is_shortened_in_a_message(tmp_path):
    with (
        serving(always(b"", "302 Found", Location="http://other/" + "a" * 50_000)) as url,
        pytest.raises(UserError, match="it redirects to http://other/aaa") as refused,
    ):
        fetch(tmp_path, url)
    assert len(str(refused.value)) < 3_000


@pytest.mark.parametrize("seconds", ["1" + "0" * 8, "1e9", "9" * 5_000, "Fri, 31 Dec 9999 23:59:59 GMT"])
def test_a_wait_without_end_is_not_waited_for(tmp_path, seconds):
    with serving(always(b"", "503 Busy", Retry_After=seconds)) as url, pytest.raises(UserError, match="given up after"):
        fetch(tmp_path, url)


@pytest.mark.parametrize("cycle", [1, 2, 10**6], ids=["the same", "alternating", "always new"])
def test_cursors_without_end_are_ended(tmp_path, cycle):
    def send(connection: socket.socket, number: int) -> None:
        content = {"data": [{"customer_id": f"u{number}"}], "next": f"c{number % cycle}"}
        connection.sendall(response(json.dumps(content).encode()))

    end = r"this is page 21, more than ingest\.max_pages = 20 " if cycle > 2 else "the pages form a loop"
    with serving(send) as url, pytest.raises(UserError, match=end):
        fetch(tmp_path, url, style="cursor", parameter="cursor", next="next")


@pytest.mark.parametrize("body", [b"[" * 9_000, b'{"data": ' + b"1" * 9_000 + b"}"], ids=["nested", "digits"])
def test_what_no_program_can_parse_is_no_valid_json(tmp_path, body):
    with serving(always(body)) as url, pytest.raises(UserError, match="the response is not valid JSON"):
        fetch(tmp_path, url)


@pytest.mark.parametrize("charset", ["idna", "punycode", "zlib", "base64", "undefined", "x" * 500])
def test_a_charset_that_is_none_does_no_harm(charset):
    named = {"content-type": f"text/html; charset={charset}"}
    assert excerpt(httpx.Response(500, headers=named, content=b"a" * 50_000)).startswith("aaa")


@pytest.mark.parametrize(
    ("header", "url"),
    [
        ('<a>; rel="next"', "a"),
        ("<a>; rel=prev, <b>; title=x; rel=next", "b"),
        ("<a>; REL='last NEXT'", "a"),
        ('<a>; rel="prev", <b>', None),
        ("<a; rel=next", None),
        ("", None),
        ("<" * 10**6, None),
        ("<a>" + "; rel" * 10**6, None),
        ("<a>;" + " " * 10**6 + "rel=next", "a"),
    ],
    ids=range(9),
)
def test_the_next_page_of_a_link_header_is_found_in_linear_time(header, url):
    assert rest_response._link(header) == url


def test_keys_without_measure_are_shortened_in_a_message():
    content = {"a" * 5_000 + str(n): {"b" * 5_000: 1} for n in range(100)}
    with pytest.raises(rest_response.FormError) as problem:
        rest_response._required(content, "data", "records")
    assert len(str(problem.value)) < 5_000
