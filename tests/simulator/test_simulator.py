"""The simulated shop: its files, the plausibility of correct rows, and the counts of simulated errors."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from recomart.simulator import shop
from recomart.simulator.shop import CATEGORIES, COMPLEMENTS, TRANSACTION, ShopSize, simulate
from recomart_lib.core.errors import UserError

SMALL = ShopSize(n_users=300, n_items=200, n_orders=1_500, n_days=120)
CLEAN = replace(SMALL, dirt_rate=0)
SEEDED = ShopSize(n_users=2_000, n_items=600, n_orders=9_000, n_days=240, dirt_rate=0)
TINY = ShopSize(n_users=60, n_items=40, n_orders=300, n_days=60)
FORMAT = "%Y-%m-%dT%H:%M:%S%.6fZ"


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def transactions(folder: Path) -> pl.DataFrame:
    """All delivered rows as text, with `file_day` and, if valid, `at`."""
    files = sorted((folder / "transactions").glob("*.csv"))
    days = [
        pl.read_csv(path, infer_schema=False).with_columns(file_day=pl.lit(path.stem.removeprefix("transactions_")))
        for path in files
    ]
    rows = pl.concat(days)
    return rows.with_columns(
        pl.col("file_day").str.to_date(),
        at=pl.col("timestamp").str.to_datetime(FORMAT, strict=False).dt.replace_time_zone(None),
    )


def users(folder: Path) -> pl.DataFrame:
    return pl.read_csv(folder / "users.csv", infer_schema=False).with_columns(pl.col("signup_date").str.to_date())


@pytest.fixture(scope="module")
def full(tmp_path_factory) -> tuple[pl.DataFrame, dict[str, int]]:
    folder = tmp_path_factory.mktemp("full")
    counts = simulate(ShopSize(), 42, folder)
    return transactions(folder), counts


@pytest.fixture(scope="module")
def small(tmp_path_factory) -> tuple[Path, dict[str, int]]:
    folder = tmp_path_factory.mktemp("small")
    return folder, simulate(SMALL, 7, folder)


@pytest.fixture(scope="module")
def clean(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("clean")
    simulate(CLEAN, 7, folder)
    return folder


def test_the_default_shop_has_the_promised_size(full):
    rows, counts = full
    by_action = dict(rows["action"].value_counts().iter_rows())
    assert by_action["purchase"] > 60_000
    assert 230_000 < by_action["view"] < 320_000
    assert by_action["purchase"] < by_action["add_to_cart"] < by_action["view"]
    assert by_action["rating"] == pytest.approx(0.19 * by_action["purchase"], rel=0.15)
    assert counts["transactions"] == rows.height
    damaged = sum(n for kind, n in counts.items() if kind.startswith("transactions.")) - counts["transactions.late"]
    assert damaged == pytest.approx(0.02 * rows.height, rel=0.03)
    assert counts["transactions.duplicate"] == pytest.approx(damaged / 3, rel=0.02)


def test_the_default_shop_has_a_long_tail_and_cold_users(full):
    bought = full[0].filter(pl.col("action") == "purchase")
    by_item = bought["product_id"].value_counts()["count"].sort(descending=True)
    by_user = bought["customer_id"].value_counts()["count"]
    assert by_item.head(1_000).sum() > 0.6 * by_item.sum()
    assert by_user.max() > 20 * by_user.median()
    assert 0.08 < 1 - len(by_user) / 10_000 < 0.16


def test_same_seed_same_bytes_and_other_seed_others(small, tmp_path):
    folder, counts = small
    assert simulate(SMALL, 7, tmp_path) == counts
    assert contents(tmp_path) == contents(folder)
    simulate(SMALL, 8, tmp_path)
    assert contents(tmp_path)["users.csv"] != contents(folder)["users.csv"]


def test_files_that_do_not_change_are_not_written_and_foreign_ones_stay(tmp_path):
    simulate(TINY, 1, tmp_path)
    foreign = tmp_path / "transactions" / "from_a_colleague.csv"
    foreign.write_text("mine")
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*") if path.is_file()}
    simulate(TINY, 1, tmp_path)
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*") if path.is_file()} == before
    assert foreign.read_text() == "mine"


def test_one_file_a_day_with_the_same_header(clean):
    files = sorted((clean / "transactions").iterdir())
    days = [date(2025, 1, 1) + timedelta(days=n) for n in range(CLEAN.n_days)]
    assert [path.name for path in files] == [f"transactions_{day}.csv" for day in days]
    assert {path.read_text().splitlines()[0] for path in files} == {",".join(TRANSACTION)}


def test_a_few_products_are_sold_out_or_not_sold_any_more(clean):
    products = pl.DataFrame(json.loads((clean / "products.json").read_text()))
    sold_out = products.filter(pl.col("stock") == 0)
    assert products["stock"].min() == 0
    assert 0 < sold_out.height < 0.15 * products.height
    assert sold_out["available"].any()
    assert products.filter(~pl.col("available")).join(sold_out, on="product_id", how="anti").is_empty()


def test_clean_rows_are_clean(clean):
    rows, products = transactions(clean), json.loads((clean / "products.json").read_text())
    assert (rows["at"].dt.date() == rows["file_day"]).all()
    assert rows["transaction_id"].is_unique().all()
    assert set(rows["customer_id"]) <= set(users(clean)["customer_id"])
    assert set(rows["product_id"]) <= {product["product_id"] for product in products}
    assert all(product["price"] > 0 for product in products)
    assert users(clean)["age"].drop_nulls().cast(int).is_between(18, 90).all()
    assert set(rows["rating"].drop_nulls()) <= set("12345")
    bought = rows.filter(pl.col("action") == "purchase")
    assert (bought["unit_price"].cast(float) > 0).all()
    assert (bought["quantity"].cast(int) > 0).all()
    orders = bought.group_by("order_id").agg(pl.col("at", "customer_id").n_unique())
    assert orders.select("at", "customer_id").max().row(0) == (1, 1)


def test_nobody_acts_before_signing_up(clean):
    rows = transactions(clean).join(users(clean), on="customer_id")
    assert (rows["at"].dt.date() >= rows["signup_date"]).all()


def test_views_come_before_carts_before_purchases(clean):
    pair = ["customer_id", "product_id"]
    first = {
        action: transactions(clean)
        .filter(pl.col("action") == action)
        .group_by(pair)
        .agg(pl.col("at").min().alias(action))
        for action in ("view", "add_to_cart", "purchase", "rating", "return")
    }
    bought = first["purchase"].join(first["add_to_cart"], on=pair, how="left").join(first["view"], on=pair, how="left")
    assert (bought["view"] < bought["add_to_cart"]).all()
    assert (bought["add_to_cart"] < bought["purchase"]).all()
    assert bought.null_count().sum_horizontal().item() == 0
    for later in ("rating", "return"):
        both = first[later].join(first["purchase"], on=pair, how="left")
        assert both.height and (both[later] > both["purchase"]).all()


def test_simulated_errors_are_counted(small):
    folder, counts = small
    rows, people = transactions(folder), users(folder)
    products = pl.DataFrame(json.loads((folder / "products.json").read_text()))
    once = rows.unique(TRANSACTION)
    signup = once.join(people.unique(), on="customer_id", how="left")
    bought, price = once["action"] == "purchase", once["unit_price"].cast(float)
    actions = pl.Series(["view", "add_to_cart", "purchase", "return", "rating"])
    n_errors = {
        "users.duplicate": people.height - people.unique().height,
        "users.impossible_age": people.unique()["age"].is_in(["-3", "230"]).sum(),
        "products.duplicate": products.height - products.unique().height,
        "products.negative_price": (products.unique()["price"] < 0).sum(),
        "transactions.duplicate": rows.height - once.height,
        "transactions.orphan_customer": (
            ~once["customer_id"].drop_nulls().is_in(people["customer_id"].implode())
        ).sum(),
        "transactions.orphan_product": (~once["product_id"].is_in(products["product_id"].implode())).sum(),
        "transactions.missing_customer": once["customer_id"].null_count(),
        "transactions.unknown_action": (~once["action"].is_in(actions.implode())).sum(),
        "transactions.impossible_price": (bought & (price <= 0)).sum(),
        "transactions.impossible_quantity": (bought & (once["quantity"] == "0")).sum(),
        "transactions.impossible_rating": (~once["rating"].drop_nulls().cast(int).is_between(1, 5)).sum(),
        "transactions.unparsable_timestamp": once["at"].null_count(),
        "transactions.future_timestamp": (once["at"].dt.year() > 2090).sum(),
        "transactions.before_signup": (signup["at"].dt.date() < signup["signup_date"]).sum(),
    }
    assert n_errors == {kind: counts[kind] for kind in n_errors}
    assert set(n_errors) == {kind for kind in counts if "." in kind} - {"transactions.late"}
    assert all(n > 0 for n in n_errors.values())


def test_late_rows_are_delivered_a_few_days_later(small):
    folder, counts = small
    rows = transactions(folder)
    waited = (rows["file_day"] - rows["at"].dt.date()).dt.total_days()
    late = ((waited >= 1) & (waited <= 3)).sum()
    slack = counts["transactions.duplicate"] + counts["transactions.before_signup"]  # some of these look late too
    assert 0 < counts["transactions.late"] <= late <= counts["transactions.late"] + slack


def test_errors_leave_other_rows_unchanged(small, clean):
    folder, counts = small
    dirty = transactions(folder).select(TRANSACTION).unique()
    same = dirty.join(transactions(clean).select(TRANSACTION), on=TRANSACTION, how="semi", nulls_equal=True)
    changed = sum(n for kind, n in counts.items() if kind.startswith("transactions."))
    changed -= counts["transactions.late"] + counts["transactions.duplicate"]
    assert dirty.height - same.height == changed
    assert dirty.height == transactions(clean).height


def test_purchases_reflect_tastes(clean):
    """Two purchases of one user share a category more often than two purchases of different users."""
    products = pl.DataFrame(json.loads((clean / "products.json").read_text())).drop_nulls("category")
    bought = transactions(clean).filter(pl.col("action") == "purchase").join(products, on="product_id")
    bought = bought.unique(["customer_id", "product_id"]).sort("customer_id", "product_id")  # repeats would be too easy
    same_user = bought["customer_id"] == bought["customer_id"].shift(1)
    other = bought["category"].gather(np.random.default_rng(0).permutation(bought.height))
    together = (bought["category"] == bought["category"].shift(1)).filter(same_user).mean()
    assert together > 1.5 * (bought["category"] == other).mean()


def test_consumables_are_bought_again(clean):
    products = pl.DataFrame(json.loads((clean / "products.json").read_text()))
    bought = transactions(clean).filter(pl.col("action") == "purchase").join(products, on="product_id")
    used_up = pl.Series([category.name for category in CATEGORIES if category.interval])
    bought = bought.drop_nulls("category").with_columns(used_up=pl.col("category").is_in(used_up.implode()))
    pairs = bought.group_by("customer_id", "product_id", "used_up").agg(pl.col("order_id").n_unique())
    again = dict(pairs.group_by("used_up").agg((pl.col("order_id") > 1).mean()).iter_rows())
    assert again[True] > 2 * again[False]


CYCLE = {category.name: category.interval for category in CATEGORIES}
NOUNS = sorted((noun for category in CATEGORIES for noun in category.nouns), key=len, reverse=True)


def purchases(folder: Path) -> pl.DataFrame:
    """Purchases with their product's category, list price and noun, and the day."""
    products = pl.DataFrame(json.loads((folder / "products.json").read_text()))
    title = pl.col("title")
    named = [pl.when(title.str.contains(noun, literal=True)).then(pl.lit(noun)) for noun in NOUNS]
    products = products.with_columns(noun=pl.coalesce(named))
    bought = transactions(folder).filter(pl.col("action") == "purchase").join(products, on="product_id")
    return bought.with_columns(pl.col("unit_price").cast(float), day=pl.col("at").dt.date())


