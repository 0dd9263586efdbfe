"""A grocery chain as a new user brings it, through the real DVC to the index, without a workaround.

Weights and line totals, age bands, demographics for a third of the customers, a catalogue every month, blank columns
at the end, and a till that writes neither ids nor times of day.
"""

from __future__ import annotations

import csv
import random
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from projects import STAGES, new_project, ran, run

FIRST, MONTHS = date(2025, 1, 1), 8
GROUPS = {"Fruit": 2.4, "Cheese": 14.0, "Bread": 2.2, "Milk": 1.3, "Sweets": 1.9, "Cleaning": 3.5}
ITEMS = [(f"{n:05}", f"{group} {n}", group, price) for n, (group, price) in enumerate(list(GROUPS.items()) * 15)]
AGES = ["19-24", "25-34", "35-44", "45-54", "55-64", "65+", "Unknown"]
N_HOUSEHOLDS = 150
SHOP = """\
title: Corner Grocers
currency: EUR
time_zone: Europe/Berlin
simulated: false
cut: auto
horizon_days: 30
relevant_events: [purchase]
tables:
  users:
    kind: csv
    path: hh_demographic.csv
    complete: false
    nulls: [Unknown]
    columns: {user_id: HOUSEHOLD, age: AGE_DESC, city: TOWN}
  items:
    kind: csv
    path: catalogue_*.csv
    columns: {item_id: PLU, name: DESC, category: DEPT, price: SHELF_PRICE}
  events:
    kind: csv
    path: till_*.csv
    timestamp_format: "%d/%m/%Y"
    event_type: purchase
    columns:
      user_id: HOUSEHOLD
      order_id: TRIP
      item_id: PLU
      timestamp: DAY
      quantity: QTY
      price: {total: SALES_VALUE}
"""


def write(path: Path, header: list[str], rows: list[tuple]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([header, *rows])


def till_lines(rng: random.Random) -> list[tuple]:
    """One row per line of a receipt: the month, and what the till writes."""
    lines = []
    for number in range(N_HOUSEHOLDS):
        basket = rng.sample(ITEMS, 12)
        for trip in range(rng.randrange(3, 20)):
            day = FIRST + timedelta(days=rng.randrange(240))
            for item, _, group, price in rng.sample(basket, rng.randrange(1, 6)):
                weighed = group in ("Fruit", "Cheese")
                quantity = round(rng.uniform(0.15, 2), 3) if weighed else rng.choice([1, 1, 2])
                cells = (f"{number:06}", f"T{number}-{trip}", item, f"{day:%d/%m/%Y}", quantity)
                line = (*cells, round(quantity * price, 2), "", "")
                lines += [(day, line)] * (2 if rng.random() < 0.02 else 1)  # scanned twice
    return sorted(lines)


@pytest.fixture(scope="module")
def delivered(tmp_path_factory) -> Path:
    """The chain's folder."""
    rng, folder = random.Random(7), tmp_path_factory.mktemp("grocery files [May]")
    lines = till_lines(rng)
    for month in range(1, MONTHS + 1):
        of_month = [line for day, line in lines if day.month == month]
        header = ["HOUSEHOLD", "TRIP", "PLU", "DAY", "QTY", "SALES_VALUE", "", ""]
        write(folder / f"till_{month:02}.csv", header, of_month)
        rise = 1 if month < 5 else 1.1
        catalogue = [(item, name, group, round(price * rise, 2)) for item, name, group, price in ITEMS]
        write(folder / f"catalogue_2025-{month:02}-01.csv", ["PLU", "DESC", "DEPT", "SHELF_PRICE"], catalogue)
    demographics = [(f"{n:06}", rng.choice(AGES), rng.choice(["Ulm", "Bonn"])) for n in range(0, N_HOUSEHOLDS, 3)]
    write(folder / "hh_demographic.csv", ["HOUSEHOLD", "AGE_DESC", "TOWN"], demographics)
    return folder


@pytest.mark.slow
def test_a_grocery_chain_goes_from_check_to_the_index(delivered, tmp_path):
    project = new_project(tmp_path / "project")
    (project / "shops/grocery.yaml").write_text(SHOP, encoding="utf-8")
    check = run(project, "recomart", "shop", "check", "grocery", "--source", str(delivered)).stdout
    assert "shops/grocery.yaml is valid" in check.replace("\n", " ")
    run(project, "recomart", "shop", "use", "grocery", "--source", str(delivered))
    assert [name for name in ran(run(project, "dvc", "repro")) if name in STAGES] == STAGES
    assert "Corner Grocers" in (project / "reports/index.html").read_text(encoding="utf-8")

    events, users, items = (
        pl.read_parquet(project / f"data/prepared/{name}.parquet") for name in ("events", "users", "items")
    )
    lines = [line for file in delivered.glob("till_*.csv") for line in file.read_text().splitlines()[1:]]
    assert events.height == len(lines)
    cells = dict(zip(("user", "trip", "item", "day", "quantity", "total"), lines[0].split(","), strict=False))
    event = events.filter(pl.col("order_id") == cells["trip"], pl.col("item_id") == cells["item"]).row(0, named=True)
    assert event["quantity"] == float(cells["quantity"])
    assert event["quantity"] * event["price"] == pytest.approx(float(cells["total"]))

    assert set(users["user_id"]) == set(events["user_id"]) | {f"{n:06}" for n in range(0, N_HOUSEHOLDS, 3)}
    assert set(users["age_group"]) == (set(AGES) - {"Unknown"}) | {"unknown"}
    history = pl.read_parquet(project / "data/prepared/items_history.parquet").filter(pl.col("item_id") == ITEMS[0][0])
    midnights = [datetime(2024, 12, 31, 23, tzinfo=UTC), datetime(2025, 4, 30, 22, tzinfo=UTC)]
    assert list(zip(history["valid_from"], history["price"], strict=True)) == list(
        zip(midnights, [2.4, 2.64], strict=True)
    )
    assert items.filter(pl.col("item_id") == ITEMS[0][0])["price"].to_list() == [2.64]
