"""Tables from an API: despite network faults, the same records as the files, or one clear error."""

from __future__ import annotations

import csv
import json
import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import httpx
import pytest

from recomart.simulator import api as simulator_api
from recomart.simulator.api import FAULTS
from recomart_lib.core.errors import UserError
from recomart_lib.core.shops import Shop
from recomart_lib.ingest.settings import Ingest
from recomart_lib.ingest.sources import rest_api, rest_session
from recomart_lib.ingest.sources.reader import read

SECRET = "s3cret/word+42"
SETTINGS = Ingest(timeout_s=5, max_attempts=8, retry_budget_s=300)
NAMES = (
    "<script>alert(1)</script>",
    'a "quoted", name',
    "two\nlines\r\n",
    "édition ☕ 日本 \u2028 \x85",
    "",
    "\\",
    "plain",
)
USERS = [{"customer_id": f"u{n}", "city": NAMES[n % 7], "age": str(n)} for n in range(57)]
PRODUCTS = [{"product_id": f"p{n}", "title": NAMES[n % 7], "price": n / 4, "tags": None} for n in range(20)]
SALES = [
    {"transaction_id": f"t{n}", "customer_id": "u1", "product_id": "p1", "timestamp": "2025-01-01"} for n in range(33)
]
STYLES = {
    "page": {"style": "page", "size_parameter": "per_page", "size": 10},
    "offset": {"style": "offset", "parameter": "offset", "size_parameter": "limit", "size": 10},
    "cursor": {"style": "cursor", "parameter": "cursor", "size_parameter": "limit", "size": 10},
    "link": {"style": "link", "size_parameter": "limit", "size": 10},
    "none": {"style": "none", "size_parameter": "limit", "size": 1000},
}
COLUMNS = {"event_id": "transaction_id", "user_id": "customer_id", "item_id": "product_id", "timestamp": "timestamp"}


def shop(url: str, pagination: dict[str, Any] | None = None, **api: Any) -> Shop:
    """A shop of three tables behind the API at `url`."""
    keys = {"name": "x", "title": "X", "currency": "EUR", "time_zone": "UTC", "simulated": False, "cut": "auto"}
    tables = {
        "users": {"kind": "rest", "path": "users", "columns": {"user_id": "customer_id"}},
        "items": {"kind": "rest", "path": "products", "columns": {"item_id": "product_id"}},
        "events": {"kind": "rest", "path": "transactions", "columns": COLUMNS, "event_type": "purchase"},
    }
    declared = {"records": "data", "total": "total", **api, "url": url, "pagination": pagination or STYLES["page"]}
    return Shop(**keys, horizon_days="auto", relevant_events=["purchase"], tables=tables, api=declared)


def text(records: list[dict]) -> str:
    return "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records)


