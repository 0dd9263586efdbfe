"""Small interactions, and corner cases of them, for tests of models."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl

from recomart_lib.core.schemas import INTERACTIONS
from recomart_lib.models.base import BASKETS, TrainData

CUT = datetime(2025, 1, 31, tzinfo=UTC)


ITEM = {"name": pl.String, "category": pl.String, "brand": pl.String, "price": pl.Float64}


def interactions(rows: list[dict]) -> pl.DataFrame:
    """Pairs with sensible values where a row says nothing."""
    filled = []
    for row in rows:
        last = CUT - timedelta(days=row.get("days", 5), hours=1)
        bought = row.get("n_orders", 1) > 0
        filled.append(
            {
                "weight": 1.0,
                "n_events": 1,
                "n_relevant": int(bought),
                "n_orders": 1,
                "last_timestamp": last,
                "last_relevant_timestamp": last if bought else None,
                "rating": None,
                **row,
            }
        )
    return pl.DataFrame([{name: row[name] for name in INTERACTIONS} for row in filled], schema=INTERACTIONS)


def pair(user: int, item: int, **values: float) -> dict:
    return {"user_idx": user, "item_idx": item, **values}


def shop(n_users: int = 40, n_items: int = 15, seed: int = 0) -> TrainData:
    """Random pairs and attributes; the last user has only looked, at one item; of the first item nothing is known."""
    rng = np.random.default_rng(seed)
    rows = [
        pair(u, i, n_orders=int(rng.integers(0, 4)), weight=float(rng.integers(1, 6)), days=int(rng.integers(0, 90)))
        for u in range(n_users - 1)
        for i in range(n_items)
        if rng.random() < 0.3
    ]
    pairs = interactions([*rows, pair(n_users - 1, 0, n_orders=0)])
    facts = attributes(rng, n_users, n_items)
    return TrainData.of(pairs, n_users, n_items, CUT, **facts)


def attributes(rng: np.random.Generator, n_users: int, n_items: int) -> dict[str, pl.DataFrame]:
    countries = [["DE", "FR", "unknown", None][n] for n in rng.integers(0, 4, n_users)]
    names = [f"{color} thing {n % 3}" for n, color in enumerate(rng.choice(["red", "blue"], n_items))]
    rows = [(None, "unknown", "unknown", None), *[(name, "toys", "Acme", float(n)) for n, name in enumerate(names[1:])]]
    items = pl.DataFrame(rows, schema=ITEM, orient="row").with_columns(
        item_idx=pl.Series(range(n_items), dtype=pl.Int32)
    )
    users = pl.DataFrame({"user_idx": pl.Series(range(n_users), dtype=pl.Int32), "country": countries})
    return {"users": users, "items": items}


WORLDS = {
    "a shop": shop(),
    "one user": TrainData.of(interactions([pair(0, i) for i in (0, 2)]), 1, 4, CUT),
    "one item": TrainData.of(interactions([pair(u, 0) for u in (0, 1)]), 3, 1, CUT),
    "one pair": TrainData.of(interactions([pair(0, 0)]), 1, 1, CUT),
    "all equal": TrainData.of(interactions([pair(u, i) for u in range(5) for i in range(4)]), 5, 4, CUT),
    "only views": TrainData.of(interactions([pair(0, 0, n_orders=0), pair(1, 2, n_orders=0)]), 2, 3, CUT),
}


def baskets(*lines: tuple[int, int, int, float]) -> pl.DataFrame:
    """Lines (user, item, basket, days before the cut)."""
    rows = [(user, item, basket, CUT - timedelta(days=days)) for user, item, basket, days in lines]
    return pl.DataFrame(rows, schema=BASKETS, orient="row")
