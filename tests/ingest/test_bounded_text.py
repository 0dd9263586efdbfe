"""No line of a delivered text is read further than a line may be long."""

from __future__ import annotations

import gzip
import io

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

    def readline(self, size: int = -1) -> str:
        line = super().readline(size)
        self.n_read += len(line)
        return line


def test_a_line_is_not_read_to_its_end(tmp_path):
    text = CountedText("a\n" + "b" * 10**6)
    lines = BoundedText(text, tmp_path / "f", 10)
    assert lines.readline() == "a\n"
    with pytest.raises(UserError, match=r"f, line 2 is longer than ingest\.max_line_bytes = 10 "):
        lines.readline()
    assert text.n_read == len("a\n") + 10 + 1


def test_lines_come_in_blocks_of_a_size():
    lines = BoundedText(io.StringIO("12345\n" * 5), "f", 6)
    assert [len(lines.readlines(11)) for _ in range(4)] == [2, 2, 1, 0]


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
