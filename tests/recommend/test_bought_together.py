"""Products from the same orders, counted by hand."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import polars as pl
import pytest
from scipy import sparse
from scipy.stats import chi2

from recomart_lib.models.base import BASKETS
from recomart_lib.recommend.bought_together import bought_together
from recomart_lib.recommend.orders import Orders, of_events

AT = datetime(2024, 3, 1, tzinfo=UTC)


def orders(*baskets: tuple[int, str]) -> Orders:
    """One order per (user, its products as letters)."""
    rows = [(user, ord(letter) - ord("a"), n, AT) for n, (user, letters) in enumerate(baskets) for letter in letters]
    return Orders(pl.DataFrame(rows, BASKETS, orient="row"), 4, have_ids=True)


def relevant(of: Orders) -> sparse.csr_matrix:
    place = (of.lines["user_idx"].to_numpy(), of.lines["item_idx"].to_numpy())
    return sparse.csr_matrix((np.ones(of.lines.height), place), shape=(10, 4)).minimum(1).tocsr()


# 6 orders of 3 users with a and b, 2 with a, 2 with b, 20 with c
TOGETHER = orders(*[(n % 3, "ab") for n in range(6)], (0, "a"), (1, "a"), (0, "b"), (1, "b"), *[(5, "c")] * 20)
ALL = np.ones(4, dtype=bool)


def test_support_share_and_lift_are_those_counted_by_hand():
    rows = bought_together(TOGETHER, relevant(TOGETHER), ALL, 5).to_dicts()
    expected = 8 * 8 / 30
    assert [(row["item_idx"], row["other_idx"], row["rank"]) for row in rows] == [(0, 1, 1), (1, 0, 1)]
    for row in rows:
        assert (row["support"], row["n_orders"], row["share"]) == (6, 8, 0.75)
        assert row["lift"] == pytest.approx(6 / expected)
        assert row["lift_low"] == pytest.approx(chi2.ppf(0.025, 12) / 2 / expected)


@pytest.mark.parametrize(
    "few",
    [
        orders(*[(n % 4, "ab") for n in range(4)], *[(5, "c")] * 40),  # four orders
        orders(*[(n % 2, "ab") for n in range(9)], *[(5, "c")] * 40),  # two users
        orders(*[(n, "ab") for n in range(9)]),  # in every order: as many as expected
    ],
)
def test_pairs_that_may_be_chance_are_left_out(few):
    assert not bought_together(few, relevant(few), ALL, 5).height


def test_products_that_rules_exclude_are_not_shown():
    shown = np.array([True, False, True, True])
    assert bought_together(TOGETHER, relevant(TOGETHER), shown, 5)["item_idx"].to_list() == [1]


def test_without_order_ids_a_day_is_an_order():
    moments = [datetime(2024, 3, 1, hour, tzinfo=UTC) for hour in (8, 20)] + [datetime(2024, 3, 2, tzinfo=UTC)]
    events = pl.DataFrame(
        {
            "event_id": ["1", "2", "3"],
            "user_id": "u",
            "item_id": ["a", "b", "a"],
            "event_type": "purchase",
            "timestamp": moments,
            "order_id": pl.Series([None] * 3, dtype=pl.String),
        }
    )
    index = pl.Series([0], dtype=pl.Int32)
    window = {
        "users": pl.DataFrame({"user_id": ["u"], "user_idx": index}),
        "items": pl.DataFrame({"item_id": ["a", "b"], "item_idx": pl.Series([0, 1], dtype=pl.Int32)}),
    }
    days = of_events(events, window, ["purchase"])
    assert not days.have_ids and days.matrix().toarray().tolist() == [[1, 1], [1, 0]]
    assert of_events(events.with_columns(order_id=pl.col("event_id")), window, ["purchase"]).matrix().shape == (3, 2)
