"""Delivered files: each record becomes a typed row, or a rejected row with line and reason."""

from __future__ import annotations

import csv
import gzip
import io
import json
from datetime import date, datetime, time
from pathlib import Path
from tempfile import TemporaryDirectory
from unittest.mock import patch

import polars as pl
import pytest
from conftest import utc
from hypothesis import example, given, settings
from hypothesis import strategies as st

from recomart_lib.core.errors import UserError
from recomart_lib.core.schemas import EVENTS, PROVENANCE, USERS
from recomart_lib.core.shop_tables import Table
from recomart_lib.core.shops import Shop
from recomart_lib.ingest.sources import csv_reader, formats, headers, json_reader, parquet_reader
from recomart_lib.ingest.sources import reader as sources_reader
from recomart_lib.ingest.sources.records import Chunk

HEADER = "who,what,at,price,n"
COLUMNS = {"user_id": "who", "item_id": "what", "timestamp": "at", "price": "price", "quantity": "n"}
NOON = utc(2024, 1, 1, 12)
RECORD = {"who": "u1", "what": "a", "at": "2024-01-01 12:00:00", "price": 2.5, "n": 3}


def shop(zone: str = "UTC", table: str = "events", **spec: object) -> Shop:
    """A shop whose events (and, with `table`, users) are read as `spec` says."""
    events = {"kind": "csv", "path": "*", "columns": COLUMNS, "event_type": "purchase"}
    declared = {"events": events | (spec if table == "events" else {})}
    if table != "events":
        declared[table] = {"kind": "csv", "path": "*", **spec}
    keys = {"name": "x", "title": "X", "currency": "EUR", "time_zone": zone, "simulated": False, "cut": "auto"}
    keys |= {"horizon_days": "auto", "relevant_events": ["purchase"], "api": {"url": "http://localhost"}}
    return Shop(**keys, tables=declared)


@pytest.fixture
def small_blocks(monkeypatch):
    """Pieces of a line or two: what a file of many gigabytes meets."""
    monkeypatch.setattr(csv_reader, "BLOCK", 1)
    monkeypatch.setattr(csv_reader, "MAX_RECORD_LINES", 4)
    monkeypatch.setattr(json_reader, "BLOCK", 1)
    monkeypatch.setattr(json_reader, "OBJECTS", 1)
    monkeypatch.setattr(parquet_reader, "ROWS", 1)


@pytest.fixture
def read(tmp_path):
    """`read(content, name=.., **spec)`: what the reader makes of a file with this content."""

    def delivered(content: str | bytes, name: str = "f.csv", table: str = "events", **spec: object) -> Chunk:
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return sources_reader.read(path, shop(table=table, **spec), table)

    return delivered


def lines(*rows: str) -> str:
    return "\n".join([HEADER, *rows]) + "\n"


def reasons(delivered: Chunk) -> dict[int, str]:
    """Line -> why it was rejected."""
    return dict(delivered.rejects.select("source_line", "reason").iter_rows())


def values(delivered: Chunk, column: str) -> list:
    return delivered.rows.get_column(column).to_list()


def parquet(**columns: list) -> bytes:
    buffer = io.BytesIO()
    pl.DataFrame(columns, strict=False).write_parquet(buffer)
    return buffer.getvalue()


AS_CSV = lines("u1,a,2024-01-01 12:00:00,2.5,3")


@pytest.mark.parametrize(
    ("name", "kind", "content"),
    [
        ("f.csv", "csv", AS_CSV),
        ("f.csv.gz", "csv", gzip.compress(AS_CSV.encode(), mtime=0)),
        ("f.json", "json", json.dumps([RECORD])),
        ("f.jsonl", "jsonl", json.dumps(RECORD) + "\n\n"),
        ("f.jsonl.gz", "jsonl", gzip.compress(json.dumps(RECORD).encode(), mtime=0)),
        ("f.jsonl", "rest", json.dumps(RECORD)),
        ("f.parquet", "parquet", parquet(**{name: [value] for name, value in RECORD.items()})),
        ("f.parquet.gz", "parquet", gzip.compress(parquet(**{name: [value] for name, value in RECORD.items()}))),
    ],
)
def test_every_kind_of_file_gives_the_same_row(read, name, kind, content):
    delivered = read(content, name, kind=kind)
    row = delivered.rows.row(0, named=True)
    assert delivered.rows.schema == pl.Schema({**EVENTS, **PROVENANCE})
    assert (row["user_id"], row["item_id"], row["timestamp"], row["price"], row["quantity"]) == (
        "u1",
        "a",
        NOON,
        2.5,
        3,
    )
    assert row["event_id"] == f"{name}:{row['source_line']}"
    assert row["rating"] is None
    assert delivered.rejects.is_empty()


@pytest.mark.parametrize(
    ("content", "spec"),
    [
        (b"\xef\xbb\xbf" + AS_CSV.encode(), {}),
        (AS_CSV.replace("\n", "\r\n"), {}),
        (AS_CSV.replace("\n", "\r"), {}),
        (AS_CSV.replace("\n", "\n\n"), {}),
        (AS_CSV.rstrip(), {}),
        (AS_CSV.encode("utf-16"), {"encoding": "utf-16"}),
        (AS_CSV.replace("2.5", "2,5").replace(",", ";").replace("2;5", "2,5"), {"separator": ";", "decimal": ","}),
        (AS_CSV.split("\n", 1)[1], {"header": HEADER.split(",")}),
        (lines(" u1 , a ,2024-01-01 12:00:00, 2.5,3 "), {}),
        (lines('"u1","a",2024-01-01T12:00:00Z,"2.5",3.0'), {}),
    ],
    ids=[
        "BOM",
        "CRLF",
        "CR",
        "blank lines",
        "no last newline",
        "UTF-16",
        "decimal comma",
        "no header",
        "spaces",
        "quotes",
    ],
)
def test_the_many_ways_to_write_one_csv_row(read, content, spec):
    delivered = read(content, **spec)
    assert delivered.rows.select("user_id", "item_id", "timestamp", "price", "quantity").rows() == [
        ("u1", "a", NOON, 2.5, 3)
    ]
    assert delivered.rejects.is_empty()


