"""Lines and their orders in two files: each line gets the columns of its order, or is rejected with the reason."""

from __future__ import annotations

import json
from datetime import date, datetime
from pathlib import Path

import polars as pl
import pytest
from conftest import utc
from draft import folders_joined, made_columns
from draft.made_shop import MadeShop
from hypothesis import given, settings
from hypothesis import strategies as st
from openpyxl import Workbook

from recomart_lib.core.errors import UserError
from recomart_lib.core.shops import Shop
from recomart_lib.ingest import ingestion
from recomart_lib.ingest.settings import Ingest
from recomart_lib.ingest.sources import reader
from recomart_lib.ingest.sources.records import Chunk

ORDERS = "order,customer,date\nO1,u1,2024-02-01 10:00:00\nO2,u2,2024-02-02 10:00:00\n"
LINES = "order,sku,qty\nO1,a,1\nO1,b,2\nO2,a,1\n"
COLUMNS = {"user_id": "orders.customer", "timestamp": "orders.date", "item_id": "sku", "quantity": "qty"}
COLUMNS |= {"order_id": "order"}


def shop(joins: dict | None = None, tables: dict | None = None, **events: object) -> Shop:
    """A shop whose events are the lines of lines.csv, joined with orders.csv by the column `order`."""
    declared = {"kind": "csv", "path": "lines.*", "event_type": "purchase", "columns": COLUMNS}
    declared |= {"joins": {"orders": {"path": "orders.*", "by": "order"}} if joins is None else joins, **events}
    keys = {"title": "X", "currency": "EUR", "time_zone": "UTC", "simulated": False, "cut": "auto"}
    keys |= {"name": "x", "horizon_days": "auto", "relevant_events": ["purchase"]}
    return Shop(**keys, tables={"events": declared, **(tables or {})})


@pytest.fixture
def read(tmp_path):
    """`read(lines, orders, shop)`: the events of lines.csv and orders.csv."""

    def events(lines: str = LINES, orders: str = ORDERS, declared: Shop | None = None) -> Chunk:
        (tmp_path / "lines.csv").write_text(lines)
        (tmp_path / "orders.csv").write_text(orders)
        return read_from(tmp_path, declared or shop())

    return events


def read_from(folder: Path, declared: Shop) -> Chunk:
    """The events in the first file of a folder that the pattern of the events matches."""
    [path] = folder.glob(declared.table("events").path)
    others = reader.joined(declared, "events", folder)
    parts = list(reader.chunks(path, declared, "events", others=others))
    return Chunk(pl.concat([part.rows for part in parts]), pl.concat([part.rejects for part in parts]))


def users_and_times(chunk: Chunk) -> list[tuple]:
    return chunk.rows.select("user_id", "timestamp").rows()


def test_each_line_has_the_customer_and_the_time_of_its_order(read):
    delivered = read()
    assert delivered.rows.select("order_id", "user_id", "item_id", "quantity").rows() == [
        ("O1", "u1", "a", 1),
        ("O1", "u1", "b", 2),
        ("O2", "u2", "a", 1),
    ]
    assert delivered.rows.get_column("timestamp").to_list() == [utc(2024, 2, 1, 10)] * 2 + [utc(2024, 2, 2, 10)]
    assert delivered.rows.get_column("source_line").to_list() == [2, 3, 4]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("O9,a,1", "order: 'O9' is in no row of orders.csv"),
        (",a,1", "order: blank is in no row of orders.csv"),
        ("O3,a,1", "order: 'O3' has rows with different values of customer in orders.csv"),
    ],
)
def test_a_line_without_one_order_is_rejected_with_the_reason(read, line, reason):
    orders = f"{ORDERS}O3,u1,2024-02-03 10:00:00\nO3,u2,2024-02-03 10:00:00\n,u5,2024-02-03 10:00:00\n"
    delivered = read(f"{LINES}{line}\n", orders)
    assert delivered.rows.height == 3
    assert delivered.rejects.select("source_line", "raw", "reason").rows() == [
        (5, json.dumps(dict(zip(["order", "sku", "qty"], line.split(","), strict=True))), reason)
    ]


def test_orders_that_are_not_complete_leave_blanks(read):
    declared = shop({"orders": {"path": "orders.csv", "by": "order", "complete": False}})
    delivered = read(f"{LINES}O9,a,1\n,b,1\n", declared=declared)
    assert users_and_times(delivered)[3:] == [(None, None)] * 2
    assert delivered.rejects.height == 0


def test_an_order_that_is_delivered_twice_counts_once(read):
    assert read(orders=f"{ORDERS}O1,u1,2024-02-01 10:00:00\n").rows.height == 3


