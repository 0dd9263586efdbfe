"""A made-up grocery chain: few customers, a large catalogue, many repeat purchases.

About 75,000 lines of 2,373 customers and 19,164 products in 240 days, like the till exports of loyalty-card panels.
The cost of its models is in the catalogue.
"""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import numpy as np
import polars as pl

N_LINES, N_CUSTOMERS, N_PRODUCTS, N_DAYS = 75_000, 2_373, 19_164, 240
N_USUAL, USUAL_SHARE = 60, 0.5  # products that a customer buys again and again, and their share of the lines
DEPARTMENTS = ("Fruit", "Cheese", "Bread", "Milk", "Sweets", "Cleaning", "Drinks", "Frozen")
SHOP = """\
title: Made-up grocery chain
currency: EUR
time_zone: UTC
simulated: false
cut: auto
horizon_days: 30
relevant_events: [purchase]
tables:
  items:
    kind: csv
    path: catalogue.csv
    columns: {item_id: plu, name: name, category: department, price: price}
  users:
    kind: derived
    columns: {}
  events:
    kind: csv
    path: till.csv
    timestamp_format: "%Y-%m-%d %H:%M:%S"
    event_type: purchase
    columns: {user_id: customer, order_id: receipt, item_id: plu, timestamp: time, quantity: quantity, price: price}
"""


def write(folder: Path, seed: int = 0) -> None:
    """Write till.csv and catalogue.csv."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    price = np.round(np.exp(rng.normal(1.0, 0.7, N_PRODUCTS)), 2).clip(0.1)
    department = rng.integers(0, len(DEPARTMENTS), N_PRODUCTS)
    names = [f"{DEPARTMENTS[d]} {n}" for n, d in enumerate(department)]
    catalogue = {"plu": _ids("P", np.arange(N_PRODUCTS)), "name": names, "price": price}
    pl.DataFrame({**catalogue, "department": [DEPARTMENTS[d] for d in department]}).write_csv(folder / "catalogue.csv")
    lines = _lines(rng)
    lines.with_columns(price=pl.Series(price[lines["product"].to_numpy()])).select(
        customer=pl.Series(_ids("C", lines["customer"].to_numpy())),
        receipt=pl.format("R{}-{}", "customer", "minute"),
        plu=pl.Series(_ids("P", lines["product"].to_numpy())),
        time=(pl.lit(datetime(2025, 1, 1)) + pl.duration(minutes="minute")).dt.strftime("%Y-%m-%d %H:%M:%S"),
        quantity="quantity",
        price="price",
    ).write_csv(folder / "till.csv")


def _lines(rng: np.random.Generator) -> pl.DataFrame:
    """One row per line of a receipt, by time: customer, product, minute (since the first day), quantity."""
    popularity = 1 / (np.arange(N_PRODUCTS) + 30.0)
    popularity /= popularity.sum()
    activity = rng.gamma(0.8, size=N_CUSTOMERS)
    customer = rng.choice(N_CUSTOMERS, N_LINES, p=activity / activity.sum())
    usual = rng.choice(N_PRODUCTS, (N_CUSTOMERS, N_USUAL), p=popularity)
    product = rng.choice(N_PRODUCTS, N_LINES, p=popularity)
    again = rng.random(N_LINES) < USUAL_SHARE
    product[again] = usual[customer[again], rng.integers(0, N_USUAL, again.sum())]
    customer[:N_CUSTOMERS], product[-N_PRODUCTS:] = np.arange(N_CUSTOMERS), np.arange(N_PRODUCTS)  # each at least once
    trip = rng.integers(0, N_DAYS // 20, N_LINES) * 20 + customer % 20  # every customer shops on one day in twenty
    lines = pl.DataFrame({"customer": customer, "product": product, "minute": trip * 1440 + 600 + customer % 500})
    lines = lines.with_columns(quantity=pl.Series(rng.geometric(0.7, N_LINES)))
    return lines.unique(["customer", "product", "minute"], maintain_order=True).sort("minute", "customer", "product")


def _ids(letter: str, numbers: np.ndarray) -> list[str]:
    return [f"{letter}{number:06}" for number in numbers]