def test_latin_1_is_read_where_it_is_declared(read):
    content = lines("Zoë,Käse,2024-01-01,1,1").encode("latin-1")
    assert values(read(content, encoding="latin-1"), "user_id") == ["Zoë"]


def test_bytes_that_are_not_utf_8_reject_only_their_line(read):
    delivered = read(lines("u1,a,2024-01-01,1,1", "Zoé,a,2024-01-01,1,1", "u3,a,2024-01-01,1,1").encode("latin-1"))
    assert values(delivered, "user_id") == ["u1", "u3"]
    assert reasons(delivered) == {3: "bytes that are not utf-8"}
    assert delivered.rejects["raw"][0] == "Zo\\udce9,a,2024-01-01,1,1"


@pytest.mark.parametrize("kind", ["json", "jsonl"])
@pytest.mark.parametrize("key", ["extra", "sché"])
def test_json_records_with_bytes_that_are_not_utf_8_are_rejected(read, kind, key):
    good, bad = json.dumps(RECORD), json.dumps(RECORD | {key: "Zoé"}, ensure_ascii=False)
    content = f"[{good},\n{bad}]" if kind == "json" else f"{good}\n{bad}"
    delivered = read(content.encode("latin-1"), f"f.{kind}", kind=kind)
    assert reasons(delivered) == {2: "bytes that are not utf-8"}
    assert delivered.rows.height == 1


def test_a_header_with_bytes_that_are_not_utf_8_spoils_nothing_else(tmp_path, read):
    content = AS_CSV.replace("\n", ",größe\n", 1).replace(",3\n", ",3,x\n").encode("latin-1")
    assert values(read(content), "user_id") == ["u1"]
    assert sources_reader.header(tmp_path / "f.csv", shop().table("events"))[-1] == "gr\\udcf6\\udcdfe"


def test_broken_lines_are_rejected_with_number_and_reason(read):
    delivered = read(lines("u1,a,2024-01-01,1,1", "u2,a", "u3,a,2024-01-01,1,1,extra", "u4,a,2024-01-01,1,1"))
    assert reasons(delivered) == {3: "2 cells where the header has 5", 4: "6 cells where the header has 5"}
    assert values(delivered, "source_line") == [2, 5]
    assert delivered.rejects.row(0) == ("f.csv", 3, "u2,a", "2 cells where the header has 5")


def test_a_quoted_newline_is_part_of_its_cell(read):
    delivered = read(lines('"u\n1",a,2024-01-01,1,1', "u2,a,2024-01-01,1,1"))
    assert values(delivered, "user_id") == ["u\n1", "u2"]
    assert values(delivered, "source_line") == [2, 4]


@pytest.mark.parametrize(
    "line",
    ['u2,"a,2024-01-01,1,1', '"u2,a,2024-01-01,1,1', 'u2,a,2024-01-01,1,"1', 'u2,a,2024-01-01,1,1,"'],
)
def test_a_quote_that_is_never_closed_rejects_its_line_and_not_the_rest_of_the_file(read, line):
    good = [f"v{n},a,2024-01-01,1,1" for n in range(20)]
    delivered = read(lines("u1,a,2024-01-01,1,1", line, *good))
    assert values(delivered, "user_id") == ["u1", *(f"v{n}" for n in range(20))]
    assert list(reasons(delivered)) == [3]


def test_two_stray_quotes_do_not_swallow_the_lines_between_them(read):
    delivered = read(
        lines('u1,"a,2024-01-01,1,1', "u2,a,2024-01-01,1,1", 'u3,a,2024-01-01,1,"1', "u4,a,2024-01-01,1,1")
    )
    assert values(delivered, "user_id") == ["u2", "u4"]
    assert list(reasons(delivered)) == [2, 4]


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("u1,a,yesterday,1,1", "timestamp: 'yesterday' is not a time of the form ISO 8601"),
        ("u1,a,2024-02-30,1,1", "timestamp: '2024-02-30' is not a time"),
        ("u1,a,99999-01-01,1,1", "timestamp: '99999-01-01' is not a time"),
        ("u1,a,2024-01-01,ten,1", "price: 'ten' is not a number"),
        ("u1,a,2024-01-01,inf,1", "price: 'inf' is not a number"),
        ("u1,a,2024-01-01,nan,1", "price: 'nan' is not a number"),
        ("u1,a,2024-01-01,1,1.5 kg", "quantity: '1.5 kg' is not a number"),
        ("u1,a,2024-01-01,1,1e999", "quantity: '1e999' is not a number"),
        ("u1,a,never,ten,1", "timestamp: 'never' is not a time"),
    ],
)
def test_a_cell_of_a_wrong_type_is_rejected_with_the_reason(read, row, reason):
    delivered = read(lines(row))
    assert delivered.rows.is_empty()
    assert reasons(delivered)[2].startswith(reason)
    assert json.loads(delivered.rejects["raw"][0])["who"] == "u1"


