"""Mapped names and paths in JSON and Parquet; objects are never taken for values."""

from __future__ import annotations

from uuid import UUID

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from delivered import COLUMNS, RECORD, deliver, reasons, shop

from recomart_lib.core.errors import UserError
from recomart_lib.ingest.sources import reader

PATHS = COLUMNS | {"user_id": "user.id"}
USERS = [{"id": "C1", "tier": "gold"}, {"id": "C2", "tier": "basic"}, None]


def declared(kind: str, **events: object):
    return shop(events={"kind": kind, "columns": PATHS, **events})


def records(*users: object) -> list[dict]:
    return [RECORD | {"user": user} for user in users]


@pytest.mark.parametrize("kind", ["jsonl", "rest", "parquet"])
def test_ids_inside_objects_are_read_by_their_path(tmp_path, kind):
    content = pl.DataFrame(records(*USERS)) if kind == "parquet" else records(*USERS)
    assert deliver(tmp_path, content, declared(kind)).rows["user_id"].to_list() == ["C1", "C2", None]


@pytest.mark.parametrize("kind", ["jsonl", "parquet"])
def test_headers_list_paths_so_that_files_can_be_checked_before_reading(tmp_path, kind):
    lines = [{"sku": "a"}, {"sku": "b"}]
    content = [RECORD | {"user": user, "lines": lines} for user in USERS]
    deliver(tmp_path, pl.DataFrame(content) if kind == "parquet" else content, declared(kind))
    names = reader.header(tmp_path / f"f.{kind}", declared(kind).table("events"))
    assert {*names} == {"user", "user.id", "user.tier", "item", "at", "lines", "lines.0", "lines.0.sku"}
    shop_file = declared(kind, columns=PATHS | {"item_id": "lines.1.sku"})
    reader.check_columns(tmp_path / f"f.{kind}", shop_file, "events", names)


def test_a_path_into_a_column_of_text_is_explained(tmp_path):
    with pytest.raises(UserError, match=r"'user\.id' .* 'user' holds no objects \(only JSON and Parquet have them\)"):
        deliver(tmp_path, "user,item,at\nu,a,2024-01-01\n", declared("csv"))


def test_fields_that_are_not_mapped_are_listed(tmp_path):
    deliver(tmp_path, [RECORD | {"user": {"id": "a", "tier": "b"}, "note": "c"}], declared("jsonl"))
    assert reader.unmapped(tmp_path / "f.jsonl", declared("jsonl"), "events") == ["note", "user.tier"]


@pytest.mark.parametrize("kind", ["jsonl", "parquet"])
def test_a_column_of_objects_is_refused_with_its_fields(tmp_path, kind):
    content = pl.DataFrame(records(*USERS)) if kind == "parquet" else records(*USERS)
    with pytest.raises(UserError) as caught:
        deliver(tmp_path, content, declared(kind, columns=COLUMNS))
    assert str(caught.value) == (
        f"f.{kind}: 'user' (for user_id) holds objects instead of values (2 of 2 cells, such as "
        """'{"id": "C1", "tier": "gold"}'). Map one of their fields: user.id, user.tier."""
    )


@pytest.mark.parametrize("kind", ["jsonl", "parquet"])
def test_a_path_that_no_record_has_is_reported_with_those_that_exist(tmp_path, kind):
    content = pl.DataFrame(records(*USERS)) if kind == "parquet" else records(*USERS)
    with pytest.raises(UserError, match=r"'user\.idd' \(for user_id\)\. Did you mean 'user\.id'\? 'user' holds: user"):
        deliver(tmp_path, content, declared(kind, columns=COLUMNS | {"user_id": "user.idd"}))


def test_a_path_into_objects_that_are_null_in_a_whole_file_is_no_mistake(tmp_path):
    declared_paths, path = declared("jsonl"), tmp_path / "f.jsonl"
    assert deliver(tmp_path, records(None, None), declared_paths).rows["user_id"].to_list() == [None, None]
    assert reader.header(path, declared_paths.table("events")) == []
    with pytest.raises(UserError, match=r"lacks .* 'user\.id'"):
        deliver(tmp_path, records(None, {"tier": "gold"}), declared_paths)


@pytest.mark.parametrize("kind", ["jsonl", "parquet"])
def test_a_number_selects_an_entry_of_a_list(tmp_path, kind):
    content = [RECORD | {"user": [{"id": "C1"}, {"id": "C2"}]}, RECORD | {"user": [{"id": "C3"}]}]
    content = pl.DataFrame(content) if kind == "parquet" else content
    delivered = deliver(tmp_path, content, declared(kind, columns=COLUMNS | {"user_id": "user.1.id"}))
    assert delivered.rows["user_id"].to_list() == ["C2", None]


