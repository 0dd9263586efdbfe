"""Words are translated as they are delivered, before they are converted, in every column."""

from __future__ import annotations

from datetime import date, datetime

import polars as pl
import pytest
from conftest import utc
from delivered import COLUMNS, deliver, reasons, shop

from recomart_lib.core.errors import UserError

PRICED = COLUMNS | {"price": "price"}


def test_values_translate_ids_times_numbers_and_ages(tmp_path):
    values = {"user_id": {"nan": "guest"}, "timestamp": {"never": "2020-01-01"}, "price": {"free": 0}}
    text = "user,item,at,price\n nan ,a, never , free \nu2,a,2024-01-01,2.5\nu3,a,2024-01-01,dear\n"
    delivered = deliver(tmp_path, text, shop(events={"columns": PRICED, "values": values}))
    assert delivered.rows.select("user_id", "timestamp", "price").rows() == [
        ("guest", utc(2020, 1, 1), 0.0),
        ("u2", utc(2024, 1, 1), 2.5),
    ]
    assert reasons(delivered) == {4: "price: 'dear' is not a number"}
    users = {"kind": "csv", "path": "*", "columns": {"user_id": "id", "age": "age"}, "values": {"age": {"45-54": 50}}}
    ages = deliver(tmp_path, "id,age\nu1,45-54\nu2,55-64\n", shop(users=users), "users").rows
    assert ages.select("age", "age_group").rows() == [(50, None), (None, "55-64")]


def test_numbers_of_parquet_may_be_translated(tmp_path):
    users = {"kind": "parquet", "path": "*", "columns": {"user_id": "id", "gender": "sex", "age": "age"}}
    users["values"] = {"gender": {1: "female", "2.0": "male"}, "age": {"999": ""}}
    table = pl.DataFrame({"id": ["a", "b"], "sex": [1.0, 2.0], "age": [30, 999]})
    rows = deliver(tmp_path, table, shop(users=users), "users").rows
    assert rows.select("gender", "age").rows() == [("female", 30), ("male", None)]


def test_numbers_and_times_of_parquet_may_mean_null(tmp_path):
    users = {"kind": "parquet", "path": "*", "nulls": ["-1", "1900-01-01"]}
    users["columns"] = {"user_id": "id", "age": "age", "signup_date": "since"}
    since = [datetime(1900, 1, 1), datetime(2024, 1, 1), None]
    table = pl.DataFrame({"id": [-1, 0, 1], "age": [30.0, -1.0, None], "since": since})
    rows = deliver(tmp_path, table, shop(users=users), "users").rows
    assert rows.select("user_id", "age", "signup_date").rows() == [
        (None, 30, None),
        ("0", None, date(2024, 1, 1)),
        ("1", None, None),
    ]


def test_times_of_parquet_are_no_words(tmp_path):
    table = pl.DataFrame({"user": ["u"], "item": ["a"], "at": [datetime(2024, 1, 1)]})
    declared = shop(events={"kind": "parquet", "values": {"timestamp": {"never": "2020-01-01"}}})
    complaint = r"f\.parquet: tables\.events\.values\.timestamp: the delivered column holds times"
    with pytest.raises(UserError, match=complaint):
        deliver(tmp_path, table, declared)


def test_a_missing_name_that_is_not_a_number_is_null(tmp_path):
    items = {"kind": "parquet", "path": "*", "columns": {"item_id": "id", "category": "kind"}}
    table = pl.DataFrame({"id": ["a"], "kind": [float("nan")]})
    assert deliver(tmp_path, table, shop(items=items), "items").rows["category"].to_list() == [None]