def test_blank_cells_are_null_and_no_mistake(read):
    delivered = read(lines(",,, ,"))
    assert delivered.rows.select(*COLUMNS).row(0) == (None,) * 5
    assert delivered.rejects.is_empty()


@pytest.mark.parametrize(
    ("written", "number"),
    [
        ("1234,5", 1234.5),
        ("1.234,5", 1234.5),
        ("1.234.567", 1234567.0),
        ("-7", -7.0),
        ("12.50", None),
        ("1.23,4", None),
    ],
)
def test_a_decimal_comma_takes_points_for_thousands_only(read, written, number):
    delivered = read(HEADER.replace(",", ";") + f"\nu1;a;2024-01-01;{written};1\n", separator=";", decimal=",")
    assert values(delivered, "price") == ([] if number is None else [number])


@pytest.mark.parametrize(
    ("decimal", "thousands", "written", "number"),
    [
        (".", ",", "1,234.5", 1234.5),
        (".", ",", "12,34.5", None),
        (".", None, "1,234.5", None),
        (".", "'", "-1'234'567", -1234567.0),
        (",", "\u202f", "1\u202f234,5", 1234.5),
        (",", " ", "1 234,5", 1234.5),
        (",", " ", "1.234,5", None),
        (".", ",", "1234.5", 1234.5),
    ],
)
def test_thousands_are_grouped_by_the_declared_mark_only(read, decimal, thousands, written, number):
    content = HEADER.replace(",", ";") + f"\nu1;a;2024-01-01;{written};1\n"
    delivered = read(content, separator=";", decimal=decimal, thousands=thousands)
    assert values(delivered, "price") == ([] if number is None else [number])


def test_words_that_mean_null_are_null(read):
    delivered = read(lines("k.A.,a,2024-01-01, - ,1", "NA,a,2024-01-01,-,1"), nulls=["k.A.", "-"])
    assert values(delivered, "user_id") == [None, "NA"]
    assert values(delivered, "price") == [None, None]
    assert delivered.rejects.is_empty()


FLAGS = {"kind": ["Rare", "Common"]}


def test_a_flag_of_another_word_is_refused(read):
    columns = {"item_id": "id", "category": "genre"}
    content = "id,Common,Rare\na,1,0\nb,false,TRUE\nc,x,1\nd,,-\ne,0,2\nf,1,1\ng,1,0\n"
    delivered = read(content, table="items", columns=columns, flags={"genre": ["Rare", "Common"]}, nulls=["-"])
    assert delivered.rows["category"].to_list() == ["Common", "Rare", None, "Rare", "Common"]
    assert delivered.rejects["reason"].to_list() == [
        "category: 'x' is no flag: 1, true, 0 or false",
        "category: '2' is no flag: 1, true, 0 or false",
    ]


def test_flags_in_another_form_are_a_mistake_of_the_file(read):
    with pytest.raises(UserError, match=r"'genre' \(for category\) holds other flags than 1, true, 0 and false"):
        read(
            "id,A,B\na,yes,no\nb,no,yes\n",
            table="items",
            columns={"item_id": "id", "category": "genre"},
            flags={"genre": ["A", "B"]},
        )


@pytest.mark.parametrize(
    ("content", "kind", "found"),
    [
        ("id,Common,Rare\na,1,1\nb,1,0\nc,0,0\nd,,\ne, 1 ,0\n", "csv", ["Rare", "Common", None, None, "Common"]),
        ('{"id": "a", "Common": true, "Rare": false}\n{"id": "b", "Rare": 1}\n', "jsonl", ["Common", "Rare"]),
        (parquet(id=["a", "b"], Common=[True, True], Rare=[False, True]), "parquet", ["Common", "Rare"]),
        (parquet(id=["a", "b"], Common=[1.0, 0.0], Rare=[None, 1.0]), "parquet", ["Common", "Rare"]),
    ],
)
def test_flags_make_one_column_of_many_and_the_first_counts(read, content, kind, found):
    columns = {"item_id": "id", "category": "kind"}
    delivered = read(content, f"f.{kind}", table="items", kind=kind, columns=columns, flags=FLAGS)
    assert values(delivered, "category") == found


def test_a_flag_that_is_not_delivered_is_named(read):
    columns = {"item_id": "id", "category": "kind"}
    with pytest.raises(UserError, match=r"lacks 1 column.* 'Rare' \(for category\)\. Did you mean 'Rar'"):
        read("id,Common,Rar\na,1,1\n", table="items", columns=columns, flags=FLAGS)


def test_values_translate_words_and_leave_others(read):
    columns = {"user_id": "id", "gender": "sex"}
    delivered = read(
        "id,sex\nu1,w\nu2,m\nu3,d\nu4,\n", table="users", columns=columns, values={"gender": {"w": "F", "m": "M"}}
    )
    assert values(delivered, "gender") == ["F", "M", "d", None]


@pytest.mark.parametrize(
    ("written", "kept"),
    [("17850.0", "17850"), ("17850", "17850"), ("17850.5", "17850.5"), ("a.0", "a.0"), ("007", "007")],
)
def test_ids_that_a_spreadsheet_wrote_as_decimals_are_whole(read, written, kept):
    assert values(read(lines(f"{written},a,2024-01-01,1,1")), "user_id") == [kept]


