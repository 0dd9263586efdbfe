"""Small training data, edge cases, and helpers for tests of models."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl

from recomart_lib import models
from recomart_lib.core.schemas import INTERACTIONS
from recomart_lib.models.base import BASKETS, CARD_FILE, ArrayModel, TrainData
from recomart_lib.models.top_k import recommend

CUT = datetime(2025, 1, 31, tzinfo=UTC)
FEW = {"n_factors": 4, "n_epochs": 3}
SMALL = dict.fromkeys(("als", "bpr", "svd", "svdpp"), FEW)
ITEM = {"name": pl.String, "category": pl.String, "brand": pl.String, "price": pl.Float64}


def interactions(rows: list[dict]) -> pl.DataFrame:
    """Pairs, with default values for missing fields."""
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


def bought_together() -> TrainData:
    """User 0 bought the items 0 and 1 a minute apart, user 1 at the same time; item 2 was only looked at."""
    at = {"last_relevant_timestamp": CUT - timedelta(days=1)}
    rows = [
        pair(0, 0, **at),
        pair(0, 1, last_relevant_timestamp=CUT - timedelta(days=1, seconds=60)),
        pair(1, 0, **at),
        pair(1, 1, **at),
        pair(1, 2, n_orders=0),
    ]
    return TrainData.of(interactions(rows), 2, 3, CUT)


def shop(n_users: int = 40, n_items: int = 15, seed: int = 0) -> TrainData:
    """Random pairs and attributes; the last user has one view and no purchase; the first item has no attributes."""
    rng = np.random.default_rng(seed)
    rows = [
        pair(u, i, n_orders=int(rng.integers(0, 4)), weight=float(rng.integers(1, 6)), days=int(rng.integers(0, 90)))
        for u in range(n_users - 1)
        for i in range(n_items)
        if rng.random() < 0.3
    ]
    pairs = interactions([*rows, pair(n_users - 1, 0, n_orders=0)])
    return TrainData.of(pairs, n_users, n_items, CUT).with_attributes(**attributes(rng, n_users, n_items))


def attributes(rng: np.random.Generator, n_users: int, n_items: int) -> dict[str, pl.DataFrame]:
    countries = [["DE", "FR", "unknown", None][n] for n in rng.integers(0, 4, n_users)]
    names = [f"{color} thing {n % 3}" for n, color in enumerate(rng.choice(["red", "blue"], n_items))]
    rows = [(None, "unknown", "unknown", None), *[(name, "toys", "Acme", float(n)) for n, name in enumerate(names[1:])]]
    items = pl.DataFrame(rows, schema=ITEM, orient="row").with_columns(
        item_idx=pl.Series(range(n_items), dtype=pl.Int32)
    )
    users = pl.DataFrame({"user_idx": pl.Series(range(n_users), dtype=pl.Int32), "country": countries})
    return {"users": users, "items": items}


CASES = {
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


def catalogue(*rows: tuple) -> pl.DataFrame:
    """Item attributes (name, category, brand, price), one row per index."""
    table = pl.DataFrame(rows, schema=ITEM, orient="row")
    return table.with_columns(item_idx=pl.Series(range(table.height), dtype=pl.Int32))


def repeat_purchases(label: list[int], now: list[float]) -> TrainData:
    """Examples in which a large x is bought again, and pairs of user 0 with these x now; two orders of item 0."""
    examples = pl.DataFrame(
        {"as_of": [CUT - timedelta(days=30)] * len(label), "label": label, "x": [float(n) for n in range(len(label))]}
    ).with_columns(own=True, user_id=pl.lit("u"), item_id=pl.lit("i"))
    pairs = interactions([pair(0, item, n_orders=2 if item == 0 else 1) for item in range(len(now))])
    features = pairs.select("user_idx", "item_idx").with_columns(x=pl.Series(now))
    return TrainData.of(pairs, 1, len(now) + 1, CUT).with_examples(examples).with_features(features)


def fitted(name: str, data: TrainData) -> ArrayModel:
    """A model with few factors and epochs, fitted."""
    return models.create(name, **SMALL.get(name, {})).fit(data)


def without_hash(folder: Path) -> None:
    """Delete the hash of the arrays from a model's card, as an attacker would: other checks must hold without it."""
    card = json.loads((folder / CARD_FILE).read_text())
    del card["arrays_sha256"]
    (folder / CARD_FILE).write_text(json.dumps(card))


def order(model: ArrayModel, user: int, k: int = 10) -> list[int]:
    """The item_idx of the user's list, best first."""
    return [int(item) for item in recommend(model, np.array([user]), k)["item_idx"]]


def window(data: TrainData) -> dict[str, pl.DataFrame]:
    """Users u00, u01, ... and products i00, ...; three users buy a new one, u00 an old one, and the cold user d one."""
    encoders = {
        f"{name}s": pl.DataFrame(
            {f"{name}_idx": pl.Series(range(n), dtype=pl.Int32), f"{name}_id": [f"{name[0]}{i:02}" for i in range(n)]}
        )
        for name, n in (("user", data.n_users), ("item", data.n_items))
    }
    rows = [("u03", "i01", True, True, False), ("u01", "i02", True, True, False), ("u02", "i02", True, True, False)]
    rows += [("u00", "i03", True, True, True), ("d", "i01", False, True, False)]
    holdout = pl.DataFrame(rows, schema=["user_id", "item_id", "warm", "in_catalogue", "repeat"], orient="row")
    return {**encoders, "holdout": holdout}