@contextmanager
def running(server: ThreadingHTTPServer) -> Iterator[str]:
    """The address of a server that runs in a thread meanwhile."""
    thread = threading.Thread(target=server.serve_forever, args=(0.005,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@contextmanager
def computed(answer: Callable[[dict[str, str]], Any]) -> Iterator[tuple[str, list[str]]]:
    """A server whose answers depend on the query; an answer is as in `scripted`. And the list of requests."""
    requests: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_GET(self) -> None:
            requests.append(self.path)
            self.respond(answer(dict(parse_qsl(urlsplit(self.path).query))))

        def respond(self, content: Any) -> None:
            status, headers, body = content if isinstance(content, tuple) else (200, {}, json.dumps(content))
            self.send_response(status)
            for name, value in {"Content-Length": str(len(body.encode())), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, *_: Any) -> None:
            pass

    with running(ThreadingHTTPServer(("127.0.0.1", 0), Handler)) as url:
        yield url, requests


@contextmanager
def scripted(*answers: Any) -> Iterator[tuple[str, list[str]]]:
    """A server that gives these answers in order, the last for ever, and the list of what it was requests.

    An answer is what its JSON shall be, or (status, headers, body).
    """
    with computed(lambda _: answers[min(len(requests), len(answers)) - 1]) as (url, requests):
        yield url, requests


def page(*numbers: int, total: int | None = None, **more: Any) -> dict:
    return {"data": [{"n": number} for number in numbers], **({} if total is None else {"total": total}), **more}


@pytest.fixture(autouse=True)
def slept(monkeypatch) -> list[float]:
    """The requested pauses; none of them is made."""
    pauses: list[float] = []
    monkeypatch.setattr(rest_session, "_sleep", pauses.append)
    monkeypatch.setattr(simulator_api, "SLOW_S", 0.002)
    return pauses


@pytest.fixture(scope="session")
def simulated(tmp_path_factory) -> Path:
    """The files of a small simulated shop."""
    folder = tmp_path_factory.mktemp("simulated")
    (folder / "transactions").mkdir()
    for name, records in {"users": USERS, "transactions/1": SALES[:20], "transactions/2": SALES[20:]}.items():
        with (folder / f"{name}.csv").open("w", newline="", encoding="utf-8") as stream:
            writer = csv.DictWriter(stream, list(records[0]))
            writer.writeheader()
            writer.writerows(records)
    (folder / "products.json").write_text(json.dumps(PRODUCTS))
    return folder


@pytest.fixture
def serve(simulated) -> Callable[..., Any]:
    return lambda **options: running(simulator_api.serve(simulated, port=0, **options))


def fetch(tmp_path: Path, shop: Shop, table: str = "users", settings: Ingest = SETTINGS) -> str:
    rest_api.download(shop, table, tmp_path, settings)
    return (tmp_path / f"{table}.jsonl").read_bytes().decode()


# --- All is well -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("total", ["total", None])
@pytest.mark.parametrize("style", STYLES)
def test_every_style_gives_the_records_of_the_files(tmp_path, serve, style, total):
    with serve() as url:
        api = shop(url, STYLES[style], total=total)
        assert fetch(tmp_path, api) == text(USERS)
        assert fetch(tmp_path, api, "items") == text(PRODUCTS)
        assert fetch(tmp_path, api, "events") == text(SALES)


def test_the_result_counts_requests_and_retries(tmp_path, serve, caplog):
    caplog.set_level(logging.INFO)
    with serve() as url:
        fetched = rest_api.download(shop(url), "users", tmp_path, SETTINGS)
    end = "the declared total has come"
    expected = rest_api.FetchResult("users", f"{url}/users?per_page=10", 57, 6, 6, 0, 0.0, fetched.seconds, end)
    assert fetched == expected
    assert [record.levelname for record in caplog.records if record.name.startswith("recomart")] == ["INFO"]
    assert "users: 57 records in 6 pages, 0 retries" in caplog.text


@pytest.mark.parametrize("style", ["page", "offset"])
def test_without_a_size_parameter_the_server_decides(tmp_path, style):
    answers = [page(1, 2, 3), page(4, 5, 6), page(7), page()]
    with scripted(*answers) as (url, requests):
        fetched = fetch(tmp_path, shop(url, {"style": style, "parameter": "p", "first": 0}, total=None))
    assert fetched == text([{"n": n} for n in range(1, 8)])
    assert requests == [f"/users?p={n}" for n in ([0, 1, 2, 3] if style == "page" else [0, 3, 6, 7])]


def test_an_answer_may_be_the_list_itself(tmp_path):
    with scripted([{"n": 1}, {"n": 2}]) as (url, _):
        assert fetch(tmp_path, shop(url, STYLES["none"], records=None, total=None)) == text([{"n": 1}, {"n": 2}])


@pytest.mark.parametrize("style", STYLES)
def test_an_empty_table_is_an_empty_file(tmp_path, style):
    with scripted(page(total=0)) as (url, _):
        assert fetch(tmp_path, shop(url, STYLES[style])) == ""


def test_a_record_is_one_line_for_the_reader(tmp_path):
    records = [{"customer_id": name or "x"} for name in NAMES] + [{"customer_id": "half \ud800"}]
    with scripted((200, {}, json.dumps(records))) as (url, _):
        lines = fetch(tmp_path, shop(url, STYLES["none"], records=None, total=None))
    assert [json.loads(line) for line in lines.split("\n")[:-1]] == records
    readable = (tmp_path / "users.jsonl").read_bytes().splitlines(keepends=True)[: len(NAMES)]
    (tmp_path / "users.jsonl").write_bytes(b"".join(readable))
    reader = shop("http://x")
    spec = reader.table("users").model_copy(update={"kind": "jsonl"})
    reader = reader.model_copy(update={"tables": {**reader.tables, "users": spec}})
    assert read(tmp_path / "users.jsonl", reader, "users").rows.height == len(NAMES)


def test_numbers_that_lost_digits_stay_as_they_are_written(tmp_path):
    body = '[{"customer_id": 1.23457E+12, "price": 2.5, "n": 1e2}]'
    with scripted((200, {}, body)) as (url, _):
        lines = fetch(tmp_path, shop(url, STYLES["none"], records=None, total=None))
    assert json.loads(lines) == {"customer_id": "1.23457E+12", "price": 2.5, "n": 100.0}


def test_the_size_goes_along_with_links(tmp_path):
    link = {"Link": '</users?after=2;3>; rel="prev", </users?after=2;4>; title=x; rel="last next"'}
    with scripted((200, link, json.dumps(page(1))), page(2)) as (url, requests):
        fetch(tmp_path, shop(url, STYLES["link"], total=None))
    assert requests == ["/users?limit=10", "/users?after=2%3B4&limit=10"]


# --- Secrets ---------------------------------------------------------------------------------------------------------


def test_the_secret_is_sent_and_never_shown(tmp_path, serve, monkeypatch, caplog):
    caplog.set_level(logging.DEBUG)
    monkeypatch.setenv("RECOMART_KEY", SECRET)
    with serve(token=SECRET, faults={"error": 0.3}) as url:
        guarded = shop(url, auth={"env": "RECOMART_KEY"})
        assert fetch(tmp_path, guarded) == text(USERS)
        monkeypatch.setenv("RECOMART_KEY", f"{SECRET}!")
        with pytest.raises(
            UserError, match=r"401 Unauthorized \(a bearer token is needed\): is the secret in RECOMART_KEY right"
        ) as refused:
            fetch(tmp_path, guarded)
    assert SECRET not in caplog.text + str(refused.value)


def test_a_secret_in_an_address_is_hidden(tmp_path, monkeypatch, caplog):
    caplog.set_level(logging.INFO)
    monkeypatch.setenv("RECOMART_KEY", SECRET)
    link = {"Link": f"</users?key={httpx.QueryParams(k=SECRET)['k']}>; rel=next"}
    with scripted((200, link, json.dumps(page(1))), (500, {}, "")) as (url, _):
        guarded = shop(url, STYLES["link"], total=None, auth={"env": "RECOMART_KEY"})
        address = guarded.api.model_copy(update={"url": url.replace("//", "//me:pass@")})  # refused in shop files
        with pytest.raises(UserError, match=r"key=\*\*\*") as problem:
            fetch(tmp_path, guarded.model_copy(update={"api": address}))
    output = caplog.text + str(problem.value)
    assert not any(word in output for word in (SECRET, "s3cret", "pass@"))


@pytest.mark.parametrize(
    ("value", "complaint"),
    [
        (None, "RECOMART_KEY is not set"),
        ("", "RECOMART_KEY is not set"),
        (f"{SECRET}\n", "not a valid header value"),
        ("schlüssel", "header value"),
    ],
)
def test_an_invalid_secret_is_reported_before_any_request(tmp_path, monkeypatch, value, complaint):
    monkeypatch.delenv("RECOMART_KEY", raising=False)
    if value is not None:
        monkeypatch.setenv("RECOMART_KEY", value)
    with scripted(page()) as (url, requests):
        guarded = shop(url, auth={"env": "RECOMART_KEY"})
        for act in (lambda shop: rest_api.check(shop, SETTINGS), lambda shop: fetch(tmp_path, shop)):
            with pytest.raises(UserError, match=complaint) as problem:
                act(guarded)
            assert not value or value not in str(problem.value)
    assert not requests


def test_check_asks_for_no_secret_where_nothing_is_fetched():
    rest_api.check(shop("http://127.0.0.1:1"), SETTINGS)


@pytest.mark.parametrize("login", ["", "me:pass@"])
def test_no_request_with_a_secret_goes_to_another_computer_without_https(tmp_path, monkeypatch, login):
    """Whatever names the address: the shop file, which is checked before, or a page."""
    monkeypatch.setenv("RECOMART_KEY", SECRET)
    auth = None if login else {"env": "RECOMART_KEY"}
    sent = []
    guarded = shop("https://shop.example", auth=auth)
    insecure = guarded.model_copy(update={"api": guarded.api.model_copy(update={"url": f"http://{login}shop.example"})})
    monkeypatch.setattr(httpx.HTTPTransport, "handle_request", lambda _, request: sent.append(request))
    with pytest.raises(UserError, match=r"http://shop\.example/users is not https: the secret is not sent") as refused:
        fetch(tmp_path, insecure)
    assert not sent
    assert "pass@" not in str(refused.value)


def test_a_next_page_without_https_is_not_asked_with_the_secret(tmp_path, monkeypatch):
    monkeypatch.setenv("RECOMART_KEY", SECRET)
    sent = []

    def answer(_: Any, request: httpx.Request) -> httpx.Response:
        sent.append(request.url)
        content = page(1, next="http://shop.example:8080/users?cursor=2")
        return httpx.Response(200, stream=httpx.ByteStream(json.dumps(content).encode()))

    monkeypatch.setattr(httpx.HTTPTransport, "handle_request", answer)
    guarded = shop("https://shop.example", STYLES["cursor"], total=None, auth={"env": "RECOMART_KEY"})
    with pytest.raises(UserError, match="leads to another server"):
        fetch(tmp_path, guarded)
    assert {url.scheme for url in sent} == {"https"}


def test_this_computer_is_asked_without_a_proxy(tmp_path, serve, monkeypatch):
    for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("RECOMART_KEY", SECRET)
    with serve(token=SECRET) as url:
        assert fetch(tmp_path, shop(url, auth={"env": "RECOMART_KEY"})) == text(USERS)


def test_a_variable_of_another_program_is_not_read(tmp_path, monkeypatch):
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    with scripted(page()) as (url, requests):
        guarded = shop(url, auth={"env": "AWS_SECRET_ACCESS_KEY"})
        for act in (lambda shop: rest_api.check(shop, SETTINGS), lambda shop: fetch(tmp_path, shop)):
            with pytest.raises(UserError, match=r"allow it in params\.yaml: ingest\.auth_variables"):
                act(guarded)
        assert not requests
        allowed = SETTINGS.model_copy(update={"auth_variables": ["AWS_SECRET_ACCESS_KEY"]})
        rest_api.check(guarded, allowed)


# --- Faults ----------------------------------------------------------------------------------------------------------


def outcome(tmp_path: Path, api: Shop) -> str:
    """The content of the file after a fetch: `former` if it failed."""
    target = tmp_path / "users.jsonl"
    target.write_text("former")
    try:
        rest_api.download(api, "users", tmp_path, SETTINGS)
    except UserError:
        assert target.read_text() == "former"
    assert [file.name for file in tmp_path.iterdir()] == ["users.jsonl"]
    return target.read_bytes().decode()


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("style", [style for style in STYLES if style != "none"])
def test_each_fault_alone_is_survived(tmp_path, serve, style, fault):
    cut_unseen = fault == "short" and style in ("cursor", "link")
    for seed in range(4):
        with serve(faults={fault: 0.3}, seed=seed) as url:
            assert outcome(tmp_path, shop(url, STYLES[style])) in (
                [text(USERS), "former"] if cut_unseen else [text(USERS)]
            )


@pytest.mark.parametrize("rate", [0.04, 0.12, 0.25])
@pytest.mark.parametrize("style", STYLES)
def test_all_faults_together_never_change_a_table(tmp_path, serve, style, rate):
    outcomes = []
    for seed in range(12):
        with serve(faults=dict.fromkeys(FAULTS, rate), seed=seed) as url:
            outcomes.append(outcome(tmp_path, shop(url, STYLES[style])))
    assert set(outcomes) <= {text(USERS), "former"}
    if rate < 0.2 and style in ("page", "offset", "none"):
        assert outcomes.count("former") <= 1


@pytest.mark.parametrize("rate", [0.1, 0.2])
@pytest.mark.parametrize("style", [style for style in STYLES if style != "none"])
def test_without_a_total_repeats_and_broken_answers_never_change_a_table(tmp_path, serve, style, rate):
    faults = {fault: rate for fault in FAULTS if fault != "short"}
    for seed in range(12):
        with serve(faults=faults, seed=seed) as url:
            assert outcome(tmp_path, shop(url, STYLES[style], total=None)) in (text(USERS), "former")


@pytest.mark.parametrize("size", [{}, {"size_parameter": "per_page", "size": 3}])
def test_a_short_page_that_is_not_the_last_is_requested_again(tmp_path, caplog, size):
    answers = [page(1, 2, 3), page(4), page(7, 8), page(4, 5, 6), page()]
    with scripted(*answers) as (url, requests):
        assert fetch(tmp_path, shop(url, {"style": "page", **size}, total=None)) == text(
            [{"n": n} for n in range(1, 9)]
        )
    assert [path.split("page=")[-1] for path in requests] == ["1", "2", "3", "2", "4"]
    assert "page 2 has 1 records, not 3, and is not the last" in caplog.text


def test_a_first_page_that_is_shorter_than_the_second_is_requested_again(tmp_path):
    with scripted(page(1), page(4, 5, 6), page(1, 2, 3), page(7), page()) as (url, _):
        assert fetch(tmp_path, shop(url, {"style": "page"}, total=None)) == text([{"n": n} for n in range(1, 8)])


def test_pages_that_grow_are_refused(tmp_path):
    with (
        scripted(page(1, 2), page(3, 4), page(5, 6, 7), page()) as (url, _),
        pytest.raises(UserError, match="pages of 2 records are followed by one of 3"),
    ):
        fetch(tmp_path, shop(url, {"style": "page"}, total=None))


@pytest.mark.parametrize("total", ["total", None])
@pytest.mark.parametrize("style", ["page", "offset"])
def test_an_api_may_cap_its_pages(tmp_path, style, total):
    def answer(query: dict[str, str]) -> Any:
        start = int(query["offset"]) if style == "offset" else 4 * (int(query["page"]) - 1)
        return page(*range(start, min(start + 4, 11)), total=11)

    with computed(answer) as (url, _):
        fetched = fetch(tmp_path, shop(url, STYLES[style], total=total))
    assert fetched == text([{"n": n} for n in range(11)])


def test_an_empty_page_before_the_total_is_not_the_end(tmp_path, slept):
    with scripted(page(1, 2, total=3), page(total=3), page(3, total=3), page(total=3)) as (url, _):
        assert fetch(tmp_path, shop(url, STYLES["offset"])) == text([{"n": n} for n in (1, 2, 3)])
    assert len(slept) == 1


def test_an_api_that_does_not_know_the_parameter_is_reported(tmp_path):
    with scripted(page(1, 2)) as (url, _), pytest.raises(UserError, match=r"the same records as .*api.pagination"):
        fetch(tmp_path, shop(url, {"style": "offset", "parameter": "skip"}, total=None))


@pytest.mark.parametrize(
    ("body", "complaint"),
    [
        ('{"data": [{"n": 1}', "not valid JSON"),
        ("", "not valid JSON"),
        ("[" * 100_000, "not valid JSON"),
        ("<html><title>Please log in</title></html>", r"not valid JSON .*: a web page, 'Please log in'\. Nothing"),
    ],
)
def test_a_response_that_is_not_json_is_requested_again_and_reported(tmp_path, slept, body, complaint):
    with scripted((200, {}, body)) as (url, requests), pytest.raises(UserError, match=complaint):
        fetch(tmp_path, shop(url))
    assert (len(requests), len(slept)) == (8, 7)


@pytest.mark.parametrize(
    ("body", "complaint"),
    [
        ('{"data": [{"n": 1}, 2], "total": 2}', "not JSON objects"),
        ('{"data": {"n": 1}, "total": 1}', "its 'data' is not a list"),
        ('{"rows": []}', "no key 'data' .api.records.; found: 'rows'"),
        ('{"data": []}', "no key 'total'"),
        ('{"data": [], "total": "three"}', "'total' .api.total. is not a number"),
        ('{"data": [], "total": true}', "'total' .api.total. is not a number"),
        ('{"data": [], "total": -1}', "'total' .api.total. is not a number"),
        ('{"data": [{"n": 1, "n": 2}], "total": 1}', "the key 'n' twice"),
        ('{"meta": {"count": 1}}', "found: 'meta', 'meta.count'"),
        ('{"error": {"message": "the key is\\nexpired"}}', "The response says: the key is expired"),
        ("[]", "found: no object"),
    ],
)
def test_a_response_of_another_form_is_reported_once_the_server_insists_on_it(tmp_path, slept, body, complaint):
    with scripted((200, {}, body)) as (url, requests), pytest.raises(UserError, match=complaint):
        fetch(tmp_path, shop(url))
    assert (len(requests), len(slept)) == (3, 2)


def test_pauses_grow(tmp_path, slept):
    with scripted((503, {}, "")) as (url, _), pytest.raises(UserError):
        fetch(tmp_path, shop(url))
    assert slept == sorted(slept)
    assert slept[0] < 1.1 < 15 < slept[-1] <= 30


# --- The end ---------------------------------------------------------------------------------------------------------


REFUSALS = {
    "drf": (404, {}, '{"detail": "Invalid page."}'),
    "wordpress": (400, {}, '{"code": "rest_post_invalid_page_number", "message": "The page number is invalid."}'),
    "range": (416, {}, ""),
    "no content": (204, {}, ""),
}


def numbered(n: int, beyond: Any, size: int = 10) -> Callable[[dict[str, str]], Any]:
    """An API of `n` records in pages; `beyond` answers after the last page ("last", "first": with that page)."""

    def answer(query: dict[str, str]) -> Any:
        number, last = int(query["page"]), -(-n // size)
        if number > last and beyond not in ("last", "first"):
            return beyond
        number = 1 if number > last and beyond == "first" else number
        start = (min(number, last) - 1) * size
        return page(*range(start, min(start + size, n)), total=n)

    return answer


@pytest.mark.parametrize("n", [20, 25])
@pytest.mark.parametrize(
    "beyond", [*REFUSALS.values(), page(), "last", "first"], ids=[*REFUSALS, "empty", "last", "first"]
)
def test_a_numbered_table_ends_at_its_total_or_beyond_its_last_page(tmp_path, n, beyond):
    with computed(numbered(n, beyond)) as (url, requests):
        assert fetch(tmp_path, shop(url)) == text([{"n": number} for number in range(n)])
        assert len(requests) == -(-n // 10)  # the total has come: nothing more is asked for
        assert fetch(tmp_path, shop(url, total=None)) == text([{"n": number} for number in range(n)])


def test_the_end_by_a_refused_page_is_reported(tmp_path, caplog):
    caplog.set_level(logging.INFO)
    with computed(numbered(20, REFUSALS["drf"])) as (url, _):
        fetched = rest_api.download(shop(url, total=None), "users", tmp_path, SETTINGS)
    assert fetched.end == "page refused: 404 Not Found (Invalid page.)"
    assert fetched.end in caplog.text


@pytest.mark.parametrize("beyond", [*REFUSALS.values(), "last", "first"])
def test_a_refused_or_repeated_page_before_the_total_is_an_error(tmp_path, beyond):
    answer = numbered(20, beyond)
    with (
        computed(lambda query: (lambda r: {**r, "total": 30} if isinstance(r, dict) else r)(answer(query))) as (url, _),
        pytest.raises(UserError, match=r"4\d\d |same records|not valid JSON"),
    ):
        fetch(tmp_path, shop(url))
    assert not list(tmp_path.iterdir())


def test_a_first_page_that_is_refused_is_an_error_with_its_body(tmp_path):
    with (
        scripted(REFUSALS["wordpress"]) as (url, requests),
        pytest.raises(UserError, match=r"400 Bad Request \(The page number is invalid\.\): are api.url"),
    ):
        fetch(tmp_path, shop(url, total=None))
    assert len(requests) == 1


def test_one_short_page_that_is_repeated_is_the_whole_table(tmp_path):
    with scripted(page(1, 2)) as (url, _):
        assert fetch(tmp_path, shop(url, total=None)) == text([{"n": 1}, {"n": 2}])


def test_a_total_that_is_the_size_of_a_page_is_not_believed(tmp_path):
    def answer(query: dict[str, str]) -> Any:
        return {**numbered(25, page())(query), "total": 10}

    with computed(answer) as (url, _), pytest.raises(UserError, match=r"20 records.*says 10.*the size of a page"):
        fetch(tmp_path, shop(url))


@pytest.mark.parametrize("beyond", [*REFUSALS.values(), page(), "last"])
def test_a_table_of_exactly_one_full_page_is_complete(tmp_path, beyond):
    with computed(numbered(10, beyond)) as (url, _):
        assert fetch(tmp_path, shop(url)) == text([{"n": number} for number in range(10)])


@pytest.mark.parametrize(
    "form",
    ["{url}/users?page={page}&limit=10", "/users?page={page}&limit=10", "?page={page}&limit=10", "{page}"],
)
@pytest.mark.parametrize("key", ["next", "links.next", "meta.links.next.href"])
def test_a_cursor_is_a_value_or_a_whole_url_at_any_depth(tmp_path, form, key):
    def answer(query: dict[str, str]) -> Any:
        number = int(query.get("page", 1))
        content: dict[str, Any] = numbered(25, page())({"page": str(number)})
        link = form.format(url=url, page=number + 1) if number < 3 else None
        total = {"pagination": {"total": str(content.pop("total"))}}
        for name in reversed(key.split(".")):
            link = {name: link}
        return {"payload": content, **link, "page": total}

    with computed(answer) as (url, requests):
        paging = {"style": "cursor", "parameter": "page", "next": key, "size_parameter": "limit", "size": 10}
        keys = {"records": "payload.data", "total": "page.pagination.total"}
        assert fetch(tmp_path, shop(url, paging, **keys)) == text([{"n": number} for number in range(25)])
    assert len(requests) == 3


def test_a_key_with_a_dot_comes_before_a_path(tmp_path):
    answer = {"data.rows": [{"n": 1}], "data": {"rows": [{"n": 2}]}}
    with scripted(answer) as (url, _):
        assert fetch(tmp_path, shop(url, STYLES["none"], records="data.rows", total=None)) == text([{"n": 1}])


def test_a_cursor_that_starts_with_a_slash_is_a_value(tmp_path):
    with scripted(page(1, next="/9j/4AAQ=="), page(2, next=None)) as (url, requests):
        fetch(tmp_path, shop(url, STYLES["cursor"], total=None))
    assert requests[1] == "/users?limit=10&cursor=%2F9j%2F4AAQ%3D%3D"


def test_a_cursor_that_leads_to_another_server_is_not_followed(tmp_path):
    with (
        scripted(page(1, next="http://elsewhere/users?page=2")) as (url, requests),
        pytest.raises(UserError, match="leads to another server, http://elsewhere"),
    ):
        fetch(tmp_path, shop(url, STYLES["cursor"], total=None))
    assert len(requests) == 1


@pytest.mark.parametrize("last", [page(total=2, next="c"), page(2, total=2, next="b"), REFUSALS["drf"]])
def test_a_next_page_named_after_the_total_has_come_does_no_harm(tmp_path, last):
    with scripted(page(1, total=2, next="a"), page(2, total=2, next="b"), last) as (url, _):
        assert fetch(tmp_path, shop(url, STYLES["cursor"])) == text([{"n": 1}, {"n": 2}])


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ('{"errors": [{"code": 7}]}', r'\(\{"errors": \[\{"code": 7\}\]\}\)'),
        ("<html><head><title>Sign in</title>", r"\(a web page, 'Sign in'\)"),
        ("no\x1b[31m such\ntable " + "x" * 500, r"\(no \[31m such table x+\.\.\.\)"),
        ("", "404 Not Found: are"),
    ],
)
def test_the_body_of_an_error_is_shown_on_one_line(tmp_path, body, words):
    with scripted((404, {}, body)) as (url, _), pytest.raises(UserError, match=words) as problem:
        fetch(tmp_path, shop(url))
    assert len(str(problem.value)) < 600


def test_a_secret_in_the_body_of_an_error_is_hidden(tmp_path, monkeypatch):
    monkeypatch.setenv("RECOMART_KEY", SECRET)
    with (
        scripted((403, {}, f"not allowed: {SECRET}")) as (url, _),
        pytest.raises(UserError, match=r"\*\*\*") as problem,
    ):
        fetch(tmp_path, shop(url, auth={"env": "RECOMART_KEY"}))
    assert SECRET not in str(problem.value)


# --- Limits ----------------------------------------------------------------------------------------------------------


def test_retry_after_in_seconds_is_obeyed(tmp_path, slept):
    with scripted((429, {"Retry-After": "17"}, ""), page(1, total=1), page(total=1)) as (url, _):
        fetched = rest_api.download(shop(url), "users", tmp_path, SETTINGS)
    assert slept == [17]
    assert (fetched.waited_s, fetched.requests, fetched.retries) == (17, 2, 1)


@pytest.mark.parametrize(("seconds", "low", "high"), [(40, 35, 40), (-40, 0, 0)])
def test_retry_after_as_a_date_is_obeyed(tmp_path, slept, seconds, low, high):
    moment = format_datetime(datetime.now(UTC) + timedelta(seconds=seconds), usegmt=True)
    with scripted((503, {"Retry-After": moment}, ""), page(total=0)) as (url, _):
        fetch(tmp_path, shop(url))
    assert low <= slept[0] <= high


@pytest.mark.parametrize("value", ["soon", "-5", "9" * 30, "Wed, 21 Oct 99999999999 07:28:00 GMT"])
def test_an_invalid_retry_after_is_ignored(tmp_path, slept, value):
    with scripted((429, {"Retry-After": value}, ""), page(total=0)) as (url, _):
        fetch(tmp_path, shop(url))
    assert 0 < slept[0] < 2


def test_retry_after_beyond_the_budget_stops_immediately(tmp_path, slept):
    with (
        scripted((429, {"Retry-After": "3600"}, "")) as (url, requests),
        pytest.raises(UserError, match=r"429 Too Many Requests, asking to wait 3,600 s, more than the 300 s left"),
    ):
        fetch(tmp_path, shop(url))
    assert (len(requests), slept) == (1, [])


def test_a_used_up_budget_is_reported(tmp_path, slept):
    settings = Ingest(timeout_s=5, max_attempts=100, retry_budget_s=20)
    with (
        scripted((500, {}, "")) as (url, requests),
        pytest.raises(UserError, match=r"given up after \d+ attempt.*20 s of them waiting.*500 Internal") as problem,
    ):
        fetch(tmp_path, shop(url), settings=settings)
    assert f"{url}/users?per_page=10&page=1" in str(problem.value)
    assert "Nothing was ingested" in str(problem.value)
    assert sum(slept) == pytest.approx(20)
    assert len(requests) == len(slept) + 1 < 10


def test_the_budget_is_the_table_s_and_attempts_are_the_page_s(tmp_path, slept):
    busy = (429, {"Retry-After": "8"}, "")
    settings = Ingest(timeout_s=5, max_attempts=2, retry_budget_s=20)
    answers = [busy, page(1, total=3), busy, page(2, total=3), busy]
    with scripted(*answers) as (url, _), pytest.raises(UserError, match=r"after 1 attempt.*more than the 4 s left"):
        fetch(tmp_path, shop(url, STYLES["offset"]), settings=settings)
    assert slept == [8, 8]


def test_a_server_that_is_too_slow_is_given_up(tmp_path, serve, monkeypatch):
    monkeypatch.setattr(simulator_api, "SLOW_S", 0.3)
    settings = Ingest(timeout_s=0.05, max_attempts=2, retry_budget_s=20)
    with serve(faults={"slow": 1}) as url, pytest.raises(UserError, match=r"after 2 attempt.*ReadTimeout"):
        fetch(tmp_path, shop(url), settings=settings)


def test_a_missing_server_is_reported(tmp_path):
    with scripted(page()) as (url, _):
        pass
    with pytest.raises(UserError, match=r"after 8 attempt.*ConnectError"):
        fetch(tmp_path, shop(url))


# --- Refusals --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "headers", "complaint"),
    [
        (404, {}, "404 Not Found: are api.url and tables.users.path right in shops/x.yaml"),
        (403, {}, "403 Forbidden: shops/x.yaml has no api.auth"),
        (400, {}, "400 Bad Request: are api.url and api.pagination right"),
        (302, {"Location": "https://elsewhere/"}, "302 Found: it redirects to https://elsewhere/"),
    ],
)
def test_a_rejected_request_is_reported_immediately(tmp_path, status, headers, complaint):
    with scripted((status, headers, "")) as (url, requests), pytest.raises(UserError, match=complaint):
        fetch(tmp_path, shop(url))
    assert len(requests) == 1


@pytest.mark.parametrize(
    "link", ["http://127.0.0.2/users", "//elsewhere/users", "https://127.0.0.1/users", "file:///a"]
)
def test_a_link_to_another_server_is_not_followed(tmp_path, link):
    headers = {"Link": f'<{link}>; rel="next"'}
    with (
        scripted((200, headers, json.dumps(page(1)))) as (url, requests),
        pytest.raises(UserError, match="leads to another server"),
    ):
        fetch(tmp_path, shop(url, STYLES["link"], total=None))
    assert len(requests) == 1


@pytest.mark.parametrize("style", ["cursor", "link"])
def test_pages_in_a_loop_are_reported(tmp_path, style):
    link = {"Link": '</users?cursor=a&limit=10>; rel="next"'}
    answers = [(200, link, json.dumps(page(n, next="a"))) for n in range(3)]
    with scripted(*answers) as (url, requests), pytest.raises(UserError, match="form a loop"):
        fetch(tmp_path, shop(url, STYLES[style], total=None))
    assert len(requests) == 2


@pytest.mark.parametrize(("cursor", "n_requests"), [("{n}", 11), ("end", 3)])
def test_empty_pages_that_name_a_next_page_for_ever_are_the_end(tmp_path, cursor, n_requests):
    def answer(_: dict[str, str]) -> Any:
        n = len(requests)
        return page(n, next=str(n)) if n < 2 else page(next=cursor.format(n=n))

    with computed(answer) as (url, requests):
        assert fetch(tmp_path, shop(url, STYLES["cursor"], total=None)) == text([{"n": 1}])
    assert len(requests) == n_requests


@pytest.mark.parametrize("relation", ["next", "'next'", '"prefetch next"', "NEXT"])
def test_the_relation_of_a_link_has_any_quotes(tmp_path, relation):
    link = {"Link": f"</users?page=0>; rel='prev', </users?page=2>; title='a, b'; rel={relation}"}
    with scripted((200, link, json.dumps(page(1))), page(2)) as (url, _):
        assert fetch(tmp_path, shop(url, STYLES["link"], total=None)) == text([{"n": 1}, {"n": 2}])


@pytest.mark.parametrize("cursor", [["a"], True, 1.5])
def test_an_invalid_cursor_is_reported(tmp_path, cursor):
    with (
        scripted(page(1, next=cursor)) as (url, _),
        pytest.raises(UserError, match=r"its 'next' \(api.pagination.next\)"),
    ):
        fetch(tmp_path, shop(url, STYLES["cursor"], total=None))


def test_a_cursor_key_that_never_comes_gets_a_warning(tmp_path, caplog):
    with scripted(page(1)) as (url, _):
        fetch(tmp_path, shop(url, {**STYLES["cursor"], "next": "nxt"}, total=None))
    assert "has no key 'nxt'" in caplog.text


@pytest.mark.parametrize(("total", "style"), [(5, "cursor"), (1, "cursor"), (1, "offset")])
def test_a_different_total_is_reported_and_nothing_is_ingested(tmp_path, total, style):
    (tmp_path / "users.jsonl").write_text("former")
    with (
        scripted(page(1, 2, total=total), page(total=total)) as (url, _),
        pytest.raises(UserError, match=rf"2 records were received, but 'total' \(api.total\) says {total}"),
    ):
        fetch(tmp_path, shop(url, STYLES[style]))
    assert [file.read_text() for file in tmp_path.iterdir()] == ["former"]


def test_a_folder_that_is_a_file_is_reported(tmp_path, serve):
    (tmp_path / "folder").write_text("")
    with serve() as url, pytest.raises(UserError, match="could not be written"):
        rest_api.download(shop(url), "users", tmp_path / "folder", SETTINGS)


@pytest.mark.parametrize("url", ["http://", "http://x:port", "http://x:99999999"])
def test_an_invalid_url_is_reported(tmp_path, url):
    with pytest.raises(UserError, match=r"shops/x.yaml"):
        fetch(tmp_path, shop(url))


# --- The server ------------------------------------------------------------------------------------------------------


def test_the_server_lists_its_tables_and_pages_them(serve):
    with serve() as url:
        assert httpx.get(url).json() == {"tables": {"users": 57, "products": 20, "transactions": 33}}
        answer = httpx.get(f"{url}/users?page=2&per_page=25")
        assert answer.json() == {"data": USERS[25:50], "total": 57, "next": "after-50"}
        assert answer.links["next"]["url"] == f"{url}/users?page=3&per_page=25"
        last = httpx.get(f"{url}/users?offset=50")
        assert (last.json()["next"], last.links) == (None, {})
        assert httpx.get(f"{url}/users").json()["data"] == USERS


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/nothing", 404),
        ("/users?page=0", 400),
        ("/users?page=x", 400),
        ("/users?page=1&offset=2", 400),
        ("/users?limit=99999", 400),
        ("/users?cursor=7", 400),
        ("/users?colour=red", 400),
        ("/users?page=99", 200),
    ],
)
def test_the_server_reports_errors(serve, path, status):
    with serve() as url:
        answer = httpx.get(url + path)
    assert answer.status_code == status
    assert ("error" in answer.json()) == (status >= 400)