def test_numeric_ids_of_parquet_are_text_without_decimals(read):
    content = parquet(who=[17850.0, None], what=[1, 2], at=[NOON, NOON], price=[1, 2], n=[1, 2])
    delivered = read(content, "f.parquet", kind="parquet")
    assert values(delivered, "user_id") == ["17850", None]
    assert values(delivered, "item_id") == ["1", "2"]


def test_a_quantity_may_be_a_fraction(read):
    delivered = read(lines("u1,a,2024-01-01,1,0.53", "u1,a,2024-01-01,1,2"))
    assert values(delivered, "quantity") == [0.53, 2]


def test_a_negative_quantity_is_a_return(read):
    delivered = read(
        lines("u1,a,2024-01-01,1,-3", "u1,a,2024-01-01,1,3", "u1,a,2024-01-01,1,"), negative_quantity="return"
    )
    assert values(delivered, "event_type") == ["return", "purchase", "purchase"]
    assert values(delivered, "quantity") == [3, 3, None]


def test_event_values_are_translated_and_others_kept(read):
    columns = COLUMNS | {"event_type": "n"}
    del columns["quantity"]
    delivered = read(
        lines("u1,a,2024-01-01,1,buy", "u1,a,2024-01-01,1,steal"),
        columns=columns,
        event_type=None,
        event_values={"buy": "purchase"},
    )
    assert values(delivered, "event_type") == ["purchase", "steal"]


@pytest.mark.parametrize(
    ("zone", "written", "form", "moment"),
    [
        ("Europe/London", "2011-07-01 09:00:00", None, utc(2011, 7, 1, 8)),
        ("Europe/London", "2011-12-01T09:00", None, utc(2011, 12, 1, 9)),
        ("Europe/London", "2011-07-01", None, utc(2011, 6, 30, 23)),
        ("Europe/London", "2011-07-01T09:00:00.25Z", None, utc(2011, 7, 1, 9, 0, 0, 250_000)),
        ("Europe/London", "2011-07-01 09:00:00+05:30", None, utc(2011, 7, 1, 3, 30)),
        ("Europe/London", "01.07.2011 09:00", "%d.%m.%Y %H:%M", utc(2011, 7, 1, 8)),
        ("Europe/London", "2011-10-30 01:30:00", None, utc(2011, 10, 30, 0, 30)),
        ("Europe/London", "2011-03-27 01:30:00", None, None),
        ("Europe/London", "2011-03-27 01:30:00", "%Y-%m-%d %H:%M:%S", None),
        ("UTC", "2011-03-27 01:30:00", None, utc(2011, 3, 27, 1, 30)),
        ("Europe/London", "1424615980123", "epoch_ms", utc(2015, 2, 22, 14, 39, 40, 123_000)),
        ("UTC", "1424615980", "epoch_s", utc(2015, 2, 22, 14, 39, 40)),
        ("UTC", "1424615980000000", "epoch_us", utc(2015, 2, 22, 14, 39, 40)),
        ("UTC", "1424615980123", "epoch_s", None),
        ("UTC", "9223372036854775807", "epoch_s", None),
        ("UTC", "2011-03-27", "epoch_s", None),
        ("Europe/London", "01.07.2011 09:00 +0530", "%d.%m.%Y %H:%M %z", utc(2011, 7, 1, 3, 30)),
    ],
)
def test_times_become_utc_or_a_reject(read, zone, written, form, moment):
    delivered = read(lines(f"u1,a,{written},1,1"), zone=zone, timestamp_format=form)
    assert values(delivered, "timestamp") == ([] if moment is None else [moment])
    assert delivered.rejects.height == (moment is None)


@pytest.mark.parametrize(
    ("at", "moment"),
    [
        (datetime(2011, 7, 1, 9), utc(2011, 7, 1, 8)),
        (utc(2011, 7, 1, 9), utc(2011, 7, 1, 9)),
        (date(2011, 7, 1), utc(2011, 6, 30, 23)),
    ],
)
def test_times_in_parquet_are_local_unless_they_have_a_zone(read, at, moment):
    content = parquet(who=["u1"], what=["a"], at=[at], price=[1.0], n=[1])
    assert values(read(content, "f.parquet", kind="parquet", zone="Europe/London"), "timestamp") == [moment]


@pytest.mark.parametrize("zone", ["UTC", "Africa/Cairo", "Pacific/Auckland", "America/Los_Angeles"])
def test_a_day_stays_the_day_even_where_its_midnight_does_not_exist(read, zone):
    columns = {"user_id": "id", "signup_date": "joined"}
    delivered = read("id,joined\nu1,2024-04-26\nu2,\n", table="users", columns=columns, zone=zone)
    assert delivered.rows.schema == pl.Schema({**USERS, **PROVENANCE})
    assert values(delivered, "signup_date") == [date(2024, 4, 26), None]


@pytest.mark.parametrize(
    ("name", "kind", "content"),
    [
        ("f.csv", "csv", ""),
        ("f.csv", "csv", HEADER),
        ("f.csv", "csv", HEADER + "\r\n"),
        ("f.json", "json", ""),
        ("f.json", "json", "[]"),
        ("f.jsonl", "jsonl", ""),
        ("f.jsonl", "jsonl", "\n\n"),
        ("f.csv.gz", "csv", gzip.compress(b"", mtime=0)),
        ("f.parquet", "parquet", parquet(**{name: [] for name in RECORD})),
    ],
)
def test_a_file_without_records_has_no_rows_and_is_no_error(read, name, kind, content):
    delivered = read(content, name, kind=kind)
    assert delivered.rows.schema == pl.Schema({**EVENTS, **PROVENANCE})
    assert delivered.rows.is_empty()
    assert delivered.rejects.is_empty()