def test_rows_that_differ_in_columns_that_are_not_mapped_are_equal(read):
    orders = "order,customer,date,status\nO1,u1,2024-02-01,new\nO1,u1,2024-02-01,paid\nO2,u2,2024-02-02,new\n"
    assert read(orders=orders).rejects.height == 0


@pytest.mark.parametrize("written", ["17850", "17850.0", " 17850 ", '="17850"'])
def test_ids_are_compared_as_the_pipeline_reads_them(read, written):
    quoted = '"' + written.replace('"', '""') + '"'
    delivered = read(f"order,sku,qty\n{quoted},a,1\n", "order,customer,date\n17850,u1,2024-02-01\n")
    assert users_and_times(delivered) == [("u1", utc(2024, 2, 1))]


def test_a_blank_customer_is_a_guest_and_no_missing_order(read):
    delivered = read(orders=ORDERS.replace("u1", ""))
    assert delivered.rows.get_column("user_id").to_list() == [None, None, "u2"]
    assert delivered.rejects.height == 0


def test_names_and_layouts_may_differ(tmp_path):
    joins = {"orders": {"path": "orders.csv", "by": {"order": "Nr"}, "separator": ";", "encoding": "cp1252"}}
    declared = shop(joins, columns=COLUMNS | {"user_id": "orders.Käufer", "timestamp": "orders.am"})
    (tmp_path / "lines.csv").write_text(LINES)
    (tmp_path / "orders.csv").write_bytes("Nr;Käufer;am\nO1;u1;2024-02-01\nO2;Jörg;2024-02-02\n".encode("cp1252"))
    assert read_from(tmp_path, declared).rows.get_column("user_id").to_list() == ["u1", "u1", "Jörg"]


def test_a_join_may_follow_from_another(tmp_path):
    (tmp_path / "lines.csv").write_text(LINES)
    (tmp_path / "orders.csv").write_text("order,account,date\nO1,7,2024-02-01\nO2,8,2024-02-02\n")
    (tmp_path / "accounts.csv").write_text("id,person\n7,u1\n8,u1\n")
    joins = {
        "orders": {"path": "orders.csv", "by": "order"},
        "accounts": {"path": "accounts.csv", "by": {"orders.account": "id"}},
    }
    delivered = read_from(tmp_path, shop(joins, columns=COLUMNS | {"user_id": "accounts.person"}))
    assert delivered.rows.get_column("user_id").to_list() == ["u1"] * 3


def test_columns_of_joins_make_derived_users(read):
    users = {"users": {"kind": "derived", "columns": {"country": "orders.land"}}}
    orders = "order,customer,date,land\nO1,u1,2024-02-01,DE\nO2,u2,2024-02-02,FR\n"
    assert read(orders=orders, declared=shop(tables=users)).rows.get_column("users.country").to_list() == [
        "DE",
        "DE",
        "FR",
    ]


def test_objects_of_json_are_joined(tmp_path):
    orders = [{"order": 1, "by": {"id": "u1"}, "date": "2024-02-01"}, {"order": 2, "date": "2024-02-02"}]
    (tmp_path / "orders.jsonl").write_text("\n".join(map(json.dumps, orders)))
    lines = [{"order": 1, "sku": "a", "qty": 1}, {"order": 2, "sku": "b", "qty": 1}, {"sku": "c", "qty": 1}]
    (tmp_path / "lines.jsonl").write_text("\n".join(map(json.dumps, lines)))
    declared = shop(kind="jsonl", columns=COLUMNS | {"user_id": "orders.by.id"})
    delivered = read_from(tmp_path, declared)
    assert delivered.rows.select("item_id", "user_id").rows() == [("a", "u1"), ("b", None)]
    assert delivered.rejects.get_column("reason").to_list() == ["order: blank is in no row of orders.jsonl"]


def test_parquet_is_joined_with_csv(tmp_path):
    pl.DataFrame({"order": [1.0, 2.0], "sku": ["a", "b"], "qty": [1, 2]}).write_parquet(tmp_path / "lines.parquet")
    (tmp_path / "orders.csv").write_text("order,customer,date\n1,u1,2024-02-01\n2,u2,2024-02-02\n")
    declared = shop({"orders": {"path": "orders.csv", "kind": "csv", "by": "order"}}, kind="parquet")
    assert users_and_times(read_from(tmp_path, declared)) == [("u1", utc(2024, 2, 1)), ("u2", utc(2024, 2, 2))]


def test_two_sheets_of_a_workbook_are_joined(tmp_path):
    book = Workbook()
    for title, text in (("lines", LINES), ("orders", ORDERS)):
        sheet = book.create_sheet(title)
        for line in text.splitlines():
            sheet.append(line.split(","))
    del book["Sheet"]
    book.save(tmp_path / "lines.xlsx")
    joins = {"orders": {"path": "lines.xlsx", "sheet": "orders", "by": "order"}}
    declared = shop(joins, kind="xlsx", sheet="lines")
    assert read_from(tmp_path, declared).rows.get_column("user_id").to_list() == ["u1", "u1", "u2"]


