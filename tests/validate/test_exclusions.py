"""Expected exclusions: rows that the shop file leaves out."""

from __future__ import annotations

import polars as pl
import pytest
from check_data import EVENT, check, good_tables
from conftest import full_shop, utc

from recomart_lib.core import schemas
from recomart_lib.core.shop_tables import Exclusion, Table
from recomart_lib.validate import quality_report
from recomart_lib.validate.exclusions import exclusion
from recomart_lib.validate.settings import Validate


def test_expected_exclusions_are_counted_and_not_checked():
    columns = {column: column for column in schemas.EVENTS}
    guests = Table(
        kind="csv", path="*", columns=columns, exclude={"guest": Exclusion(missing="user_id", reason="guest")}
    )
    tables = good_tables(events=[EVENT | {"event_id": "e2", "user_id": None, "price": -5.0}])
    result = check(tables, full_shop(events=guests))
    assert result.places("events") == {"excluded": 1, "good": 1}
    assert result.counts["events"].failed_rules.is_empty()
    quality = quality_report.report(result.counts, result.lake_tables, Validate())["tables"]["events"]
    assert quality["exclusions"] == {"guest": 1}


@pytest.mark.parametrize(("zone", "excluded"), [("UTC", 1), ("Europe/Berlin", 2), ("America/New_York", 0)])
def test_events_from_a_local_day_on_can_be_excluded(zone, excluded):
    columns = {column: column for column in schemas.EVENTS}
    late = Exclusion(since="2024-03-01", reason="late events")
    shop = full_shop(zone, events=Table(kind="csv", path="*", columns=columns, exclude={"late": late}))
    moments = [utc(2024, 2, 29, 22, 59), utc(2024, 2, 29, 23), utc(2024, 3, 1)]
    rows = [EVENT | {"event_id": f"x{n}", "timestamp": moment} for n, moment in enumerate(moments)]
    places = check(good_tables(events=rows), shop).places("events")
    assert (places.get("excluded", 0), places["good"], sum(places.values())) == (excluded, 4 - excluded, 4)


def test_the_first_exclusion_that_applies_is_named():
    columns = {column: column for column in schemas.EVENTS}
    rules = {name: Exclusion(missing=name, reason="x") for name in ("order_id", "price")}
    shop = full_shop(events=Table(kind="csv", path="*", columns=columns, exclude=rules))
    result = check(good_tables(events=[EVENT | {"order_id": None, "price": None}, EVENT | {"price": None}]), shop)
    quality = quality_report.report(result.counts, result.lake_tables, Validate())["tables"]["events"]
    assert quality["exclusions"] == {"order_id": 1, "price": 1}


def test_many_rows_can_be_filtered_where_nothing_is_excluded():
    """Polars 2.1 refuses to filter more than 50,000 rows by a literal."""
    rows = pl.DataFrame({"user_id": ["u"] * 120_000})
    assert rows.filter(exclusion(full_shop(), "events").is_null()).height == 120_000