@pytest.mark.parametrize(
    ("name", "kind", "content"),
    [
        ("f.csv", "csv", "whom,what,at,price,n\n"),
        ("f.json", "json", '[{"whom": 1, "what": 1, "at": 1, "price": 1, "n": 1}]'),
        ("f.parquet", "parquet", parquet(whom=[1], what=[1], at=[1], price=[1], n=[1])),
    ],
)
def test_a_missing_column_is_reported_with_file_column_and_the_nearest_name(read, name, kind, content):
    with pytest.raises(UserError) as caught:
        read(content, name, kind=kind)
    assert str(caught.value) == (
        f"{name} lacks 1 column(s) that shops/x.yaml maps in tables.events: 'who' (for user_id). Did you mean 'whom'?"
    )


BROKEN_GZIP = bytearray(gzip.compress(AS_CSV.encode() * 50, mtime=0))
BROKEN_GZIP[12] ^= 0xFF
BROKEN_GZIP[15] ^= 0x55


@pytest.mark.parametrize(
    ("name", "kind", "content"),
    [
        ("f.csv", "csv", "who,who,what,at,price,n\n"),
        ("f.csv.gz", "csv", gzip.compress(AS_CSV.encode() * 50, mtime=0)[:-20]),
        ("f.csv.gz", "csv", bytes(BROKEN_GZIP)),
        ("f.json", "json", '[{"who": 1'),
        ("f.json", "json", '{"who": 1}'),
        ("f.json", "json", "[" * 100_000),
        ("f.parquet", "parquet", b""),
        ("f.parquet", "parquet", b"PAR1 and nonsense"),
        ("f.parquet", "parquet", parquet(who=[["x"]], what=["a"], at=[NOON], price=[1], n=[1])),
        ("f.parquet", "parquet", parquet(who=["u"], what=["a"], at=[time(1)], price=[1], n=[1])),
    ],
    ids=[
        "same name twice",
        "cut gzip",
        "damaged gzip",
        "cut JSON",
        "JSON object",
        "deep JSON",
        "empty Parquet",
        "no Parquet",
        "list for an id",
        "time without day",
    ],
)
def test_a_file_that_cannot_be_read_at_all_is_one_sentence_with_its_name(read, name, kind, content):
    with pytest.raises(UserError, match=name):
        read(content, name, kind=kind)


def test_a_damaged_file_is_reported_when_only_its_header_is_read(tmp_path):
    (tmp_path / "f.csv.gz").write_bytes(gzip.compress(AS_CSV.encode())[:15])
    with pytest.raises(UserError, match=r"f.csv.gz is damaged, perhaps cut short"):
        sources_reader.header(tmp_path / "f.csv.gz", shop().table("events"))


def test_json_lines_that_are_no_objects_are_rejected(read):
    delivered = read(f'{json.dumps(RECORD)}\n[1]\n{{"who": \nnull\n', "f.jsonl", kind="jsonl")
    assert delivered.rows.height == 1
    assert reasons(delivered)[2].startswith("not a JSON object, but a list")
    assert reasons(delivered)[4] == "not a JSON object"
    assert reasons(delivered)[3].startswith("not valid JSON")


def test_a_json_line_may_hold_any_line_separator_but_the_newline(read):
    name = "Käse\u2028\u0085frisch"
    content = json.dumps(RECORD | {"what": name}, ensure_ascii=False)
    assert values(read(content + "\r\n", "f.jsonl", kind="jsonl"), "item_id") == [name]


def test_json_records_may_lack_keys(read):
    without = {key: value for key, value in RECORD.items() if key != "price"}
    delivered = read(json.dumps([RECORD, without, 5]), "f.json", kind="json")
    assert values(delivered, "price") == [2.5, None]
    assert reasons(delivered) == {3: "not a JSON object"}


def test_events_carry_what_derived_tables_need(tmp_path):
    path = tmp_path / "f.csv"
    path.write_text("who,what,at,price,n,title\nu1,a,2024-01-01,1,1,Anvil\n")
    with_items = shop(table="items", kind="derived", path=None, columns={"name": "title", "price": "price"})
    rows = sources_reader.read(path, with_items, "events").rows
    assert rows.select("items.name", "items.price").rows() == [("Anvil", 1.0)]


def test_a_file_may_be_called_by_its_place_in_the_source_folder(tmp_path):
    (tmp_path / "f.csv").write_text(AS_CSV)
    rows = sources_reader.read(tmp_path / "f.csv", shop(), "events", "2024/f.csv").rows
    assert rows.select("event_id", "source_file").row(0) == ("2024/f.csv:2", "2024/f.csv")


AUTUMN = "2024-10-27 01:30:00"  # 00:30 and 01:30 UTC in London


@pytest.mark.parametrize(
    ("which", "moment"), [("first", utc(2024, 10, 27, 0, 30)), ("second", utc(2024, 10, 27, 1, 30)), ("reject", None)]
)
@pytest.mark.parametrize("form", [None, "%Y-%m-%d %H:%M:%S"])
def test_the_shop_says_which_moment_a_repeated_time_means(read, which, moment, form):
    content = lines("u1,a,2024-10-26 01:30:00,1,1", f"u2,a,{AUTUMN},1,1", f"u3,a,{AUTUMN},ten,1")
    delivered = read(content, zone="Europe/London", ambiguous_times=which, timestamp_format=form)
    assert values(delivered, "timestamp")[1:] == ([moment] if moment else [])
    assert delivered.n_ambiguous == (1 if moment else 0), "only ingested rows count"
    if not moment:
        assert reasons(delivered)[3] == f"timestamp: '{AUTUMN}' occurs twice on that day (the clocks go back)"


