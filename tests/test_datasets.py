"""A public data set from a local server: whatever breaks off, the right bytes in place, or one clear error."""

from __future__ import annotations

import errno
import hashlib
import io
import socket
import threading
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import pytest
import yaml
from conftest import DECLARED, ROOT

from recomart import datasets
from recomart_lib.core import shops
from recomart_lib.core.errors import UserError
from recomart_lib.ingest.settings import Ingest

LIMITS = Ingest(timeout_s=5, max_attempts=4, retry_budget_s=100)


def packed(**members: bytes) -> bytes:
    """A ZIP file; double underscores in names stand for slashes. Stored, so that its bytes are as many as its data."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, content in members.items():
            archive.writestr(zipfile.ZipInfo(name.replace("__", "/")), content)
    return stream.getvalue()


USERS = b"id\n" + b"".join(b"u%d\n" % n for n in range(2_000))
ARCHIVE = packed(set__users=USERS, set__events=b"events", set__other=b"?")
OTHER = packed(set__users=USERS[::-1], set__events=b"EVENTS", set__other=b"!")
UNPACK = {"set/users": "users.csv", "set/events": "deep/events.csv"}


@dataclass
class Server:
    """What a server has and how it behaves; `breaks`: after so many bytes, answer by answer, it hangs up."""

    content: bytes = ARCHIVE
    etag: str | None = '"v1"'
    modified: str | None = None
    ranges: bool = True
    breaks: list[int] = field(default_factory=list)
    statuses: list[tuple[int, dict[str, str]]] = field(default_factory=list)
    asked: list[dict[str, str | None]] = field(default_factory=list)
    url: str = ""


def handler(server: Server) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

        def do_GET(self) -> None:
            server.asked.append({name: self.headers.get(name) for name in ("Range", "If-Range")})
            if server.statuses:
                status, headers = server.statuses.pop(0)
                self.answer(status, headers, b"")
                return
            wanted, known = self.headers.get("Range"), self.headers.get("If-Range")
            same = known is None or known in (server.etag, server.modified)
            if not (server.ranges and wanted and same):
                self.answer(200, {}, server.content)
                return
            start = int(wanted.removeprefix("bytes=").rstrip("-"))
            if start >= len(server.content):
                self.answer(416, {"Content-Range": f"bytes */{len(server.content)}"}, b"")
                return
            place = f"bytes {start}-{len(server.content) - 1}/{len(server.content)}"
            self.answer(206, {"Content-Range": place}, server.content[start:])

        def answer(self, status: int, headers: dict[str, str], content: bytes) -> None:
            own = {"ETag": server.etag, "Last-Modified": server.modified, "Content-Length": str(len(content))}
            self.send_response(status)
            for name, value in {**own, **headers}.items():
                if value is not None:
                    self.send_header(name, value)
            self.end_headers()
            n = server.breaks.pop(0) if server.breaks and status < 400 else len(content)
            self.wfile.write(content[:n])

    return Handler


@contextmanager
def serving(server: Server) -> Iterator[Server]:
    http_server = ThreadingHTTPServer(("127.0.0.1", 0), handler(server))
    thread = threading.Thread(target=http_server.serve_forever, args=(0.005,))
    thread.start()
    server.url = f"http://127.0.0.1:{http_server.server_address[1]}/files/set.zip"
    try:
        yield server
    finally:
        http_server.shutdown()
        http_server.server_close()
        thread.join()


@pytest.fixture
def server() -> Iterator[Server]:
    with serving(Server()) as running:
        yield running


@pytest.fixture(autouse=True)
def pauses(monkeypatch) -> list[float]:
    """Retries do not wait; here is how long they would have."""
    waited: list[float] = []
    monkeypatch.setattr(datasets, "_sleep", waited.append)
    return waited


def shop(url: str, content: bytes = ARCHIVE, unpack: dict[str, str] | None = None) -> shops.Shop:
    spec = {"page": "https://example.org/about", "url": url, "sha256": hashlib.sha256(content).hexdigest()}
    declared = {**DECLARED, "name": "tiny", "fetch": {**spec, "unpack": UNPACK if unpack is None else unpack}}
    return shops.Shop(**declared)


def fetch(server: Server, folder: Path, limits: Ingest = LIMITS, **spec: object) -> datasets.Download:
    return datasets.fetch(shop(server.url, **spec), folder, limits)


def files_of(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


RIGHT = {"set.zip": ARCHIVE, "users.csv": USERS, "deep/events.csv": b"events"}


def test_a_file_is_fetched_checked_and_unpacked(server, tmp_path):
    got = fetch(server, tmp_path / "new" / "folder")
    assert files_of(tmp_path / "new" / "folder") == RIGHT
    assert (got.n_bytes, got.statuses) == (len(ARCHIVE), {"users.csv": "new", "deep/events.csv": "new"})
    assert server.asked == [{"Range": None, "If-Range": None}]


def test_correct_files_are_kept_without_any_request(server, tmp_path):
    fetch(server, tmp_path)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*") if path.is_file()}
    got = fetch(server, tmp_path)
    assert (got.n_bytes, set(got.statuses.values()), len(server.asked)) == (0, {"unchanged"}, 1)
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*") if path.is_file()} == before


def test_a_data_file_that_was_changed_or_lost_comes_from_the_archive_again(server, tmp_path):
    fetch(server, tmp_path)
    (tmp_path / "users.csv").write_bytes(USERS + b"more")
    (tmp_path / "deep/events.csv").unlink()
    got = fetch(server, tmp_path)
    assert got.statuses == {"users.csv": "replaced", "deep/events.csv": "new"}
    assert (files_of(tmp_path), len(server.asked)) == (RIGHT, 1)


def test_another_archive_of_that_name_is_replaced(server, tmp_path):
    (tmp_path / "set.zip").write_bytes(OTHER)
    assert fetch(server, tmp_path).n_bytes == len(ARCHIVE)
    assert files_of(tmp_path) == RIGHT


def test_without_unpack_the_file_is_the_data(server, tmp_path):
    assert fetch(server, tmp_path, unpack={}).statuses == {"set.zip": "unchanged"}
    assert files_of(tmp_path) == {"set.zip": ARCHIVE}


def test_an_interrupted_download_goes_on_in_the_same_call(server, tmp_path, pauses):
    server.breaks = [1_000, 500]
    got = fetch(server, tmp_path)
    assert [asked["Range"] for asked in server.asked] == [None, "bytes=1000-", "bytes=1500-"]
    assert [asked["If-Range"] for asked in server.asked] == [None, '"v1"', '"v1"']
    assert (files_of(tmp_path), got.n_bytes, len(pauses)) == (RIGHT, len(ARCHIVE), 2)


def test_an_interrupted_download_goes_on_in_the_next_call(server, tmp_path):
    server.breaks = [700]
    with pytest.raises(UserError, match=r"given up after 1 attempt.* The partial download is kept: run the"):
        fetch(server, tmp_path, Ingest(timeout_s=5, max_attempts=1))
    assert files_of(tmp_path) == {"set.zip.part": ARCHIVE[:700], "set.zip.part.version": b'"v1"'}
    got = fetch(server, tmp_path)
    assert server.asked[-1] == {"Range": "bytes=700-", "If-Range": '"v1"'}
    assert (files_of(tmp_path), got.n_bytes) == (RIGHT, len(ARCHIVE) - 700)


def test_a_server_without_ranges_sends_all_of_it_again(server, tmp_path):
    server.ranges, server.breaks = False, [1_000]
    got = fetch(server, tmp_path)
    assert (files_of(tmp_path), got.n_bytes) == (RIGHT, len(ARCHIVE) + 1_000)


def test_a_file_that_changed_on_the_server_starts_again(server, tmp_path):
    server.content, server.etag, server.breaks = OTHER, '"v0"', [1_000]
    with pytest.raises(UserError, match="given up"):
        fetch(server, tmp_path, Ingest(timeout_s=5, max_attempts=1))
    server.content, server.etag = ARCHIVE, '"v1"'
    got = fetch(server, tmp_path)
    assert server.asked[-1]["If-Range"] == '"v0"'
    assert (files_of(tmp_path), got.n_bytes) == (RIGHT, len(ARCHIVE))


@pytest.mark.parametrize(
    ("etag", "modified", "kept"),
    [
        (None, "Tue, 01 Sep 2020 00:00:00 GMT", "Tue, 01 Sep 2020 00:00:00 GMT"),
        ('W/"v1"', None, None),
        (None, None, None),
    ],
)
def test_versions_without_a_strong_etag(server, tmp_path, etag, modified, kept):
    server.etag, server.modified, server.breaks = etag, modified, [1_000]
    fetch(server, tmp_path)
    assert server.asked[1] == {"Range": "bytes=1000-", "If-Range": kept}
    assert files_of(tmp_path) == RIGHT


def test_a_part_of_another_file_is_detected_by_its_hash(server, tmp_path):
    server.etag = None
    (tmp_path / "set.zip.part").write_bytes(OTHER[:1_000])
    got = fetch(server, tmp_path)
    assert [asked["Range"] for asked in server.asked] == ["bytes=1000-", None]
    assert (files_of(tmp_path), got.n_bytes) == (RIGHT, 2 * len(ARCHIVE) - 1_000)


def test_a_part_that_is_whole_already(server, tmp_path):
    (tmp_path / "set.zip.part").write_bytes(ARCHIVE)
    assert fetch(server, tmp_path).n_bytes == 0
    assert files_of(tmp_path) == RIGHT


def test_a_part_that_is_longer_than_the_file_starts_again(server, tmp_path):
    (tmp_path / "set.zip.part").write_bytes(ARCHIVE + b"more")
    assert fetch(server, tmp_path).n_bytes == len(ARCHIVE)
    assert files_of(tmp_path) == RIGHT


def test_another_range_than_requested_is_rejected(server, tmp_path):
    (tmp_path / "set.zip.part").write_bytes(ARCHIVE[:10])
    server.statuses = [(206, {"Content-Range": f"bytes 0-9/{len(ARCHIVE)}"})]
    fetch(server, tmp_path)
    assert files_of(tmp_path) == RIGHT


def test_a_wrong_file_is_reported_and_neither_unpacked_nor_kept(server, tmp_path):
    server.content = OTHER
    with pytest.raises(UserError) as raised:
        fetch(server, tmp_path)
    for word in (
        hashlib.sha256(OTHER).hexdigest(),
        "fetch.sha256",
        "Nothing was unpacked",
        "https://example.org/about",
    ):
        assert word in str(raised.value)
    assert files_of(tmp_path) == {}
    assert len(server.asked) == 1


def test_a_failed_request_is_repeated_after_the_time_in_retry_after(server, tmp_path, pauses):
    server.statuses = [(503, {"Retry-After": "7"}), (429, {})]
    fetch(server, tmp_path)
    assert pauses[0] == 7
    assert 0.5 <= pauses[1] <= 2
    assert files_of(tmp_path) == RIGHT


def test_no_longer_than_the_budget(server, tmp_path, pauses):
    server.statuses = [(503, {"Retry-After": "60"})] * 3
    with pytest.raises(UserError, match=r"given up after 2 attempt\(s\)\. Last error: the server returned 503"):
        fetch(server, tmp_path)
    assert pauses == [60]


@pytest.mark.parametrize("status", [403, 404, 410])
def test_a_file_that_is_not_there_names_the_page_and_the_key(server, tmp_path, status):
    server.statuses = [(status, {})]
    with pytest.raises(
        UserError, match=rf"returned {status} .*https://example.org/about .* shops/tiny.yaml: fetch.url"
    ):
        fetch(server, tmp_path)
    assert len(server.asked) == 1


def test_a_redirect_is_followed_and_a_circle_is_one_message(server, tmp_path):
    server.statuses = [(302, {"Location": "/elsewhere/x.zip"})]
    fetch(server, tmp_path)
    assert files_of(tmp_path) == RIGHT
    (tmp_path / "set.zip").unlink()
    server.statuses = [(302, {"Location": server.url})] * 50
    with pytest.raises(UserError, match=r"set.zip cannot be fetched: .*redirects"):
        fetch(server, tmp_path)


def test_off_line_is_one_message(tmp_path, pauses):
    with pytest.raises(UserError, match=r"given up after 4 attempt\(s\)\. Last error: ConnectError"):
        datasets.fetch(shop("http://127.0.0.1:1/set.zip"), tmp_path, LIMITS)
    assert len(pauses) == 3


def test_a_full_disk_is_one_message_and_what_came_is_kept(server, tmp_path, monkeypatch):
    def full(response: httpx.Response) -> Iterator[bytes]:
        yield ARCHIVE[:100]
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(httpx.Response, "iter_raw", full)
        with pytest.raises(UserError, match=r"could not be written: No space left on device\. Free disk space and run"):
            fetch(server, tmp_path)
    assert (tmp_path / "set.zip.part").read_bytes() == ARCHIVE[:100]
    fetch(server, tmp_path)
    assert server.asked[-1]["Range"] == "bytes=100-"
    assert files_of(tmp_path) == RIGHT


def test_a_full_disk_while_unpacking_leaves_no_half_file(server, tmp_path, monkeypatch):
    def full(packed: object, stream: io.BufferedWriter) -> None:
        stream.write(b"half")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(datasets.shutil, "copyfileobj", full)
    with pytest.raises(UserError, match="No space left on device"):
        fetch(server, tmp_path)
    assert files_of(tmp_path) == {"set.zip": ARCHIVE}


def test_a_folder_that_cannot_be_one(server, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match=r"file could not be written: File exists"):
        fetch(server, tmp_path / "file")


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"no archive", "set.zip could not be unpacked: File is not a zip file"),
        (packed(set__users=USERS), r"set.zip lacks set/events: shops/tiny.yaml, fetch.unpack"),
        (ARCHIVE.replace(USERS, USERS[::-1]), "could not be unpacked: Bad CRC-32"),
    ],
)
def test_an_archive_that_is_not_as_declared(server, tmp_path, content, complaint):
    server.content = content
    with pytest.raises(UserError, match=complaint):
        fetch(server, tmp_path, content=content)
    assert set(files_of(tmp_path)) == {"set.zip"}


@pytest.mark.parametrize("name", ["../out.csv", "/tmp/out.csv", "a/../../out.csv", ""])
def test_a_shop_file_cannot_unpack_outside_its_folder(name):
    with pytest.raises(ValueError, match="`unpack` must name files in the folder SOURCE"):
        shop("http://x/set.zip", unpack={"set/users": name})


def test_a_link_that_leads_out_of_the_folder_is_not_followed(server, tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "out").mkdir()
    (tmp_path / "in" / "deep").symlink_to(tmp_path / "out")
    with pytest.raises(UserError, match="leads out of"):
        fetch(server, tmp_path / "in")
    assert files_of(tmp_path / "out") == {}


def test_the_download_is_not_written_through_a_link(server, tmp_path):
    (tmp_path / "in").mkdir()
    victim = tmp_path / "victim"
    victim.write_text("mine")
    (tmp_path / "in" / "set.zip.part").symlink_to(victim)
    (tmp_path / "in" / "set.zip.part.version").symlink_to(victim)
    fetch(server, tmp_path / "in")
    assert victim.read_text() == "mine"


def test_members_with_evil_names_have_no_say_in_where_they_go(server, tmp_path):
    server.content = packed(**{"../../evil": b"x", "set__users": USERS})
    fetch(server, tmp_path / "a" / "b", content=server.content, unpack={"../../evil": "tame.csv"})
    assert files_of(tmp_path) == {"a/b/set.zip": server.content, "a/b/tame.csv": b"x"}


@pytest.fixture
def call_in(tmp_path, call, monkeypatch) -> Callable[..., tuple[int, str, str]]:
    """The command line in a project whose only shop is tiny, with the fetch part that is given."""
    (tmp_path / "shops").mkdir()
    (tmp_path / "params.yaml").write_text((ROOT / "params.yaml").read_text())
    monkeypatch.setenv("RECOMART_ROOT", str(tmp_path))

    def run(spec: dict | None, *words: str) -> tuple[int, str, str]:
        declared = {**DECLARED, **({"fetch": spec} if spec else {})}
        (tmp_path / "shops/tiny.yaml").write_text(yaml.safe_dump(declared))
        return call(*words)

    return run


def test_the_command_prints_terms_size_statuses_and_the_next_step(server, tmp_path, call_in):
    spec = shop(server.url).fetch.model_dump(exclude_none=True)
    status, output, _ = call_in(spec, "shop", "fetch", "tiny")
    assert status == 0
    assert "Tiny: description and terms of use: https://example.org/about" in output
    assert "set.zip: 0.0 MB downloaded; the sha256 is correct." in output
    assert "data/source/tiny/users.csv: new" in output
    assert output.endswith("Next: make repro SHOP=tiny\n")
    assert files_of(tmp_path / "data/source/tiny") == RIGHT
    status, output, _ = call_in(spec, "shop", "fetch", "tiny", "--source", str(tmp_path / "data/source/tiny"))
    assert "set.zip: already downloaded" in output
    assert output.endswith(f"Next: make repro SHOP=tiny SOURCE={tmp_path}/data/source/tiny\n")


def test_the_command_prints_the_manual_download(call_in):
    spec = {"page": "https://example.org/about", "by_hand": "ask for it."}
    status, _, complaint = call_in(spec, "shop", "fetch", "tiny")
    assert status == 1
    assert "has no download URL. Manual download: ask for it. See https://example.org/about" in complaint


def test_a_shop_without_fetch_is_an_error(call_in):
    status, _, complaint = call_in(None, "shop", "fetch", "tiny")
    assert (status, "shops/tiny.yaml has no `fetch`" in complaint) == (1, True)


@pytest.mark.parametrize("words", [("shop", "use", "tiny"), ("shop", "check", "shops/tiny.yaml")])
def test_missing_public_files_name_the_command(call_in, tmp_path, monkeypatch, words):
    monkeypatch.chdir(tmp_path)
    spec = {"page": "https://example.org/about", "by_hand": "ask for it."}
    status, _, complaint = call_in(spec, *words)
    assert (status, "They are public: recomart shop fetch tiny" in complaint) == (1, True)
    assert "They are public" not in call_in(None, *words)[2]


@pytest.mark.parametrize(
    ("spec", "complaint"),
    [
        ({}, "fetch.page: this key is required"),
        ({"page": "example.org"}, "fetch.page: String should match pattern"),
        ({"page": "https://x"}, "fetch: give `url` and `sha256` of a file, or explain in `by_hand`"),
        ({"page": "https://x", "url": "https://x/a.zip"}, "give `url` and `sha256`"),
        ({"page": "https://x", "url": "https://x/", "sha256": "0" * 64}, "fetch.url: String should match pattern"),
        ({"page": "https://x", "url": "https://x/a.zip", "sha256": "ABC"}, "fetch.sha256: String should match pattern"),
        ({"page": "https://x", "by_hand": "x", "unpak": {}}, "fetch.unpak: unknown key. Did you mean 'unpack'?"),
    ],
)
def test_an_error_in_the_shop_file_is_reported(tmp_path, tiny_shop, spec, complaint):
    with pytest.raises(UserError) as raised:
        tiny_shop(tmp_path, fetch=spec)
    assert complaint in str(raised.value)


def test_movielens_is_fetched_as_tensorflow_datasets_checks_it():
    spec = shops.read(ROOT / "shops/movielens_100k.yaml").fetch
    assert (spec.file_name, spec.sha256[:8]) == ("ml-100k.zip", "50d2a982")
    paths = {table.path for table in shops.read(ROOT / "shops/movielens_100k.yaml").tables.values()}
    assert paths <= set(spec.unpack.values())


@pytest.mark.parametrize(
    "start",
    [b"", b"HTTP/1.1 200 OK\r\nX: ", b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n", b"HTTP/1.1 200 OK\r\n\r\n"],
    ids=["before the header", "header", "body", "body without a length"],
)
def test_a_download_that_drips_for_ever_is_ended_and_kept(tmp_path, start):
    gone = threading.Event()
    listener = socket.create_server(("127.0.0.1", 0))

    def drip() -> None:
        connection, _ = listener.accept()
        with connection, suppress(OSError):  # the client closes it
            connection.recv(65_536)
            connection.sendall(start)
            while not gone.wait(0.02):
                connection.sendall(b"a")

    thread = threading.Thread(target=drip)
    thread.start()
    spec = shop(f"http://127.0.0.1:{listener.getsockname()[1]}/set.zip")
    limits = LIMITS.model_copy(update={"max_answer_s": 0.3})
    with pytest.raises(UserError, match=r"less than a megabyte came in ingest\.max_answer_s = 0\.3 s\. The partial"):
        datasets.fetch(spec, tmp_path, limits)
    gone.set()
    thread.join()
    listener.close()
    assert bool(list(tmp_path.glob("*.part"))) == start.endswith(b"\r\n\r\n")


def test_each_megabyte_of_a_download_has_a_time_of_its_own(server, tmp_path, monkeypatch):
    started, running = [], datasets.Deadline.running
    monkeypatch.setattr(datasets.Deadline, "running", lambda deadline: started.append(1) or running(deadline))
    server.content = packed(set__users=b"u" * 5_000_000, set__events=b"e")
    assert fetch(server, tmp_path, content=server.content).n_bytes == len(server.content)
    assert len(started) == 6  # the header, four, and the rest


def test_a_download_without_end_is_ended_and_deleted(server, tmp_path):
    limits = LIMITS.model_copy(update={"max_file_bytes": len(ARCHIVE) - 1})
    with pytest.raises(UserError, match=r"is larger than ingest\.max_file_bytes = [\d,]+ \(in params\.yaml\)"):
        fetch(server, tmp_path, limits)
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]
