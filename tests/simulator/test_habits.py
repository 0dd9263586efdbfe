"""What customers have, what they refill, and what they buy together."""

from __future__ import annotations

import numpy as np
import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from recomart.simulator import habits

KIND = np.array([0, 0, 1, 1])  # items 0 and 1 are of one kind, 2 and 3 of another
NEVER, ALWAYS = np.zeros(4), np.ones(4)
STRICT = 0.99  # a mood without exceptions


def owned(user: list[int], item: list[int], variety: np.ndarray, mood: float = STRICT) -> list[bool]:
    moods = np.full(len(user), mood)
    return habits.owned(np.array(user), np.array(item), KIND, variety, moods).tolist()


def test_a_product_is_owned_from_its_second_purchase():
    assert owned([7, 7, 8, 7], [0, 0, 0, 2], ALWAYS) == [False, True, False, False]


def test_a_kind_is_owned_too_unless_variety_is_wanted():
    assert owned([7, 7, 7], [0, 1, 2], NEVER) == [False, True, False]
    assert owned([7, 7, 7], [0, 1, 2], ALWAYS) == [False, False, False]


def test_a_gift_may_be_bought_again():
    assert owned([7, 7], [0, 0], NEVER, mood=habits.AGAIN / 2) == [False, False]


def test_an_owned_product_gives_way_to_the_next_try():
    user, mood = np.array([1, 1, 1]), np.full(3, STRICT)
    tries = np.array([[0, 1], [0, 2], [2, 3]])
    assert habits.settled(user, tries, KIND, ALWAYS, mood).tolist() == [0, 2, 2]  # without a third try, 2 stays twice


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=30))
def test_only_tries_of_the_line_are_chosen(rows):
    user, tries = np.array([row[0] for row in rows]), np.array([row[1:] for row in rows])
    chosen = habits.settled(user, tries, KIND, NEVER, np.full(len(rows), STRICT))
    assert (tries == chosen[:, None]).any(axis=1).all()


def test_items_are_drawn_from_their_group_in_proportion_to_weight():
    rng = np.random.default_rng(0)
    wanted = np.repeat([0, 1, 5], 4_000)
    drawn = habits.drawn(wanted, np.array([1, 0, 1]), np.array([1.0, 1.0, 3.0]), rng)
    assert (drawn[wanted == 0] == 1).all()
    assert set(drawn[wanted == 1]) == {0, 2}
    assert abs((drawn[wanted == 1] == 2).mean() - 0.75) < 0.03
    assert (drawn[wanted == 5] == -1).all()


def refills(seed: int, n: int = 2_000, cycle: int = 30) -> pl.DataFrame:
    """Refills of `n` users' first packet of item 0; item 1 is of the same brand, item 2 of another one."""
    first = pl.DataFrame({"user": np.arange(n), "item": np.zeros(n, dtype=int), "day": np.full(n, 5)})
    kind, brand = np.array([0, 0, 0]), np.array([0, 0, 1])
    return habits.refills(first, np.full(3, cycle), (kind, brand), np.ones(3), np.random.default_rng(seed))


def test_refills_are_due_after_the_cycle():
    for seed in range(3):
        table = refills(seed)
        first = table.unique("need", keep="first", maintain_order=True)
        assert 28 < (first["day"] - 5).median() < 32
        assert (first["day"] - 5).is_between(15, 60).mean() > 0.98
        assert 0.45 < first.height / 2_000 < 0.55  # the others never form the habit
        assert table.group_by("need").agg((pl.col("day").diff().drop_nulls() > 0).all())["day"].all()


def test_refills_are_loyal_to_the_product_then_to_the_brand():
    items = refills(1)["item"].value_counts().sort("item")["count"]
    assert items[0] > items[1] > items[2] > 0


def test_refills_due_together_are_one_order_and_no_more_than_the_limit():
    refill = pl.DataFrame({"need": [0, 1, 2, 2], "user": [1, 1, 2, 2], "item": [0, 1, 2, 2], "day": [11, 13, 11, 40]})
    orders = habits.as_orders(refill, 10, np.random.default_rng(0))
    assert orders.sort("user", "day", "item").select("user", "item", "day").rows() == [
        (1, 0, 11),
        (1, 1, 11),  # two days earlier, with the other refill
        (2, 2, 11),
        (2, 2, 40),
    ]
    assert sorted(orders["order"].unique()) == [0, 1, 2]
    for most in range(4):
        assert habits.as_orders(refill, most, np.random.default_rng(1))["order"].n_unique() == most


def test_nothing_to_refill_is_no_order():
    empty = pl.DataFrame(schema={"user": pl.Int64, "item": pl.Int64, "day": pl.Int64})
    refill = habits.refills(
        empty, np.full(1, 30), (np.zeros(1, int), np.zeros(1, int)), np.ones(1), np.random.default_rng(0)
    )
    assert habits.as_orders(refill, 5, np.random.default_rng(0)).is_empty()