def test_the_server_asks_for_its_token(serve):
    with serve(token="abc") as url:
        assert httpx.get(f"{url}/users").status_code == 401
        assert httpx.put(f"{url}/faults", json={}).status_code == 401
        assert httpx.get(f"{url}/users", headers={"Authorization": "Bearer abc"}).status_code == 200
        assert httpx.get(url).status_code == 200


def test_faults_are_switched_while_the_server_runs(serve):
    none = dict.fromkeys(FAULTS, 0)
    with serve(faults={"error": 1}) as url:
        assert httpx.get(f"{url}/faults").json() == {**none, "error": 1}
        assert httpx.get(f"{url}/users").status_code == 500
        assert httpx.put(f"{url}/faults", json={"busy": 1}).json() == {**none, "busy": 1}
        busy = httpx.get(f"{url}/users")
        assert (busy.status_code, busy.headers["Retry-After"]) == (429, "1")
        assert httpx.put(f"{url}/faults", json={}).json() == none
        assert httpx.get(f"{url}/users").status_code == 200
        assert httpx.put(f"{url}/users", json={}).status_code == 404


@pytest.mark.parametrize("body", ['{"dorp": 0.1}', '{"drop": 2}', '{"drop": "x"}', '{"drop": true}', "[]", "{"])
def test_invalid_faults_are_rejected(serve, body):
    with serve(faults={"slow": 0.5}) as url:
        assert httpx.put(f"{url}/faults", content=body).status_code == 400
        assert httpx.get(f"{url}/faults").json()["slow"] == 0.5


def test_each_fault_behaves_as_named(serve):
    def answer(fault: str) -> httpx.Response:
        httpx.put(f"{url}/faults", json={fault: 1})
        return httpx.get(f"{url}/users?page=2&per_page=10")

    with serve() as url:
        httpx.get(f"{url}/users?page=1&per_page=10")
        assert answer("repeat").json()["data"] == USERS[:10]
        assert len(answer("short").json()["data"]) < 10
        with pytest.raises(json.JSONDecodeError):
            answer("truncate").json()
        with pytest.raises(httpx.RemoteProtocolError):
            answer("drop")
        assert answer("slow").json()["data"] == USERS[10:20]


def test_a_server_that_cannot_start_says_why(simulated, tmp_path):
    with pytest.raises(UserError, match="Run: recomart simulate"):
        simulator_api.serve(tmp_path, port=0)
    with pytest.raises(UserError, match="Did you mean 'drop'"):
        simulator_api.serve(simulated, port=0, faults={"drp": 0.1})
    with simulator_api.serve(simulated, port=0) as server, pytest.raises(UserError, match="Address already in use"):
        simulator_api.serve(simulated, port=server.server_address[1])
