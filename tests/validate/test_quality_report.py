"""The quality report: the score, its parts, and the quality gate."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import polars as pl
import pytest
from check_data import EVENT, ITEM, check, good_tables, report
from conftest import rows, utc

from recomart_lib.core.errors import GateError, UserError
from recomart_lib.validate import quality_report, quality_rules
from recomart_lib.validate.settings import Validate


def test_the_score_is_that_of_the_lowest_table_and_unreadable_lines_count():
    tables = good_tables(items=[ITEM | {"item_id": "b"}, ITEM | {"item_id": "c", "price": -1.0}], events=[EVENT])
    quality = report(tables, n_unreadable=1)
    assert quality["tables"]["users"]["score"] == 100
    assert quality["tables"]["items"]["score"] == pytest.approx(200 / 3)
    events = quality["tables"]["events"]
    counts = {"landed": 2, "rejected": 1, "delivered": 3, "excluded": 0, "duplicates": 1, "good": 1, "quarantined": 0}
    assert {name: events[name] for name in counts} == counts
    assert events["score"] == 50
    assert quality["score"] == 50


def test_lost_rows_are_an_error():
    result = check(good_tables(events=[EVENT | {"event_id": "e2"}]))
    events = result.counts["events"]
    result.counts["events"] = replace(events, placements=events.placements.with_columns(n=pl.lit(1)))
    with pytest.raises(
        UserError, match=r"2 rows were ingested, but 1 are accounted for\. Rows were lost or duplicated\."
    ):
        quality_report.report(result.counts, result.lake_tables, Validate())


def test_the_gate_passes_at_the_limit_and_names_the_worst_rules_below_it():
    bad_ages = [{"user_id": f"v{n}", "age": 999} for n in range(3)]
    tables = good_tables(users=[*bad_ages, {"user_id": "w", "signup_date": date(2999, 1, 1)}])
    quality_report.gate(report(tables, min_quality=0.2))
    with pytest.raises(GateError) as error:
        quality_report.gate(report(tables, min_quality=0.21))
    assert "The quality score is 20.00 %, below validate.min_quality = 21.0 %" in str(error.value)
    assert "users.age_possible (3 rows), users.signup_not_in_future (1 rows)." in str(error.value).replace("; Fix", ".")


def test_the_gate_names_unreadable_lines():
    with pytest.raises(GateError, match=r"events.unreadable lines \(9 rows\)"):
        quality_report.gate(report(good_tables(), n_unreadable=9))


def test_the_gate_stops_a_table_without_a_good_row():
    with pytest.raises(
        GateError, match=r"users: none of 0 delivered rows is good; most failures: events.event_user_known"
    ):
        quality_report.gate(report(good_tables() | {"users": rows("users")}, min_quality=0.0))


def test_a_shop_with_one_user_and_one_event_passes():
    quality_report.gate(report(good_tables()))


def test_each_dimension_counts_the_rows_that_fail_any_of_its_rules():
    bad = EVENT | {"event_id": "e2", "quantity": 0, "price": -1.0, "timestamp": utc(2999, 1, 1)}
    nameless = {"item_id": "b", "name": None, "price": 1.0}
    quality = report(good_tables(events=[bad, EVENT], items=[nameless]), n_unreadable=1)
    assert quality["tables"]["events"]["dimensions"] == {
        "completeness": 100,
        "validity": pytest.approx(100 / 3),  # the bad row and the unreadable line of three checked rows
        "uniqueness": 75,  # the duplicate, of four delivered rows
        "consistency": 100,
        "timeliness": pytest.approx(200 / 3),
    }
    assert quality["dimensions"]["completeness"] == 50  # a missing product name is only a warning, but counts here
    assert quality["tables"]["items"]["score"] == 100
    dimensions = quality_report.dimensions(quality)
    assert dimensions["dimension"].to_list() == list(quality_rules.DIMENSIONS)
    assert dimensions["overall"].to_list() == ["50 %", "33.3 %", "75 %", "100 %", "66.6 %"]
    by_table = quality_report.by_table(quality)
    assert by_table.columns[:3] == ["table", "quality score", "delivered"]
    assert by_table.row(2)[:3] == ("events", "33.3 %", 4)


def test_the_score_of_a_delivery_counts_its_rows_and_unreadable_lines():
    next_day = [EVENT | {"event_id": f"n{n}", "timestamp": utc(2024, 2, 2), "price": 10.0 - 4 * n} for n in range(4)]
    result = check(good_tables(events=[EVENT | {"event_id": "e2"}]), n_unreadable=2)
    assert quality_report.by_delivery(result.counts["events"], result.lake_tables["events"]).rows() == [
        (date(2024, 2, 1), 4, 50.0)
    ]
    both = check(good_tables(events=next_day[:2]) | {"events": rows("events", EVENT, *next_day)})
    days = quality_report.by_delivery(both.counts["events"], both.lake_tables["events"])
    assert days["n"].sum() == 5