@pytest.mark.parametrize("kind", ["jsonl", "parquet"])
def test_a_column_of_lists_is_refused_with_its_entries(tmp_path, kind):
    content = [RECORD | {"user": [{"id": "C1"}]}]
    content = pl.DataFrame(content) if kind == "parquet" else content
    with pytest.raises(UserError, match=r"holds lists instead of values .* Map one of their entries: user\.0\.id\."):
        deliver(tmp_path, content, declared(kind, columns=COLUMNS))


def test_a_column_whose_name_has_a_point_is_meant_before_a_path(tmp_path):
    table = pl.DataFrame(records({"id": "inner"})).with_columns(pl.lit("own").alias("user.id"))
    assert deliver(tmp_path, table, declared("parquet")).rows["user_id"].to_list() == ["own"]
    text = "user,user.id,item,at\nno,own,a,2024-01-01\n"
    assert deliver(tmp_path, text, declared("csv")).rows["user_id"].to_list() == ["own"]


def test_single_objects_among_values_are_rejected(tmp_path):
    content = records("u1", {"id": "C1"}, "u2", True, "u3", [1], "u4")
    delivered = deliver(tmp_path, content, declared("jsonl", columns=COLUMNS))
    assert delivered.rows["user_id"].to_list() == ["u1", "u2", "u3", "u4"]
    assert reasons(delivered) == {
        2: """user_id: '{"id": "C1"}' is an object: map one of its fields""",
        4: "user_id: 'true' is not an id",
        6: "user_id: '[1]' is a list: map one of its entries",
    }
    assert delivered.rejects["raw"][0] == '{"user": {"id": "C1"}, "item": "i1", "at": "2024-01-01"}'


def test_names_are_no_objects_either(tmp_path):
    items = {"kind": "jsonl", "path": "*", "columns": {"item_id": "id", "name": "name"}}
    with pytest.raises(UserError, match=r"'name' \(for name\) holds objects .* Map one of their fields: name\.de"):
        deliver(tmp_path, [{"id": "a", "name": {"de": "Hammer"}}], shop(items=items), "items")


def test_flags_and_values_and_derived_tables_take_paths(tmp_path):
    items = {"kind": "derived", "columns": {"category": "genre", "price": "info.price", "brand": "info.brand"}}
    items |= {"flags": {"genre": ["is.comedy", "is.drama"]}, "values": {"brand": {"n/a": "none"}}}
    content = [
        RECORD | {"is": {"comedy": 0, "drama": 1}, "info": {"price": 2.5, "brand": "n/a"}},
        RECORD | {"is": {"comedy": True, "drama": 1}, "info": {"price": 3, "brand": "A"}},
    ]
    rows = deliver(tmp_path, content, shop(items=items, events={"kind": "jsonl"})).rows
    expected = [("is.drama", 2.5, "none"), ("is.comedy", 3.0, "A")]
    assert rows.select("items.category", "items.price", "items.brand").rows() == expected


@pytest.mark.parametrize(
    ("users", "expected", "reason"),
    [
        ([b"u1", b"\xff\xfe", b"u3"], ["u1", "u3"], "user_id: '\\xff\\xfe' is bytes that are not UTF-8 text"),
        (pl.Series(["u1", None, "u1"], dtype=pl.Categorical), ["u1", None, "u1"], None),
    ],
)
def test_text_of_parquet_may_be_bytes_or_categories(tmp_path, users, expected, reason):
    table = pl.DataFrame({"user": users, "item": ["a"] * 3, "at": ["2024-01-01"] * 3})
    delivered = deliver(tmp_path, table, declared("parquet", columns=COLUMNS))
    assert delivered.rows["user_id"].to_list() == expected
    assert reasons(delivered) == ({2: reason} if reason else {})


def test_uuids_of_parquet_are_text(tmp_path):
    user = UUID("3f2504e0-4f89-11d3-9a0c-0305e82c3301")
    table = pa.table({"user": pa.array([user.bytes, None], pa.uuid()), "item": ["a", "b"], "at": ["2024-01-01"] * 2})
    pq.write_table(table, tmp_path / "f.parquet")
    rows = reader.read(tmp_path / "f.parquet", declared("parquet", columns=COLUMNS), "events").rows
    assert rows["user_id"].to_list() == [str(user), None]


def test_truth_values_are_words_and_no_numbers(tmp_path):
    columns = COLUMNS | {"rating": "liked"}
    table = pl.DataFrame({"user": ["u", "v"], "item": ["a", "b"], "at": ["2024-01-01"] * 2, "liked": [True, None]})
    assert reasons(deliver(tmp_path, table, declared("parquet", columns=columns))) == {
        1: "rating: 'true' is not a number"
    }
    translated = declared("parquet", columns=columns, values={"rating": {"true": 5}})
    assert deliver(tmp_path, table, translated).rows["rating"].to_list() == [5.0, None]