@pytest.mark.parametrize(
    ("zone", "written", "form"),
    [
        ("UTC", AUTUMN, None),
        ("Europe/London", AUTUMN + "Z", None),
        ("Europe/London", AUTUMN + "+01:00", None),
        ("Europe/London", AUTUMN + "+0100", "%Y-%m-%d %H:%M:%S%z"),
        ("Europe/London", "1729989000", "epoch_s"),
        ("Europe/London", "2024-10-27", None),
    ],
)
def test_other_times_are_not_ambiguous(read, zone, written, form):
    delivered = read(lines(f"u1,a,{written},1,1"), zone=zone, timestamp_format=form, ambiguous_times="reject")
    assert (delivered.rows.height, delivered.n_ambiguous) == (1, 0)


def test_ambiguous_times_of_parquet_are_counted_and_days_never_are(read):
    content = parquet(who=["u1"], what=["a"], at=[datetime(2024, 10, 27, 1, 30)], price=[1.0], n=[1])
    assert read(content, "f.parquet", kind="parquet", zone="Europe/London").n_ambiguous == 1
    spec = {"columns": {"user_id": "id", "signup_date": "joined"}, "ambiguous_times": "reject"}
    users = read(f"id,joined\nu1,{AUTUMN}\n", table="users", zone="Europe/London", **spec)
    assert (values(users, "signup_date"), users.n_ambiguous) == ([date(2024, 10, 27)], 0)


def test_a_time_that_the_clocks_skip_is_rejected_with_that_reason(read):
    delivered = read(lines("u1,a,2011-03-27 01:30:00,1,1"), zone="Europe/London")
    assert reasons(delivered) == {
        2: "timestamp: '2011-03-27 01:30:00' does not exist in Europe/London: the clocks go forward"
    }


MANY = lines(*(f'"u{n}",a{n},2024-01-01 12:00:00,2.5,3' for n in range(5)), "", "u5,b", "u6,a,never,1,1")
OBJECTS = [RECORD | {"who": f"u{n}"} for n in range(5)]


@pytest.mark.parametrize(
    ("name", "kind", "content", "encoding"),
    [
        ("f.csv", "csv", MANY.encode(), "utf-8"),
        ("f.csv.gz", "csv", gzip.compress(MANY.encode(), mtime=0), "utf-8"),
        ("f.csv", "csv", MANY.replace("\n", "\r\n").encode("utf-16"), "utf-16"),
        ("f.csv", "csv", MANY.replace("a3", "é").encode("latin-1"), "latin-1"),
        ("f.csv", "csv", MANY.replace("a3", "é").encode("latin-1"), "utf-8"),
        ("f.json", "json", json.dumps(OBJECTS).encode(), "utf-8"),
        ("f.jsonl", "jsonl", "\n\n".join(map(json.dumps, OBJECTS)).encode(), "utf-8"),
        ("f.parquet", "parquet", parquet(**{name: [o[name] for o in OBJECTS] for name in RECORD}), "utf-8"),
    ],
    ids=["CSV", "gzip", "UTF-16", "latin-1", "damaged", "JSON", "JSON Lines", "Parquet"],
)
def test_pieces_are_the_whole_with_the_same_columns(tmp_path, request, name, kind, content, encoding):
    path, declared = tmp_path / name, shop(kind=kind, encoding=encoding)
    path.write_bytes(content)
    whole = sources_reader.read(path, declared, "events")
    assert len(list(sources_reader.chunks(path, declared, "events"))) == 1
    request.getfixturevalue("small_blocks")
    chunks = list(sources_reader.chunks(path, declared, "events"))
    assert len(chunks) >= 3
    assert {tuple(chunk.rows.schema.items()) for chunk in chunks} == {tuple(whole.rows.schema.items())}
    together = sources_reader.read(path, declared, "events")
    assert together.rows.equals(whole.rows)
    assert together.rejects.equals(whole.rejects)
    assert whole.rows.height + whole.rejects.height >= 5


def test_reading_does_not_wait_for_the_end_of_the_file(tmp_path, monkeypatch):
    monkeypatch.setattr(csv_reader, "BLOCK", 50_000)
    rows = [f"u{n},a,2024-01-01,{n * 7919 % 1013},1" for n in range(20_000)]
    (tmp_path / "f.csv.gz").write_bytes(gzip.compress(lines(*rows).encode(), mtime=0)[:-20])
    chunks = sources_reader.chunks(tmp_path / "f.csv.gz", shop(), "events")
    assert 0 < next(chunks).rows.height < 5_000
    with pytest.raises(UserError, match=r"f.csv.gz is damaged, perhaps cut short"):
        list(chunks)


def test_keys_may_come_late_in_json_lines(tmp_path, small_blocks):
    path, declared = tmp_path / "f.jsonl", shop(kind="jsonl")
    without = {key: value for key, value in RECORD.items() if key != "price"}
    path.write_text("\n".join(map(json.dumps, [without, RECORD, without, {}])))
    assert values(sources_reader.read(path, declared, "events"), "price") == [None, 2.5, None, None]
    assert sources_reader.header(path, declared.table("events")) == [], "keys that are not known yet are not listed"
    path.write_text(json.dumps(without))
    assert sources_reader.header(path, declared.table("events")) == list(without)


