"""What the simulated shop's customers buy again, and what they buy together.

Most people need one webcam, and a new packet of coffee every month. So a visit does not buy what the customer has;
consumables are refilled after their cycle, mostly with the same product; and some products go with another one.
The functions work on whole columns. The constants are assumptions; none was chosen by a metric of the pipeline.
"""

from __future__ import annotations

import numpy as np
import polars as pl
from numpy.random import Generator

AGAIN = 0.02  # chance that an owned product is bought again on a visit: a gift, or a lost one
HABIT = 0.5  # chance that the first purchase of a consumable becomes a habit ...
KEPT = 0.85  # ... and that the habit survives each refill
PACE, NOISE = 0.2, 0.15  # standard deviations of the log of a cycle: between households, and from refill to refill
SWITCH = 0.3  # chance that a refill is another product. Of online groceries, 59 % are reorders (Instacart, 2017)
SAME_BRAND = 0.5  # ... but of the same brand
TOGETHER = 0.25  # chance that a bought product brings its companion
SPAN = 5  # days: refills that are due in the same span are one order


def drawn(wanted: np.ndarray, group: np.ndarray, weight: np.ndarray, rng: Generator) -> np.ndarray:
    """One item per wanted group, with a chance in proportion to `weight`; -1 if the group has none.

    `group` and `weight` have one value per item.
    """
    order = np.argsort(group, kind="stable")
    edges = np.concatenate([[0.0], np.cumsum(weight[order])])
    start, stop = (np.searchsorted(group[order], wanted, side=side) for side in ("left", "right"))
    target = edges[start] + (edges[stop] - edges[start]) * rng.random(len(wanted))
    place = np.clip(np.searchsorted(edges, target, side="right") - 1, start, np.maximum(stop - 1, start))
    return np.where(start < stop, order[np.minimum(place, len(order) - 1)], -1)


def owned(user: np.ndarray, item: np.ndarray, kind: np.ndarray, variety: np.ndarray, mood: np.ndarray) -> np.ndarray:
    """Which purchases nobody would make: of a product, or a kind of product, that the user bought before.

    Parameters
    ----------
    user, item
        One value per purchase, in the order of time for each user.
    kind, variety
        One value per item: its kind (a noun of a category), and the chance that somebody wants a second product of
        this kind.
    mood
        One uniform random number per purchase, which decides about exceptions.
    """
    same_kind = ~pl.Series(user * (int(kind.max()) + 1) + kind[item]).is_first_distinct().to_numpy()
    same_item = ~pl.Series(user * len(kind) + item).is_first_distinct().to_numpy()
    return (same_item | (same_kind & (mood >= variety[item]))) & (mood >= AGAIN)


def settled(user: np.ndarray, tries: np.ndarray, kind: np.ndarray, variety: np.ndarray, mood: np.ndarray) -> np.ndarray:
    """The item of every purchase: its first try (column 0) or, where the user has that already, a later one."""
    item = tries[:, 0].copy()
    for column in range(1, tries.shape[1]):
        has = owned(user, item, kind, variety, mood)
        item[has] = tries[has, column]
    return item


def refills(
    first: pl.DataFrame, cycle: np.ndarray, groups: tuple[np.ndarray, np.ndarray], weight: np.ndarray, rng: Generator
) -> pl.DataFrame:
    """Refills of needs: one row is one refill (need, user, item, day), sorted by need and day; days never end.

    Parameters
    ----------
    first
        One row is a user's first purchase of a kind of consumable (user, item, day).
    cycle
        Per item: days until it is used up.
    groups
        Per item: its kind, and its kind and brand; a refill that switches takes a product of one of the two.
    weight
        Per item: its popularity.
    """
    times = np.where(rng.random(first.height) < HABIT, rng.geometric(1 - KEPT, first.height), 0)
    need = np.repeat(np.arange(first.height), times)
    item = first["item"].to_numpy()[need]
    pace = cycle[first["item"].to_numpy()] * rng.lognormal(0, PACE, first.height)
    passed = np.concatenate([[0.0], np.cumsum(pace[need] * rng.lognormal(0, NOISE, len(need)))])
    start = (np.cumsum(times) - times)[need]  # the row where the need begins
    day = first["day"].to_numpy()[need] + (passed[1:] - passed[start]).astype(np.int64)
    kind, brand = groups
    wanted = np.where(rng.random(len(need)) < SAME_BRAND, brand[item], kind[item] + int(brand.max()) + 1)
    both = np.concatenate([brand, kind + int(brand.max()) + 1])
    other = drawn(wanted, both, np.concatenate([weight, weight]), rng) % len(kind)
    switched = rng.random(len(need)) < SWITCH
    begins = np.arange(len(need)) == start
    chosen = np.where(switched, other, item)
    kept = pl.select(pl.when(pl.Series(switched | begins)).then(pl.Series(chosen)).forward_fill()).to_series()
    return pl.DataFrame({"need": need, "user": first["user"].to_numpy()[need], "item": kept, "day": day})


def as_orders(refill: pl.DataFrame, most: int, rng: Generator) -> pl.DataFrame:
    """The refills that this shop gets, as at most `most` orders: `order` from 0, and `day`, the order's.

    Needs are taken in random order until there are enough orders; the others are met elsewhere. So the refills of a
    need are all here or (but for the last need taken) all missing, and the cycle shows.
    """
    turn = rng.permutation(int(refill["need"].max()) + 1) if refill.height else np.empty(0, dtype=np.int64)
    refill = refill.with_columns(turn=pl.Series(turn[refill["need"].to_numpy()]), span=pl.col("day") // SPAN)
    refill = refill.sort("turn", "day", maintain_order=True)
    key = refill["user"] * (int(refill["span"].max() or 0) + 1) + refill["span"]
    refill = refill.with_columns(key=key).filter(key.is_first_distinct().cum_sum() <= most)
    return refill.select(
        "user",
        "item",
        order=pl.col("key").rank("dense").cast(pl.Int64) - 1,
        day=pl.col("day").min().over("key"),
    )