def test_several_files_hold_the_orders(tmp_path):
    (tmp_path / "lines.csv").write_text(LINES)
    for name, line in zip(("orders.1.csv", "orders.2.csv"), ORDERS.splitlines()[1:], strict=True):
        (tmp_path / name).write_text(f"order,customer,date\n{line}\n")
    assert read_from(tmp_path, shop()).rows.get_column("user_id").to_list() == ["u1", "u1", "u2"]


@pytest.mark.parametrize(
    ("orders", "message"),
    [
        (None, "tables.events.joins.orders.path 'orders.*' matches no file"),
        (
            "order,client,date\n",
            r"orders.csv lacks 1 column.* tables.events.joins.orders: 'customer'.*order, client",
        ),
        ("nr,customer,date\n", r"orders.csv lacks 1 column.* tables.events.joins.orders: 'order' \(for the ids\)"),
        (f'{ORDERS}O3,"u3\n', "orders.csv: 1 of 3 lines could not be read .*first: line 4.*ingest.max_rejected = 0.2"),
    ],
)
def test_files_that_cannot_be_joined_stop_with_the_reason(tmp_path, orders, message):
    (tmp_path / "lines.csv").write_text(LINES)
    if orders is not None:
        (tmp_path / "orders.csv").write_text(orders)
    with pytest.raises(UserError, match=message):
        read_from(tmp_path, shop())


def test_lines_whose_order_has_a_list_are_rejected(tmp_path):
    (tmp_path / "lines.csv").write_text(LINES)
    orders = [{"order": "O1", "customer": ["u1"], "date": "2024-02-01"}, {"order": "O2", "customer": "u2"}]
    (tmp_path / "orders.jsonl").write_text("\n".join(map(json.dumps, orders)))
    declared = shop({"orders": {"path": "orders.jsonl", "kind": "jsonl", "by": "order"}})
    delivered = read_from(tmp_path, declared)
    assert users_and_times(delivered) == [("u2", None)]
    assert set(delivered.rejects.get_column("reason")) == {
        "order: 'O1' has a 'customer' that is a list: map one of its entries in orders.jsonl"
    }


def test_an_id_that_is_a_list_is_called_so(tmp_path):
    (tmp_path / "orders.csv").write_text(ORDERS)
    rows = [{"order": "O1", "sku": "a", "qty": 1}, {"order": ["O2"], "sku": "a", "qty": 1}]
    (tmp_path / "lines.jsonl").write_text("\n".join(map(json.dumps, rows)))
    declared = shop({"orders": {"path": "orders.csv", "kind": "csv", "by": "order"}}, kind="jsonl")
    assert read_from(tmp_path, declared).rejects.get_column("reason").to_list() == [
        "order: its cell is a list: map one of its entries"
    ]


def test_true_and_false_can_be_joined(tmp_path):
    (tmp_path / "lines.csv").write_text("sku,name\na,Anvil\nb,Bolt\n")
    (tmp_path / "stock.jsonl").write_text('{"sku": "a", "left": true}\n{"sku": "b", "left": false}\n')
    columns = {"item_id": "sku", "name": "name", "available": "stock.left"}
    joins = {"stock": {"path": "stock.jsonl", "kind": "jsonl", "by": "sku"}}
    declared = shop(tables={"items": {"kind": "csv", "path": "lines.csv", "joins": joins, "columns": columns}})
    others = reader.joined(declared, "items", tmp_path)
    delivered = reader.read(tmp_path / "lines.csv", declared, "items", others=others)
    assert delivered.rows.get_column("available").to_list() == [True, False]


def test_spaces_around_values_are_no_difference(read):
    assert read(orders=f"{ORDERS}O1, u1 ,2024-02-01 10:00:00\n").rows.height == 3


@pytest.mark.parametrize(
    ("one", "other", "message"),
    [
        ([1], [1.5], "'customer' holds whole numbers in orders.0.parquet, but Float64 in orders.1.parquet"),
        ([date(2024, 1, 1)], [19_723], "'customer' holds Date in orders.0.parquet, but whole numbers in"),
        (
            [utc(2024, 1, 1)],
            [datetime(2024, 1, 1)],
            r"'customer' holds times \(UTC\) in .* but times \(without a zone\)",
        ),
    ],
)
def test_files_of_other_types_are_refused(tmp_path, one, other, message):
    pl.DataFrame({"order": ["O1"], "sku": ["a"], "qty": [1]}).write_parquet(tmp_path / "lines.parquet")
    for place, customers in enumerate((one, other)):
        orders = pl.DataFrame({"order": [f"O{place}"], "customer": customers, "date": ["2024-02-01"]})
        orders.write_parquet(tmp_path / f"orders.{place}.parquet")
    with pytest.raises(UserError, match=message):
        read_from(tmp_path, shop(kind="parquet"))


