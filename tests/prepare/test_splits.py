"""Split by time: half-open windows, the interactions before them, and their holdout."""

from __future__ import annotations

from datetime import timedelta

import polars as pl
import pytest
from conftest import DECLARED, rows, utc
from hypothesis import given
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from recomart_lib.core.errors import UserError
from recomart_lib.core.schemas import INTERACTIONS
from recomart_lib.core.shops import Shop
from recomart_lib.prepare import splits
from recomart_lib.prepare.splits import Window

START, END = utc(2024, 2, 1), utc(2024, 3, 2)
TEST = Window("test", START, END)
TICK = timedelta(microseconds=1)


def shop(**keys: object) -> Shop:
    return Shop.model_validate({**DECLARED, "name": "x", **keys})


def history(*events: tuple) -> pl.DataFrame:
    """Events from (user, item, type, time, rating, order), each weighing 1."""
    names = ("user_id", "item_id", "event_type", "timestamp", "rating", "order_id")
    records = [{"event_id": f"e{n}", **dict(zip(names, event, strict=False))} for n, event in enumerate(events)]
    return rows("events", *records).with_columns(weight=pl.lit(1.0))


KNOWN = [
    ("u1", "a", "purchase", utc(2024, 1, 1)),
    ("u1", "b", "view", utc(2024, 1, 2)),
    ("u2", "a", "purchase", START - TICK),
]


@pytest.mark.parametrize(
    ("keys", "last", "cut"),
    [
        ({}, utc(2024, 3, 1, 23, 59), utc(2024, 2, 1)),
        ({}, utc(2024, 3, 1), utc(2024, 2, 1)),
        ({"time_zone": "Pacific/Auckland"}, utc(2024, 2, 29, 12), utc(2024, 1, 31, 11)),
        ({"cut": "2024-01-15"}, utc(2024, 3, 1), utc(2024, 1, 15)),
        ({"cut": "2011-11-01", "time_zone": "Europe/Berlin"}, utc(2024, 3, 1), utc(2011, 10, 31, 23)),
    ],
)
def test_the_cut_is_a_local_midnight(keys, last, cut):
    validation, test = splits.windows(shop(**keys), last, 30)
    assert (validation.end, test.start, test.end - test.start) == (cut, cut, timedelta(days=30))


@pytest.mark.parametrize(("own", "days"), [("auto", 30), (7, 7)])
def test_the_shops_own_horizon_takes_precedence(own, days):
    validation, test = splits.windows(shop(horizon_days=own), utc(2024, 3, 1), 30)
    assert test.end - test.start == validation.end - validation.start == timedelta(days=days)


@given(st.datetimes(utc(2000, 1, 1).replace(tzinfo=None), utc(2030, 1, 1).replace(tzinfo=None)), st.integers(1, 400))
def test_an_automatic_test_window_holds_the_last_event_also_when_clocks_change(last, days):
    moment = last.replace(tzinfo=utc(2000, 1, 1).tzinfo)
    for zone in ("UTC", "Europe/London", "Pacific/Auckland"):
        validation, test = splits.windows(shop(time_zone=zone), moment, days)
        assert (
            validation.start < validation.end == test.start <= moment < test.end <= moment + timedelta(days=1, hours=1)
        )


def test_the_live_window_knows_the_last_event():
    window = splits.after(START)
    assert splits.before(history(("u1", "a", "view", START)), window.start).height == 1
    assert window.start == window.end


@pytest.mark.parametrize(
    ("moment", "n_interactions", "n_holdout"),
    [(START - TICK, 4, 0), (START, 3, 1), (END - TICK, 3, 1), (END, 3, 0)],
)
def test_windows_are_half_open(moment, n_interactions, n_holdout):
    parts = splits.split(history(*KNOWN, ("u1", "z", "purchase", moment)), TEST, ["purchase"])
    assert parts["interactions"].height == n_interactions
    assert parts["holdout"].height == n_holdout