@pytest.fixture(scope="module", params=[1, 2, 3])
def seeded_folder(request, tmp_path_factory) -> tuple[Path, int]:
    """A clean shop and its seed; tests hold for each of several seeds."""
    folder = tmp_path_factory.mktemp("seeded")
    simulate(SEEDED, request.param, folder)
    return folder, request.param


@pytest.fixture(scope="module")
def seeded(seeded_folder) -> pl.DataFrame:
    return purchases(seeded_folder[0])


def test_hardly_anybody_buys_the_same_durable_more_than_twice(seeded):
    durable = seeded.filter(pl.col("category").replace_strict(CYCLE, default=None) == 0)
    times = durable.group_by("customer_id", "product_id").agg(n=pl.col("order_id").n_unique())
    assert (times["n"] > 1).mean() < 0.01
    assert times.filter(pl.col("n") > 2)["customer_id"].n_unique() < 0.005 * durable["customer_id"].n_unique()
    assert times["n"].max() <= 4


def test_intervals_of_a_consumable_peak_at_its_cycle(seeded):
    pair = ["customer_id", "product_id"]
    again = seeded.filter(pl.col("category").replace_strict(CYCLE, default=0) > 0).sort(*pair, "at")
    gap = (pl.col("day") - pl.col("day").shift(1).over(pair)).dt.total_days()
    gaps = again.select(cycles=gap / pl.col("category").replace_strict(CYCLE, default=None)).drop_nulls()["cycles"]
    shares, _ = np.histogram(gaps, bins=[0, 0.25, 0.75, 1.25, 1.75, 100])
    assert shares.argmax() == 2
    assert shares[2] > 0.5 * shares.sum()
    assert shares[0] < 0.05 * shares.sum()  # nobody refills at once


