"""Lists in records: each entry of the list is a row, and a record without one is a row without an entry."""

from __future__ import annotations

import json

import polars as pl
import pytest
from conftest import utc
from hypothesis import given, settings
from hypothesis import strategies as st

from recomart_lib.core.errors import UserError
from recomart_lib.core.shops import Shop
from recomart_lib.ingest.sources import exploded, json_reader, parquet_reader, reader, record_files
from recomart_lib.ingest.sources.records import Chunk

COLUMNS = {"user_id": "customer.id", "timestamp": "at", "order_id": "id", "item_id": "lines.sku", "quantity": "lines.n"}
ORDERS = [
    {"id": 1, "customer": {"id": "u1"}, "at": "2024-02-01", "lines": [{"sku": "a", "n": 1}, {"sku": "b", "n": 2}]},
    {"id": 2, "customer": {"id": "u2"}, "at": "2024-02-02", "lines": [{"sku": "c", "n": 1}]},
]
EXPECTED = [("1", "u1", "a", 1), ("1", "u1", "b", 2), ("2", "u2", "c", 1)]


def shop(kind: str = "jsonl", explode: str = "lines", **events: object) -> Shop:
    """A shop whose events are the entries of the list `lines` of each order."""
    declared = {"kind": kind, "path": "*", "explode": explode, "event_type": "purchase", "columns": COLUMNS, **events}
    keys = {"name": "x", "title": "X", "currency": "EUR", "time_zone": "UTC", "simulated": False, "cut": "auto"}
    return Shop(**keys, horizon_days="auto", relevant_events=["purchase"], tables={"events": declared})


@pytest.fixture(params=["json", "jsonl", "parquet"])
def read(tmp_path, request):
    """`read(records)`: the events in records that are written as JSON, as JSON Lines or as Parquet."""

    def events(records: list[dict], **keys: object) -> Chunk:
        path = tmp_path / "orders"
        if request.param == "parquet":
            pl.DataFrame(records, infer_schema_length=None).write_parquet(path)
        else:
            lines = list(map(json.dumps, records))
            path.write_text("\n".join(lines) if request.param == "jsonl" else f"[{','.join(lines)}]")
        return reader.read(path, shop(request.param, **keys), "events")

    return events


def found(chunk: Chunk) -> list[tuple]:
    return chunk.rows.select("order_id", "user_id", "item_id", "quantity").rows()


@pytest.mark.parametrize("in_parts", [False, True])
def test_each_entry_is_a_row_with_what_its_record_has(read, monkeypatch, in_parts):
    if in_parts:
        for module, size in ((json_reader, "BLOCK"), (json_reader, "OBJECTS"), (parquet_reader, "ROWS")):
            monkeypatch.setattr(module, size, 1)
    delivered = read(ORDERS)
    assert found(delivered) == EXPECTED
    assert delivered.rows.get_column("source_line").to_list() == [1, 2, 3]
    assert delivered.rows.get_column("event_id").to_list() == ["orders:1", "orders:2", "orders:3"]
    assert delivered.rows.get_column("timestamp").to_list() == [utc(2024, 2, 1)] * 2 + [utc(2024, 2, 2)]


@pytest.mark.parametrize("lines", [[], None])
def test_a_record_without_an_entry_is_a_row_without_one(read, lines):
    delivered = read([ORDERS[0], {**ORDERS[0], "id": 7, "lines": lines}, ORDERS[1]])
    assert found(delivered) == [*EXPECTED[:2], ("7", "u1", None, None), EXPECTED[2]]
    assert delivered.rows.get_column("source_line").to_list() == [1, 2, 3, 4]


def test_an_entry_with_a_bad_cell_is_rejected_alone(read):
    lines = [{"sku": "c", "n": "1"}, {"sku": "d", "n": "two"}, {"sku": "e", "n": "3"}]
    delivered = read([{**ORDERS[1], "lines": lines}])
    assert delivered.rows.select("item_id", "source_line").rows() == [("c", 1), ("e", 3)]
    assert delivered.rejects.select("source_line", "reason").rows() == [(2, "quantity: 'two' is not a number")]


def test_entries_may_be_plain_values(read):
    records = [{**order, "lines": [line["sku"] for line in order["lines"]]} for order in ORDERS]
    columns = {ours: theirs for ours, theirs in COLUMNS.items() if ours != "quantity"} | {"item_id": "lines"}
    delivered = read(records, columns=columns)
    assert delivered.rows.select("order_id", "item_id").rows() == [("1", "a"), ("1", "b"), ("2", "c")]


def test_the_list_may_be_inside_an_object(read):
    records = [{**order, "cart": {"lines": order["lines"], "n": 0}} for order in ORDERS]
    columns = COLUMNS | {"item_id": "cart.lines.sku", "quantity": "cart.lines.n"}
    assert found(read(records, explode="cart.lines", columns=columns)) == EXPECTED


