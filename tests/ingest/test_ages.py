"""Ages as bands: a band is an age group, a number is an age, and other words are rejected."""

from __future__ import annotations

import polars as pl
import pytest
from delivered import deliver, reasons, shop

from recomart_lib.ingest.sources import ages


@pytest.mark.parametrize(
    ("cell", "group"),
    [
        ("45-54", "45-54"),
        ("45\u201354", "45-54"),
        (" 45 - 54 years", "45-54"),
        ("18 to 24", "18-24"),
        ("Age 25-34", "25-34"),
        ("0-17", "under 18"),
        ("65+", "65+"),
        (">=65", "65+"),
        ("65 and over", "65+"),
        ("60plus", "60+"),
        ("over 65", "over 65"),
        ("<18", "under 18"),
        ("Under 18", "under 18"),
        ("<=17", "under 18"),
        ("17 and under", "under 18"),
        ("45", None),
        ("old", None),
        ("54-45", None),
        ("2000-2010", None),
        ("160-170", None),
        ("14-Oct", None),
        ("-5", None),
    ],
)
def test_a_band_is_named_in_one_way(cell, group):
    assert ages.band(cell) == group


USERS = "id,age,segment\nu1,45-54,\nu2,65+,silver\nu3,30,25\u201334\nu4,old,\nu5,,\n"
AGE = {"user_id": "id", "age": "age"}


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        (AGE, [("u1", None, "45-54"), ("u2", None, "65+"), ("u3", 30, None), ("u5", None, None)]),
        (
            AGE | {"age_group": "segment"},
            [("u1", None, "45-54"), ("u2", None, "silver"), ("u3", 30, "25-34"), ("u5", None, None)],
        ),
    ],
)
def test_bands_and_ages_may_mix_and_a_delivered_group_counts_first(tmp_path, columns, expected):
    users = {"kind": "csv", "path": "*", "columns": columns}
    delivered = deliver(tmp_path, USERS, shop(users=users), "users")
    assert delivered.rows.select("user_id", "age", "age_group").rows() == expected
    assert reasons(delivered) == {5: "age: 'old' is not a whole number"}


def test_ages_of_derived_users_may_be_bands(tmp_path):
    declared = shop(users={"kind": "derived", "columns": {"age": "band"}})
    delivered = deliver(tmp_path, "user,item,at,band\nu1,a,2024-01-01,18-24\nu2,a,2024-01-01,40\n", declared)
    assert delivered.rows.select("users.age", "users.age_group").rows() == [(None, "18-24"), (40, None)]


def test_numeric_ages_have_no_group(tmp_path):
    declared = shop(users={"kind": "parquet", "path": "*", "columns": AGE})
    delivered = deliver(tmp_path, pl.DataFrame({"id": ["u1"], "age": [30]}), declared, "users")
    assert delivered.rows.select("age", "age_group").rows() == [(30, None)]