def test_complements_are_bought_together_more_often_than_by_chance(seeded):
    orders = seeded.select("order_id", "noun").unique()
    n_orders, n_of = orders["order_id"].n_unique(), dict(orders["noun"].value_counts().iter_rows())
    both = orders.join(orders, on="order_id").group_by("noun", "noun_right").len()
    together = {(noun, other): n for noun, other, n in both.iter_rows()}
    found = sum(together.get(pair, 0) for pair in COMPLEMENTS)
    by_chance = sum(n_of.get(noun, 0) * n_of.get(other, 0) / n_orders for noun, other in COMPLEMENTS)
    assert found > 3 * by_chance


def test_promoted_days_sell_more_at_lower_prices(seeded_folder):
    """Purchases of durables on promoted days, against what the product's other days would let expect."""
    folder, seed = seeded_folder
    catalogue = shop._catalogue(SEEDED, shop._calendar(SEEDED), np.random.default_rng([seed, 0]))  # the shop's own
    item_of = dict(zip(catalogue.number.tolist(), range(SEEDED.n_items), strict=True))
    bought = purchases(folder).with_columns(item=pl.col("product_id").str.strip_prefix("P").cast(int))
    item = np.array([item_of[number] for number in bought["item"]])
    day = (bought["day"] - date(2025, 1, 1)).dt.total_days().to_numpy()
    off = catalogue.discount[item, day] / 100
    as_promised = np.isclose(bought["unit_price"], bought["price"] * (1 - off), atol=0.0051)
    assert as_promised.mean() > 0.98  # visits that pass midnight pay the first day's price
    usual = (catalogue.discount > 0).mean(axis=1)[item]  # chance that a day taken at random is promoted
    durable = catalogue.interval[item] == 0  # refills do not wait for a promotion
    assert (off > 0)[durable].sum() > 1.25 * usual[durable].sum()