def test_the_holdout_flags_warm_in_catalogue_and_repeat():
    purchases = [("u1", "a"), ("u1", "b"), ("u1", "new"), ("u2", "b"), ("cold", "a")]
    events = history(
        *KNOWN,
        *((user, item, "purchase", START) for user, item in purchases),
        ("u2", "a", "view", START),
        ("u1", "a", "purchase", START + TICK),
    )
    holdout = splits.split(events, TEST, ["purchase"])["holdout"]
    assert holdout.rows() == [
        ("cold", "a", False, True, False),
        ("u1", "a", True, True, True),
        ("u1", "b", True, True, False),
        ("u1", "new", True, False, False),
        ("u2", "b", True, True, False),
    ]
    assert splits.relevant(holdout, "all").rows() == [("u1", "a"), ("u1", "b"), ("u2", "b")]
    assert splits.relevant(holdout, "novel").rows() == [("u1", "b"), ("u2", "b")]


def test_only_relevant_events_are_held_out_and_make_a_repeat():
    events = history(*KNOWN, ("u1", "b", "rating", START, 5.0), ("u2", "a", "rating", START, 4.0))
    holdout = splits.split(events, TEST, ["rating"])["holdout"]
    assert holdout.select("user_id", "item_id", "repeat").rows() == [("u1", "b", False), ("u2", "a", False)]


def test_an_interaction_sums_up_its_pair():
    noon = utc(2024, 1, 1, 12)
    pairs = splits.interactions(
        history(
            ("u1", "a", "view", noon + timedelta(days=9)),
            ("u1", "a", "purchase", noon, None, "o1"),
            ("u1", "a", "purchase", noon + TICK, None, "o1"),
            ("u1", "a", "purchase", noon + timedelta(days=1)),
            ("u1", "a", "rating", noon, 2.0),
            ("u1", "a", "rating", noon, 5.0),
            ("u1", "a", "return", noon + timedelta(days=20)),
        ),
        ["purchase"],
    )
    assert pairs.drop("user_id", "item_id").row(0, named=True) == {
        "weight": 6.0,
        "n_events": 6,
        "n_relevant": 3,
        "n_orders": 2,
        "rating": 3.5,
        "last_timestamp": noon + timedelta(days=9),
        "last_relevant_timestamp": noon + timedelta(days=1),
    }


def test_a_pair_without_a_relevant_event_has_none_counted():
    pair = splits.interactions(history(("u1", "a", "view", START)), ["purchase"]).row(0, named=True)
    assert (pair["n_relevant"], pair["n_orders"], pair["last_relevant_timestamp"], pair["rating"]) == (0, 0, None, None)


def test_a_return_alone_is_not_an_interaction():
    events = history(*KNOWN, ("u3", "c", "return", utc(2024, 1, 1)))
    parts = splits.split(events, TEST, ["purchase"])
    assert parts["users"]["user_id"].to_list() == ["u1", "u2"]
    assert parts["items"]["item_id"].to_list() == ["a", "b"]


def test_the_index_is_the_rank_of_the_id_as_text():
    encoder = splits.encoder(pl.Series("item_id", ["b", "10", "9", "B", "10", "é"]), "item_idx")
    assert encoder["item_id"].to_list() == ["10", "9", "B", "b", "é"]
    assert encoder["item_idx"].to_list() == [0, 1, 2, 3, 4]


def test_interactions_carry_their_indices_in_order():
    table = splits.split(history(*reversed(KNOWN)), TEST, ["purchase"])["interactions"]
    assert {name: table.schema[name] for name in INTERACTIONS} == INTERACTIONS
    assert table.select("user_idx", "item_idx").rows() == [(0, 0), (0, 1), (1, 0)]


@given(st.permutations(range(6)))
def test_the_order_of_events_does_not_matter(order):
    events = history(*KNOWN, *(("u1", item, "purchase", START) for item in "abc"))
    parts, again = (splits.split(table, TEST, ["purchase"]) for table in (events, events[order]))
    assert all(parts[name].equals(again[name]) for name in parts)


@given(st.lists(st.sampled_from(["view", "purchase", "return", "rating"]), max_size=5))
def test_events_from_the_cut_on_do_not_change_the_training_data(kinds):
    later = [("u9", "z", kind, START + n * TICK) for n, kind in enumerate(kinds)]
    known = splits.split(history(*KNOWN), TEST, ["purchase"])
    parts = splits.split(history(*KNOWN, *later), TEST, ["purchase"])
    assert all(parts[name].equals(known[name]) for name in ("users", "items", "interactions"))


