"""The score, what it is made of, and the gate."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from functools import partial

import polars as pl
import pytest
from check_data import EVENT, ITEM, judge, landed, report
from conftest import full_shop, rows, utc

from recomart_lib.core.errors import GateError, UserError
from recomart_lib.validate import quality_report, quality_rules, score_history
from recomart_lib.validate.settings import Validate


def test_the_score_is_that_of_the_lowest_table_and_unreadable_lines_count():
    tables = landed(items=[ITEM | {"item_id": "b"}, ITEM | {"item_id": "c", "price": -1.0}], events=[EVENT])
    found = report(tables, n_unreadable=1)
    assert found["tables"]["users"]["score"] == 100
    assert found["tables"]["items"]["score"] == pytest.approx(200 / 3)
    events = found["tables"]["events"]
    counts = {"landed": 2, "rejected": 1, "delivered": 3, "excluded": 0, "duplicates": 1, "good": 1, "quarantined": 0}
    assert {name: events[name] for name in counts} == counts
    assert events["score"] == 50
    assert found["score"] == 50


def test_rows_that_vanish_are_noticed():
    result = judge(landed(events=[EVENT | {"event_id": "e2"}]))
    events = result.counts["events"]
    result.counts["events"] = replace(events, ledger=events.ledger.with_columns(n=pl.lit(1)))
    with pytest.raises(UserError, match="events: 2 rows landed, but 1 are accounted for"):
        quality_report.report(result.counts, result.landed, Validate())


def test_the_gate_opens_at_the_limit_and_names_what_costs_most_below_it():
    bad_ages = [{"user_id": f"v{n}", "age": 999} for n in range(3)]
    tables = landed(users=[*bad_ages, {"user_id": "w", "signup_date": date(2999, 1, 1)}])
    quality_report.gate(report(tables, min_quality=0.2))
    with pytest.raises(GateError) as caught:
        quality_report.gate(report(tables, min_quality=0.21))
    assert "The quality score is 20.00 %, below validate.min_quality = 21.0 %" in str(caught.value)
    assert "users.age_possible (3 rows), users.signup_not_in_future (1 rows)." in str(caught.value).replace(
        "; Mend", "."
    )


def test_the_gate_names_unreadable_lines():
    with pytest.raises(GateError, match=r"events.unreadable lines \(9 rows\)"):
        quality_report.gate(report(landed(), n_unreadable=9))


def test_the_gate_stops_a_table_without_a_good_row():
    with pytest.raises(
        GateError, match=r"users: none of 0 delivered rows is good; it fails most in: events.event_user_known"
    ):
        quality_report.gate(report(landed() | {"users": rows("users")}, min_quality=0.0))


def test_a_shop_with_one_user_and_one_event_passes():
    quality_report.gate(report(landed()))


def test_each_side_counts_the_rows_that_break_any_of_its_rules():
    bad = EVENT | {"event_id": "e2", "quantity": 0, "price": -1.0, "timestamp": utc(2999, 1, 1)}
    nameless = {"item_id": "b", "name": None, "price": 1.0}
    found = report(landed(events=[bad, EVENT], items=[nameless]), n_unreadable=1)
    assert found["tables"]["events"]["dimensions"] == {
        "completeness": 100,
        "validity": pytest.approx(100 / 3),  # the bad row and the unreadable line of three judged ones
        "uniqueness": 75,  # the row that came twice, of four delivered ones
        "consistency": 100,
        "timeliness": pytest.approx(200 / 3),
    }
    assert found["dimensions"]["completeness"] == 50  # a product without a name breaks a warning only, and counts here
    assert found["tables"]["items"]["score"] == 100
    sides = quality_report.sides(found)
    assert sides["side"].to_list() == list(quality_rules.DIMENSIONS)
    assert sides["overall"].to_list() == list(found["dimensions"].values())


def test_the_score_of_a_drop_is_that_of_its_rows_and_lines():
    next_day = [EVENT | {"event_id": f"n{n}", "timestamp": utc(2024, 2, 2), "price": 10.0 - 4 * n} for n in range(4)]
    result = judge(landed(events=[EVENT | {"event_id": "e2"}]), n_unreadable=2)
    assert quality_report.by_drop(result.counts["events"], result.landed["events"]).rows() == [
        (date(2024, 2, 1), 4, 50.0)
    ]
    both = judge(landed(events=next_day[:2]) | {"events": rows("events", EVENT, *next_day)})
    days = quality_report.by_drop(both.counts["events"], both.landed["events"])
    assert days["n"].sum() == 5


def test_a_score_is_kept_for_each_state_of_lake_and_rules(tmp_path):
    found = report(landed())
    remember = partial(score_history.remember, tmp_path / "h" / "quality.jsonl", full_shop(), report=found)
    assert remember(params=Validate(), lake="a", as_of=utc(2024, 1, 1)).height == 1
    before = (tmp_path / "h" / "quality.jsonl").read_bytes()
    assert remember(params=Validate(drift_ks=0.9), lake="a", as_of=utc(2024, 1, 2)).height == 1
    assert (tmp_path / "h" / "quality.jsonl").read_bytes() == before
    assert remember(params=Validate(max_age=99), lake="a", as_of=utc(2024, 1, 1)).height == 2
    known = remember(params=Validate(), lake="b", as_of=utc(2024, 1, 3))
    assert known["as_of"].to_list() == [f"2024-01-0{day}T00:00:00+00:00" for day in (1, 1, 3)]
    other = full_shop().model_copy(update={"name": "other"})
    seen = score_history.remember(tmp_path / "h" / "quality.jsonl", other, Validate(), "a", utc(2024, 1, 1), found)
    assert seen.select("shop", "score", "events").rows() == [("other", 100.0, 100.0)]