def test_titles_are_readable_and_some_are_awkward(clean):
    titles = [product["title"] for product in json.loads((clean / "products.json").read_text())]
    assert all(len(title.split()) >= 3 for title in titles)
    for awkward in ("&", '"', "<b>bold</b>", "日本"):
        assert any(awkward in title for title in titles)


@pytest.mark.parametrize(
    "size",
    [
        TINY,
        ShopSize(n_users=1, n_items=1, n_orders=1, n_days=1),
        ShopSize(n_users=1, n_items=40, n_orders=50, n_days=30),
        ShopSize(n_users=50, n_items=1, n_orders=20, n_days=400, start="2023-07-15"),
        ShopSize(n_users=5_000, n_items=30, n_orders=3, n_days=10, dirt_rate=0.9),
    ],
)
def test_small_shops_work(size, tmp_path):
    counts = simulate(size, 3, tmp_path)
    assert transactions(tmp_path).height == counts["transactions"] > 0
    assert users(tmp_path).height == counts["users"] >= size.n_users
    assert len(json.loads((tmp_path / "products.json").read_text())) == counts["products"] >= size.n_items


@pytest.mark.parametrize(
    ("name", "value"),
    [("n_users", 0), ("n_items", -1), ("n_orders", 0), ("n_days", 0), ("dirt_rate", 1.0), ("start", "2025-13-01")],
)
def test_impossible_sizes_are_refused(name, value, tmp_path):
    with pytest.raises(UserError, match=f"simulate.{name}: '?{value}"):
        simulate(replace(TINY, **{name: value}), 1, tmp_path)
    assert not any(tmp_path.iterdir())