@pytest.mark.parametrize("kind", ["json", "jsonl", "rest"])
@pytest.mark.parametrize("key", ["price", None])
def test_a_key_that_no_object_has_is_reported_at_the_end(tmp_path, small_blocks, kind, key):
    without = {name: value for name, value in RECORD.items() if key and name != key}
    text = json.dumps([without, without]) if kind == "json" else json.dumps(without) + "\n" + json.dumps(without)
    (tmp_path / "f").write_text(text)
    chunks = sources_reader.chunks(tmp_path / "f", shop(kind=kind), "events")
    assert next(chunks).rows.height == 1
    with pytest.raises(UserError, match=r"f lacks .* 'price' \(for price\)"):
        list(chunks)


@pytest.mark.parametrize("line", ["[" * 100_000, "9" * 5_000])
def test_a_json_line_that_python_cannot_read_rejects_only_itself(read, line):
    delivered = read(f"{line}\n{json.dumps(RECORD)}", "f.jsonl", kind="jsonl")
    assert delivered.rows.height == 1
    assert reasons(delivered)[1].startswith("not valid JSON")


def test_a_record_may_run_over_the_end_of_a_block(read, small_blocks):
    delivered = read(lines('"u\n\n1",a,2024-01-01,1,1', "u2,a,2024-01-01,1,1", '"u3","a,\n",2024-01-01,1,1'))
    assert values(delivered, "user_id") == ["u\n\n1", "u2", "u3"]
    assert values(delivered, "item_id") == ["a", "a", "a,"]
    assert values(delivered, "source_line") == [2, 5, 6]


def test_an_open_quote_is_rejected_after_some_lines(read, small_blocks):
    good = [f"v{n},a,2024-01-01,1,1" for n in range(9)]
    delivered = read(lines('"u1,a,2024-01-01,1,1', *good, '"last",a,2024-01-01,1,1'))
    assert values(delivered, "user_id") == [*(f"v{n}" for n in range(9)), "last"]
    assert reasons(delivered) == {2: "not a CSV record: a quote that is not closed within 4 lines"}


def test_a_cell_longer_than_csv_takes_rejects_its_line(read):
    delivered = read(lines(f"u1,{'a' * csv.field_size_limit()}a,2024-01-01,1,1", "u2,a,2024-01-01,1,1"))
    assert values(delivered, "user_id") == ["u2"]
    assert reasons(delivered)[2].startswith("not a CSV record: field larger than field limit")


def test_many_open_quotes_do_not_make_reading_slow(read):
    n = 3 * csv_reader.MAX_RECORD_LINES
    delivered = read(lines(*['u1,a"x,"2024-01-01,1,1'] * n))
    assert delivered.rejects.height == n


CELL = st.one_of(
    st.sampled_from(
        ["", "u1", "1", "-2.5", "1e3", "nan", "2024-01-01", "2024-01-01T10:00:00Z", "17850.0", '"', "é", ",", "\n"]
    ),
    st.text(max_size=6),
)


def read_bytes(content: bytes, name: str, kind: str) -> Chunk:
    with TemporaryDirectory() as folder:
        path = Path(folder) / name
        path.write_bytes(content)
        return sources_reader.read(path, shop(kind=kind), "events")


@given(st.lists(st.lists(CELL, min_size=1, max_size=7), max_size=8))
@example([["False", "a", "", "", ""]])
@settings(max_examples=80, deadline=None)
def test_each_well_formed_csv_record_becomes_one_row_or_one_reject(records):
    text = io.StringIO()
    writer = csv.writer(text, quoting=csv.QUOTE_ALL)
    # one line per record: over several lines, a broken record is given up line by line
    records = [*records, *[["u1", "a", "2024-01-01", "1", "1"]] * 8]  # a column of mostly no ids is refused
    writer.writerows([HEADER.split(","), *([" ".join(cell.splitlines()) for cell in row] for row in records)])
    delivered = read_bytes(text.getvalue().encode("utf-8", "surrogatepass"), "f.csv", "csv")
    assert delivered.rows.height + delivered.rejects.height == len(records)
    placed = values(delivered, "source_line") + delivered.rejects["source_line"].to_list()
    assert sorted(placed) == list(range(2, len(records) + 2))


@given(st.binary(max_size=120) | st.text(alphabet='u1,"\n\r é', max_size=80).map(str.encode))
@settings(max_examples=120, deadline=None)
def test_no_line_of_bytes_is_ever_lost(body):
    delivered = read_bytes(HEADER.encode() + b"\n" + body, "f.csv", "csv")
    placed = values(delivered, "source_line") + delivered.rejects["source_line"].to_list()
    assert len(placed) == len(set(placed))
    text = body.decode("utf-8", "surrogateescape")
    if '"' not in text:
        lines_of_text = (line.removeprefix("\ufeff") for line in io.StringIO(text, newline=""))
        written = [n for n, line in enumerate(lines_of_text, start=2) if line.strip("\r\n")]
        assert sorted(placed) == written