@pytest.mark.parametrize("header", ["order,sku,qty,orders.customer", "order,sku,qty,orders"])
def test_own_columns_with_the_name_of_a_join_are_refused(read, header):
    with pytest.raises(UserError, match=r"has a column 'orders.*give the join another name"):
        read(f"{header}\nO1,a,1,x\n")


def test_few_unreadable_lines_are_logged(read, caplog):
    orders = ORDERS + "".join(f"P{n},u1,2024-02-01\n" for n in range(10)) + "broken\n"
    assert read(orders=orders).rows.height == 3
    assert "orders.csv: 1 of 13 lines could not be read (first: line 14" in caplog.text


def test_headers_are_checked_before_reading(tmp_path):
    (tmp_path / "lines.csv").write_text(LINES)
    (tmp_path / "orders.csv").write_text("order,customer,day\n")
    with pytest.raises(UserError, match=r"orders.csv lacks 1 column.*'date'"):
        ingestion.check(shop(), tmp_path)


def test_a_changed_order_makes_a_new_version_of_the_lines(tmp_path):
    source, raw = tmp_path / "source", tmp_path / "raw"
    source.mkdir()
    (source / "lines.csv").write_text(LINES)

    def state(orders: str) -> str:
        (source / "orders.csv").write_text(orders)
        return ingestion.ingest(shop(), source, raw, Ingest()).get_column("state").item()

    assert [state(ORDERS), state(ORDERS), state(ORDERS.replace("u2", "u3"))] == ["new", "unchanged", "new version"]


@pytest.mark.parametrize(
    ("events", "message"),
    [
        ({"kind": "rest", "path": "lines"}, "`joins.orders.kind` is required"),
        ({"joins": {"orders": {"path": "/etc/passwd", "by": "order"}}}, "`joins.orders.path` must be relative"),
        ({"joins": {"orders": {"path": "../orders.csv", "by": "order"}}}, "`joins.orders.path` must stay"),
        ({"joins": {"a.b": {"path": "o.csv", "by": "order"}}}, "joins"),
        ({"joins": {"orders": {"path": "o.csv", "by": {}}}}, "by"),
        (
            {"joins": {"orders": {"path": "o.csv", "by": "order", "encoding": "utf-9"}}},
            "does not support this encoding",
        ),
        (
            {"joins": {"orders": {"path": "o.csv", "by": "people.order"}, "people": {"path": "p.csv", "by": "order"}}},
            "a column of the join people, which must stand before this one",
        ),
    ],
)
def test_joins_that_cannot_be_are_refused(events, message):
    with pytest.raises(ValueError, match=message):
        shop(**events)


def test_two_files_say_the_same_as_one_that_has_all_columns(tmp_path):
    kinds = {"order": "order_id", "sku": "item_id", "qty": "quantity", "customer": "user_id", "date": "timestamp"}
    table = made_columns.events(MadeShop(guests=0.1, n_orders=400), kinds, {})
    lines, orders = folders_joined.in_two_files(table, "order", ["customer", "date"])
    for part, name in ((table, "flat"), (lines, "lines"), (orders.sample(fraction=1, shuffle=True, seed=1), "orders")):
        part.write_csv(tmp_path / f"{name}.csv")
    columns = {ours: theirs.removeprefix("orders.") for ours, theirs in COLUMNS.items()}
    flat = read_from(tmp_path, shop({}, path="flat.csv", columns=columns))
    split = read_from(tmp_path, shop())
    assert split.rows.drop("source_file", "event_id").equals(flat.rows.drop("source_file", "event_id"))
    assert split.rows.height == table.height


CUSTOMERS = st.dictionaries(st.sampled_from("ABCDEF"), st.sampled_from(["u1", "u2", "u3"]))


@given(CUSTOMERS, st.lists(st.sampled_from("ABCDEFG")), st.booleans())
@settings(max_examples=60)
def test_every_line_is_joined_or_rejected(tmp_path_factory, orders, lines, complete):
    folder = tmp_path_factory.mktemp("joined")
    (folder / "orders.csv").write_text(
        "order,customer,date\n" + "".join(f"{order},{by},2024-02-01\n" for order, by in orders.items())
    )
    (folder / "lines.csv").write_text("order,sku,qty\n" + "".join(f"{order},a,1\n" for order in lines))
    declared = shop({"orders": {"path": "orders.csv", "by": "order", "complete": complete}})
    delivered = read_from(folder, declared)
    known = [order for order in lines if order in orders or not complete]
    assert delivered.rows.select("order_id", "user_id").rows() == [(order, orders.get(order)) for order in known]
    assert delivered.rejects.height == len(lines) - len(known)
