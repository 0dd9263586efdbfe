"""Events far from all others are left out and reported; they do not move the windows."""

from __future__ import annotations

import logging
from datetime import timedelta

import pytest
from conftest import DECLARED, rows, utc

from recomart_lib.core.errors import UserError
from recomart_lib.core.shops import Shop
from recomart_lib.prepare import outliers, splits, takeaways

START = utc(2024, 1, 1, 12)


def shop(**keys: object) -> Shop:
    return Shop.model_validate({**DECLARED, "name": "x", "cut": "auto", **keys})


def events(*more: tuple) -> object:
    """120 days with three events each, and more: (id, time)."""
    daily = [(f"e{day:03}{n}", START + timedelta(days=day)) for day in range(120) for n in range(3)]
    return rows("events", *({"event_id": name, "user_id": "u", "timestamp": time} for name, time in [*daily, *more]))


LATE = ("late", utc(2025, 4, 28, 9))
EARLY = ("early", utc(2019, 4, 29))


def test_outliers_are_removed_and_reported_with_their_ids(caplog):
    found_in = events(LATE, EARLY)
    with caplog.at_level(logging.WARNING):
        found = outliers.find(found_in, shop(), 30)
    assert found.events.select("event_id", "side", "days_apart").rows() == [
        ("early", "before", 1_708),
        ("late", "after", 364),
    ]
    assert outliers.remove(found_in, found, shop()).equals(events())
    early, late = caplog.messages
    assert "1 event far before all others (early on 2019-04-29); the others start on 2024-01-01" in early
    assert "validate.first_day" in early
    assert "1 event far after all others (late on 2025-04-28); the others end on 2024-04-29, 364 days earlier" in late
    assert "`exclude` with `since`" in late
    assert takeaways.outliers(found, 30).count("Left out") == 2


def test_the_test_window_follows_the_bulk():
    table = events(LATE)
    kept = outliers.remove(table, outliers.find(table, shop(), 30), shop())
    _, test = splits.windows(shop(), kept["timestamp"].max(), 30)
    assert test.end == utc(2024, 4, 30)


def test_the_days_are_those_of_the_shop():
    local = shop(time_zone="Pacific/Auckland")
    table = events(("x", utc(2024, 4, 29, 12, 30)))  # the first hour of 30 April
    found = outliers.find(table, local, 30)
    assert found.last.isoformat() == "2024-04-30"
    assert outliers.remove(table, found, local).height == table.height


@pytest.mark.parametrize(("cut", "n_left"), [("2025-04-01", 361), ("2024-04-01", 360)])
def test_a_test_window_that_the_shop_file_chooses_keeps_its_events(cut, n_left):
    table = events(LATE)
    assert outliers.remove(table, outliers.find(table, shop(cut=cut), 30), shop(cut=cut)).height == n_left


def test_without_outliers_nothing_is_removed_and_nothing_logged(caplog):
    table = events()
    found = outliers.find(table, shop(), 30)
    assert outliers.remove(table, found, shop()).equals(table)
    assert not caplog.messages
    assert takeaways.outliers(found, 30) == "All events lie in one period without long gaps."


def test_a_long_gap_is_reported_though_many_events_follow():
    table = events(*((f"l{n}", utc(2024, 8, 7)) for n in range(20)))
    found = outliers.find(table, shop(), 30)
    assert not found.events.height
    assert "100 days before 2024-08-07" in takeaways.outliers(found, 30)


def test_many_outliers_are_named_in_part():
    table = events(*((f"l{n}", utc(2025, 4, 28)) for n in range(3)))
    outlying = outliers.find(table, shop(), 30)
    many = outlying.events.vstack(outlying.events).vstack(outlying.events)
    sentence = outliers.sentences(outliers.Outliers(many, outlying.first, outlying.last, 0, outlying.last))[0]
    assert sentence.count("on 2025-04-28") == 5
    assert ", ...)" in sentence


def test_no_events_are_an_error():
    with pytest.raises(UserError, match=r"No event passed validation.*02_validate"):
        outliers.find(events().clear(), shop(), 30)