def test_windows_that_are_split_together_are_the_same_as_alone():
    events = history(*KNOWN, ("u10", "B", "view", START), ("u9", "ä", "purchase", START, None, "o1")).reverse()
    windows = [Window("validation", utc(2024, 1, 2), START), TEST, splits.after(END)]
    together = splits.split_windows(events, windows, ["purchase"])
    assert list(together) == ["validation", "test", "live"]
    for window in windows:
        alone = splits.split(events, window, ["purchase"])
        assert together[window.name].keys() == alone.keys()
        for name, table in alone.items():
            assert_frame_equal(together[window.name][name], table)


def test_a_cut_before_all_data_is_an_error():
    with pytest.raises(
        UserError, match=r"rating before 2024-01-01, the start of the test window; the data starts on 2024-01-01"
    ):
        splits.split(history(*KNOWN), Window("test", utc(2024, 1, 1), END), ["purchase"])


def test_a_window_is_described_in_numbers():
    purchases = [("u1", "a"), ("u1", "new"), ("u2", "new"), ("cold", "a")]
    events = history(*KNOWN, *((user, item, "purchase", START) for user, item in purchases))
    parts = splits.split(events, TEST, ["purchase"])
    assert splits.describe(parts) == {
        "train_pairs": 3,
        "train_users": 2,
        "train_items": 2,
        "users_in_window": 3,
        "warm_users": 2,
        "cold_users": 1,
        "evaluated_all": 1,
        "evaluated_novel": 0,
    }
    assert splits.matrix_size(parts) == {"users": 2, "items": 2, "pairs": 3, "density": 0.75}
    overview = dict(splits.overview([TEST], {"test": parts}).iter_rows())
    assert [overview[name] for name in ("first day", "until (exclusive)", "user-product pairs before")] == [
        "2024-02-01",
        "2024-03-02",
        "3",
    ]
    local = dict(splits.overview([TEST], {"test": parts}, "America/New_York").iter_rows())
    assert local["first day"] == "2024-01-31"


def test_the_live_window_has_no_days():
    live = splits.after(utc(2024, 2, 1, 23))
    table = splits.overview([live], {"live": splits.split(history(*KNOWN), live, ["purchase"])})
    assert table["live"].to_list()[:2] == ["after the last event", "open"]


def test_a_window_without_events_is_described_too():
    assert splits.describe(splits.split(history(*KNOWN), TEST, ["purchase"]))["users_in_window"] == 0


@pytest.mark.parametrize(
    ("inside", "reason"),
    [
        ([], r"no user has one in it"),
        ([("cold", "a")], r"1 user with one had no earlier events"),
        (
            [("u1", "new"), ("cold", "a")],
            r"of 2 users with one, 1 had earlier events, none of them with known products",
        ),
    ],
)
def test_a_window_in_which_nobody_can_be_evaluated_is_an_error(inside, reason):
    events = history(*KNOWN, *((user, item, "purchase", START) for user, item in inside))
    descriptions = {"test": splits.describe(splits.split(events, TEST, ["purchase"]))}
    message = rf"in the test window, .* purchase from 2024-02-01 until 2024-03-02 \(exclusive\): {reason}\. .*Set `cut`"
    with pytest.raises(UserError, match=message):
        splits.check_evaluable([TEST], descriptions, shop(), START)


def test_windows_in_which_users_can_be_evaluated_pass():
    descriptions = {
        "test": splits.describe(splits.split(history(*KNOWN, ("u2", "a", "purchase", START)), TEST, ["purchase"]))
    }
    splits.check_evaluable([TEST], descriptions, shop(), START)


@pytest.mark.parametrize("zone", ["UTC", "Europe/London", "America/New_York"])
def test_the_split_metadata_gives_the_horizon_in_whole_days(zone):
    windows = [*splits.windows(shop(time_zone=zone, cut="2024-03-20"), END, 30), splits.after(END)]
    validated = {"users": rows("users"), "items": rows("items"), "events": history(*KNOWN)}
    split_metadata = splits.split_metadata(shop(), validated, "f", windows, {}, 3, {})
    assert split_metadata["horizon_days"] == 30
    assert split_metadata["cut"] == windows[1].start.isoformat()
    assert (split_metadata["n_events"], split_metadata["first"]) == (3, "2024-01-01T00:00:00+00:00")
