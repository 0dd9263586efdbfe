"""Small histories and prepared tables for tests of features."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import numpy as np
from conftest import rows, utc

from recomart_lib.features import engine
from recomart_lib.features.settings import Features
from recomart_lib.prepare import cleaning, versions
from recomart_lib.prepare.settings import Prepare


def write_prepared(folder: Path) -> None:
    """A random shop of 150 users, 60 products and 4,000 events of all types, as 04_prepare leaves it."""
    rng = np.random.default_rng(5)
    kinds = rng.choice(["view", "cart", "purchase", "return", "rating"], 4_000, p=[0.5, 0.15, 0.25, 0.03, 0.07])
    records = [
        {
            "event_id": f"e{n}",
            "user_id": f"u{int(rng.integers(150) * rng.random())}",
            "item_id": f"i{int(rng.integers(60) * rng.random())}",
            "event_type": kind,
            "timestamp": utc(2024, 1, 1 + int(rng.integers(28)), int(rng.integers(24)), int(rng.integers(60))),
            "quantity": int(rng.integers(1, 5)),
            "price": None if rng.random() < 0.1 else int(rng.integers(1, 99)) / 10,
            "rating": float(rng.integers(1, 6)) if kind == "rating" else None,
            "order_id": None if rng.random() < 0.2 else f"o{n // 3}",
        }
        for n, kind in enumerate(kinds)
    ]
    items = rows(
        "items",
        *(
            {"item_id": f"i{n}", "category": f"c{n % 5}" if n % 7 else None, "brand": f"b{n % 4}", "price": n / 4 + 1}
            for n in range(60)
        ),
    )
    users = rows(
        "users",
        *({"user_id": f"u{n}", "signup_date": utc(2020, 1, 1 + n % 28).date() if n % 3 else None} for n in range(150)),
    )
    tables = {
        "events": cleaning.clean_events(rows("events", *records), Prepare()),
        "users": cleaning.clean_users(users),
        "items": cleaning.clean_items(items),
    }
    tables |= {f"{name}_history": versions.always(tables[name]) for name in ("users", "items")}
    for name, table in tables.items():
        table.write_parquet(folder / f"{name}.parquet")


AS_OF = utc(2024, 2, 1)


PARAMS = Features(half_life_days=10, n_price_tiers=2, rating_prior=5)


USERS = [
    {"user_id": "u1", "signup_date": date(2024, 1, 1), "age": 30, "gender": "F", "country": "DE"},
    {"user_id": "u2"},
]


ITEMS = [
    {"item_id": "a", "category": "tools", "brand": "Acme", "price": 10.0},
    {"item_id": "b", "category": "tools", "price": 20.0},
    {"item_id": "c", "category": "food", "price": 7.0},
]


HISTORY = [
    ("u1", "a", "view", utc(2024, 1, 2), {}),
    ("u1", "a", "purchase", utc(2024, 1, 12), {"price": 12.0}),
    ("u1", "b", "view", utc(2024, 1, 2), {}),
    ("u1", "c", "cart", utc(2024, 1, 3), {}),
    ("u1", "a", "rating", utc(2024, 1, 20), {"rating": 5.0}),
    ("u2", "a", "view", utc(2024, 1, 22), {}),
    ("u2", "c", "purchase", utc(2024, 1, 31), {"quantity": 1}),
    ("u2", "c", "return", utc(2024, 1, 31, 12), {"quantity": 1}),
    ("u2", "c", "rating", utc(2024, 1, 31, 13), {"rating": 2.0}),
]


def prepared_tables(history, users=USERS, items=ITEMS, zone="UTC") -> engine.PreparedTables:
    """The prepared tables of (user, item, type, time, more) events, as 04_prepare writes them; events have prices."""
    price = {item["item_id"]: item.get("price") for item in items}
    records = [
        {
            "event_id": f"e{n}",
            "user_id": user,
            "item_id": item,
            "event_type": kind,
            "timestamp": moment,
            "price": price.get(item),
        }
        | more
        for n, (user, item, kind, moment, more) in enumerate(history)
    ]
    events = cleaning.clean_events(rows("events", *records), Prepare())
    people = versions.always(cleaning.clean_users(rows("users", *users)))
    products = versions.always(cleaning.clean_items(rows("items", *items)))
    return engine.prepared_tables(events.lazy(), people.lazy(), products.lazy(), zone)


SHOP = [
    {"item_id": "a", "category": "tools", "brand": "Acme", "price": 10.0},
    {"item_id": "b", "category": "tools", "price": 20.0},
    {"item_id": "c", "category": "food", "brand": "Best", "price": 7.0},
]


BOUGHT = [
    ("u1", "a", "purchase", utc(2024, 1, 1), {"price": 10.0, "quantity": 2, "order_id": "o1"}),  # a Monday
    ("u1", "b", "purchase", utc(2024, 1, 1), {"price": 20.0, "quantity": 1, "order_id": "o1"}),
    ("u1", "a", "purchase", utc(2024, 1, 11), {"price": 12.0, "quantity": 1, "order_id": "o2"}),
    ("u1", "a", "purchase", utc(2024, 1, 31), {"price": 8.0, "quantity": 1}),  # no order id: an order of its own
    ("u1", "a", "return", utc(2024, 1, 31, 12), {"price": 8.0, "quantity": 1}),
    ("u2", "a", "purchase", utc(2024, 1, 21), {"price": 10.0, "quantity": 1, "order_id": "o3"}),  # a Sunday
    ("u2", "c", "purchase", utc(2024, 1, 21), {"price": 7.0, "quantity": 1, "order_id": "o3"}),
    ("u3", "c", "view", utc(2024, 1, 25, 13), {}),
]