def test_lines_that_are_no_json_keep_their_place(tmp_path):
    (tmp_path / "f").write_text(f"{json.dumps(ORDERS[0])}\nbroken\n{json.dumps(ORDERS[1])}\n")
    delivered = reader.read(tmp_path / "f", shop(), "events")
    assert found(delivered) == EXPECTED
    assert delivered.rows.get_column("source_line").to_list() == [1, 2, 4]
    [(line, reason)] = delivered.rejects.select("source_line", "reason").rows()
    assert line == 3
    assert reason.startswith("record 2: not valid JSON")


def test_an_object_in_place_of_the_list_is_its_only_entry(tmp_path):
    (tmp_path / "f").write_text(json.dumps({**ORDERS[0], "lines": {"sku": "a", "n": 1}}))
    assert found(reader.read(tmp_path / "f", shop(), "events")) == EXPECTED[:1]


def test_a_list_that_no_record_has_is_missing(tmp_path):
    (tmp_path / "f").write_text(json.dumps({name: value for name, value in ORDERS[0].items() if name != "lines"}))
    with pytest.raises(UserError, match=r"'lines.sku' \(for item_id\)"):
        reader.read(tmp_path / "f", shop(), "events")


def test_keys_that_come_twice_are_still_refused(tmp_path):
    (tmp_path / "f").write_text(json.dumps(ORDERS[1]).replace('"at":', '"at": "2020-01-01", "at":'))
    with pytest.raises(UserError, match=r"'at'.*occurs several times in one object"):
        reader.read(tmp_path / "f", shop(), "events")


@pytest.mark.parametrize("kind", ["json", "jsonl", "parquet"])
def test_headers_name_the_fields_of_entries(tmp_path, kind):
    if kind == "parquet":
        pl.DataFrame(ORDERS).write_parquet(tmp_path / "f")
    else:
        (tmp_path / "f").write_text(json.dumps(ORDERS if kind == "json" else ORDERS[0]))
    names = record_files.header(tmp_path / "f", shop(kind).table("events"))
    assert {"id", "customer.id", "lines.sku", "lines.n"} <= set(names)
    assert not any(".0." in name for name in names)


def test_rows_of_lists_are_joined_with_other_files(tmp_path):
    (tmp_path / "orders.jsonl").write_text("\n".join(map(json.dumps, ORDERS)))
    (tmp_path / "people.csv").write_text("nr,who\nu1,Ann\nu2,Bob\n")
    joins = {"people": {"path": "people.csv", "kind": "csv", "by": {"customer.id": "nr"}}}
    declared = shop(path="orders.jsonl", joins=joins, columns=COLUMNS | {"user_id": "people.who"})
    others = reader.joined(declared, "events", tmp_path)
    delivered = reader.read(tmp_path / "orders.jsonl", declared, "events", others=others)
    assert delivered.rows.get_column("user_id").to_list() == ["Ann", "Ann", "Bob"]


@pytest.mark.parametrize("kind", ["csv", "xlsx"])
def test_kinds_without_lists_are_refused(kind):
    with pytest.raises(ValueError, match="`explode` is for tables of kind json, jsonl, rest, parquet"):
        shop(kind)


@given(st.lists(st.lists(st.sampled_from("abc"), max_size=4)), st.sampled_from(["jsonl", "parquet"]))
@settings(max_examples=60)
def test_nothing_gets_lost(tmp_path_factory, orders, kind):
    path = tmp_path_factory.mktemp("lists") / "f"
    records = [{"id": n, "customer": {"id": "u"}, "at": "2024-02-01", "lines": x} for n, x in enumerate(orders)]
    if kind == "parquet":
        schema = {
            "id": pl.Int64,
            "customer": pl.Struct({"id": pl.String}),
            "at": pl.String,
            "lines": pl.List(pl.String),
        }
        pl.DataFrame(records, schema=schema).write_parquet(path)
    else:
        path.write_text("\n".join(map(json.dumps, records)))
    columns = {ours: theirs for ours, theirs in COLUMNS.items() if ours != "quantity"} | {"item_id": "lines"}
    delivered = reader.read(path, shop(kind, columns=columns), "events")
    expected = [(str(n), sku) for n, entries in enumerate(orders) for sku in entries or [None]]
    assert delivered.rows.select("order_id", "item_id").rows() == expected
    assert delivered.rows.get_column("source_line").to_list() == list(range(1, len(expected) + 1))


def test_names_of_entries():
    assert exploded.names(["id", "a.0", "a.0.sku", "ab.0.x", "b.a.0.y"], "a") == [
        "id",
        "a",
        "a.sku",
        "ab.0.x",
        "b.a.0.y",
    ]
