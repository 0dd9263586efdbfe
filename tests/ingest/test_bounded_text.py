"""No line of a delivered text is read further than a line may be long."""

from __future__ import annotations

import gzip
import io
from itertools import chain

import pytest

from recomart_lib.core.errors import UserError
from recomart_lib.core.shop_tables import Table
from recomart_lib.ingest.settings import Ingest
from recomart_lib.ingest.sources import csv_reader, header_hints, json_reader
from recomart_lib.ingest.sources.bounded_text import BoundedText

LIMITS = Ingest(max_line_bytes=1_000, max_columns=50)
LINE = r"f, line {} is longer than ingest\.max_line_bytes = 1,000 \(in params\.yaml\)"


class CountedText(io.StringIO):
    """A text that counts how many characters were read."""

    n_read = 0

    def read(self, size: int = -1) -> str:
        block = super().read(size)
        self.n_read += len(block)
        return block


def test_a_line_is_not_read_to_its_end(tmp_path):
    text = CountedText("a\n" + "b" * 10**6)
    lines = BoundedText(text, tmp_path / "f", 10)
    with pytest.raises(UserError, match=r"f, line 2 is longer than ingest\.max_line_bytes = 10 "):
        lines.readlines(20)
    assert text.n_read == 20


def test_a_block_ends_with_a_complete_line():
    lines = BoundedText(io.StringIO("12345\n" * 5 + "end"), "f", 6)
    assert [lines.readlines(7) for _ in range(4)] == [["12345\n"] * 2, ["12345\n"] * 2, ["12345\n", "end"], []]


@pytest.mark.parametrize("size", range(1, 12))
@pytest.mark.parametrize("newline", ["", "\n"])
def test_lines_are_those_that_python_reads(size, newline):
    written = "a\r\nb\rc\n\r\n\r\rlong line\u2028\x0b\r\n\r"
    lines = BoundedText(io.StringIO(written, newline=""), "f", 100, newline)
    assert list(chain.from_iterable(iter(lambda: lines.readlines(size), []))) == list(io.StringIO(written, newline))


def test_a_flood_of_short_lines_comes_in_blocks_that_fit_in_memory():
    lines = BoundedText(io.StringIO("\n" * 3_000_000), "f", 10, "")
    assert [len(block) for block in iter(lambda: lines.readlines(8_000_000), [])] == [1_000_000] * 3


@pytest.fixture
def file(tmp_path):
    """`file(content)`: a gzipped file with this content."""

    def packed(content: str, encoding: str = "utf-8"):
        (tmp_path / "f").write_bytes(gzip.compress(content.encode(encoding)))
        return tmp_path / "f"

    return packed


HEADER = "user,item,at\n"


@pytest.mark.parametrize(
    ("content", "line"),
    [
        ("a" * 5_000, 1),
        (HEADER + "u,i," + "a" * 5_000, 2),
        (HEADER + "\n" * 3 + "," * 5_000, 5),
        (HEADER + 'u,i,"' + "a" * 5_000, 2),
    ],
    ids=["header", "cell", "separators", "quote"],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_a_line_without_end_is_refused_in_csv(file, content, line, encoding):
    path, spec = file(content, encoding), Table(kind="csv", path="*", encoding=encoding)
    with pytest.raises(UserError, match=LINE.format(line)):
        csv_reader.header(path, spec, LIMITS)
    with pytest.raises(UserError, match=LINE.format(line)):
        list(csv_reader.read(path, spec, LIMITS))


def test_hints_about_a_header_read_no_line_without_end(file):
    with pytest.raises(UserError, match=LINE.format(2)):
        header_hints.hint(file("a,b\n" + "a" * 5_000), Table(kind="csv", path="*"), ["user"], LIMITS)


def test_a_line_without_end_is_refused_in_json_lines(file):
    path, spec = file('{"a": 1}\n{"a": "' + "b" * 5_000), Table(kind="jsonl", path="*")
    for read in (json_reader.header, lambda *given: list(json_reader.read(*given))):
        with pytest.raises(UserError, match=LINE.format(2)):
            read(path, spec, LIMITS)


def test_a_quote_that_is_not_closed_ends_where_a_record_ends(file):
    lines = "".join(f"a{n},b,c\n" for n in range(200))
    records = list(csv_reader.read(file(HEADER + 'u,i,"\n' + lines), Table(kind="csv", path="*"), LIMITS))
    rejected = [reject for part in records for reject in part.rejects]
    assert rejected == [(2, 'u,i,"', "not a CSV record: a quote that is not closed within ingest.max_line_bytes")]
    assert sum(part.cells.height for part in records) == 200


@pytest.mark.parametrize(
    ("kind", "content"),
    [
        ("csv", "," * 60 + "\n"),
        ("csv", '"a,b"' + "," * 60 + "\n"),
        ("jsonl", "\n".join(f'{{"k{n}": 1}}' for n in range(60))),
        ("json", "[" + ",".join(f'{{"k{n}": 1}}' for n in range(60)) + "]"),
    ],
)
def test_a_file_with_too_many_columns_is_refused(file, kind, content):
    reader, spec = csv_reader if kind == "csv" else json_reader, Table(kind=kind, path="*")
    for read in (reader.header, lambda *given: list(reader.read(*given))):
        with pytest.raises(UserError, match=r"has 6\d columns, more than ingest\.max_columns = 50 \(in params\.yaml\)"):
            read(file(content), spec, LIMITS)


def test_short_records_get_no_cell_for_each_of_thousands_of_nameless_columns(file):
    content = "user,item" + "," * 40 + "\nu,i\nu,i,,\nu,i" + "," * 40 + "\n"
    spec = Table(kind="csv", path="*")
    (records,) = csv_reader.read(file(content), spec)
    assert (records.cells.width, records.cells.height) == (42, 3)
    content = content.replace("," * 40, "," * 4_000)
    (records,) = csv_reader.read(file(content), spec)
    assert (records.cells.width, records.cells.height, records.rejects) == (102, 3, [])
    assert csv_reader.header(file(content), spec) == records.cells.columns


def test_the_end_of_a_quote_is_not_looked_for_again_from_each_line(file, monkeypatch):
    seen, since = [], csv_reader.Lines.since
    monkeypatch.setattr(csv_reader.Lines, "since", lambda *given: (seen.append(line) or line for line in since(*given)))
    stays_open = 'x","\n'  # whether a quote is open before this line or not, one is open after it
    records = list(csv_reader.read(file(HEADER + stays_open * 3_000 + "u,i,at\n"), Table(kind="csv", path="*")))
    assert [len(part.rejects) for part in records] == [3_000]
    assert len(seen) < 10_000
    assert sum(part.cells.height for part in records) == 1