def line_by_line(text: str, separator: str) -> tuple[list, list]:
    """What CSV means here: (line, cells) of the records and (line, text, reason) of the rejects; header included."""
    every, first, good, bad = [line.removeprefix("\ufeff") for line in io.StringIO(text, newline="")], 0, [], []
    width, n_named = None, 0
    while first < len(every):
        reader, cells, problem = csv.reader(every[first:], delimiter=separator, strict=True), [], None
        try:
            cells = next(reader)
        except csv.Error as error:
            problem = f"not a CSV record: {error}"
        n, n_written = reader.line_num, len(cells)
        if cells and width and not problem:
            cells = cells[:width] if not any(map(str.strip, cells[width:])) else cells
            cells += [""] * (width - len(cells) if len(cells) >= n_named else 0)
        if n > 1 and not problem and width and len(cells) != width:
            problem = f"{n_written} cells over {n} lines where the header has {width}"
        if problem:
            cells, n = [every[first].rstrip("\r\n")], 1
        wrong = problem or (
            f"{len(cells)} cells where the header has {width}" if len(cells) != (width or len(cells)) else None
        )
        if cells and not width:
            width, n_named = len(cells), max((n for n, cell in enumerate(cells, 1) if headers.plain(cell)), default=0)
        if good and cells == good[0][1]:
            wrong = wrong or "the header again, as where several files were put together"
        if "\0" in "".join(cells) and good:
            wrong = wrong or "a NUL byte"
        if cells and wrong and good:
            bad.append((first + 1, separator.join(cells), wrong))
        elif cells:
            good.append((first + 1, cells))
        first += n
    return good, bad


PIECES = [
    "a",
    "b",
    '"',
    '""',
    "|",
    "|",
    "\n",
    "\r\n",
    "\r",
    " ",
    "é",
    "\u2028",
    "\0",
    "\ufeff",
    "x|y\n",
    '"q"|"r"\n',
    '"m\nn"|o\n',
    '"s|t"|u\n',
    '"v ""w"""|\n',
]


@given(
    st.sampled_from(["", "h|k\n", "h\n", "h|k|l\r\n", '"h"|k\r', '\n"h\n"|k\n']),
    st.lists(st.sampled_from(PIECES), max_size=30).map("".join),
    st.sampled_from([",", ";", "\t", "|", "^", " ", "]", "\\", "-", "§"]),
    st.sampled_from([1, 5, 10**6]),
)
@settings(max_examples=300, deadline=None)
def test_blocks_are_split_as_reading_line_by_line_does(head, body, separator, block):
    text = (head + body).replace("|", separator).lstrip("\ufeff")  # a first one is a mark of the encoding, and no text
    spec = Table(kind="csv", path="*", separator=separator)
    good, bad = line_by_line(text, separator)
    names = headers.unique(good[0][1]) if good else []
    # a few letters with NUL bytes among them look like UTF-16
    bytewise = patch.object(formats, "_wide_encoding", return_value=None)
    with TemporaryDirectory() as folder, patch.object(csv_reader, "BLOCK", block), bytewise:
        path = Path(folder) / "f.csv"
        path.write_bytes(text.encode())
        found = list(csv_reader.read(path, spec))
        assert csv_reader.header(path, spec) == names
    rows = [(line, list(cells)) for r in found for line, cells in zip(r.lines, r.cells.iter_rows(), strict=True)]
    assert rows == good[1:]
    assert [reject for r in found for reject in r.rejects] == bad


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(["who", "at", "n"]), inner, max_size=3),
    max_leaves=4,
)


@given(
    st.lists(
        st.fixed_dictionaries(dict.fromkeys(RECORD, JSON)) | JSON.filter(lambda x: not isinstance(x, dict)),
        max_size=5,
    )
)
@settings(max_examples=80, deadline=None)
def test_each_json_record_becomes_one_row_or_one_reject(records):
    try:
        delivered = read_bytes(json.dumps(records).encode(), "f.json", "json")
    except UserError as problem:
        assert "(for " in str(problem), "most cells of a column are no values"
    else:
        assert delivered.rows.height + delivered.rejects.height == len(records)


def test_products_say_whether_they_are_sold_and_how_many_are_left(read):
    columns = {"item_id": "id", "available": "sold", "stock": "left"}
    content = "id,sold,left\na,TRUE,3\nb,Out of stock,0\nc,,\nd,1,-2\ne,no,1.5\nf,maybe,1\ng,true,many\n"
    chunk = read(content, table="items", columns=columns)
    assert chunk.rows.select(*columns).rows() == [
        ("a", True, 3.0),
        ("b", False, 0.0),
        ("c", None, None),
        ("d", True, -2.0),
        ("e", False, 1.5),
    ]
    assert [reason.split(":")[0] for reason in chunk.rejects["reason"]] == ["available", "stock"]
    assert "'maybe' is neither true, yes, 1 or in stock" in chunk.rejects["reason"][0]
    german = read(
        "id,sold,left\na,ja,1\nb,nein,1\n", table="items", columns=columns, values={"available": {"ja": 1, "nein": 0}}
    )
    assert german.rows["available"].to_list() == [True, False]


def test_json_and_parquet_have_true_and_false_of_their_own(read):
    columns = {"item_id": "id", "available": "sold"}
    delivered = [{"id": "a", "sold": True}, {"id": "b", "sold": False}, {"id": "c", "sold": None}]
    parquet = io.BytesIO()
    pl.DataFrame(delivered).write_parquet(parquet)
    for kind, content in (("json", json.dumps(delivered)), ("parquet", parquet.getvalue())):
        assert read(content, f"f.{kind}", "items", kind=kind, columns=columns).rows["available"].to_list() == [
            True,
            False,
            None,
        ]


def test_a_table_without_a_mapped_stock_has_no_such_column(read):
    assert "stock" not in read("id\na\n", table="items", columns={"item_id": "id"}).rows.columns
