"""Published figures, reproduced from the raw files: an evaluator that cannot do this is wrong.

Everything is read directly with Polars, past the pipeline: what is tested here are the models and the metrics.
"""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from recomart_lib import metrics, models
from recomart_lib.models.base import TrainData
from recomart_lib.models.ranking import recommend
from recomart_lib.schemas import INTERACTIONS

DATA = Path(os.environ.get("RECOMART_DATA", Path(__file__).resolve().parents[2] / "shared" / "data"))
CUT = datetime(2011, 11, 1, tzinfo=UTC)
K = 10

pytestmark = [
    pytest.mark.real_data,
    pytest.mark.skipif(not DATA.is_dir(), reason=f"KNOWN ANSWERS NOT CHECKED: no data at {DATA}; set RECOMART_DATA"),
]


def with_index(pairs: pl.DataFrame) -> pl.DataFrame:
    """user_idx and item_idx: the rank of the sorted id."""
    return pairs.with_columns(
        user_idx=pl.col("user_id").rank("dense").cast(pl.Int32) - 1,
        item_idx=pl.col("item_id").rank("dense").cast(pl.Int32) - 1,
    )


def judged(model: models.ArrayModel, data: TrainData, pairs: pl.DataFrame, mask: bool) -> dict[str, float]:
    """Mean metrics of a fitted model; `pairs` are the relevant user_idx and item_idx."""
    users = pairs["user_idx"].unique().sort().to_numpy()
    lists = recommend(model, users, K, data.relevant if mask else None)
    names = {"user_idx": "user_id", "item_idx": "item_id"}
    table = metrics.per_user(lists.rename(names), pairs.select(*names).rename(names), [K])
    return {name: table[f"{name}@{K}"].mean() for name in metrics.NAMES} | {"users": table.height}


# C: UCI Online Retail, global time split -----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def retail() -> tuple[TrainData, dict[str, pl.DataFrame]]:
    """Train data, and the relevant pairs of both protocols."""
    types = {"InvoiceNo": pl.String, "StockCode": pl.String, "CustomerID": pl.String}
    rows = pl.read_csv(DATA / "online_retail" / "*.csv", schema_overrides=types, try_parse_dates=False)
    sales = rows.filter(pl.col("CustomerID").is_not_null(), pl.col("Quantity") > 0, pl.col("UnitPrice") > 0).select(
        user_id="CustomerID", item_id="StockCode", order_id="InvoiceNo",
        timestamp=pl.col("InvoiceDate").str.to_datetime(time_unit="us", time_zone="UTC"),
    )  # fmt: skip
    known = sales.filter(pl.col("timestamp") < CUT).group_by("user_id", "item_id").agg(
        n_events=pl.len().cast(pl.Int64), n_relevant=pl.len().cast(pl.Int64),
        n_orders=pl.col("order_id").n_unique().cast(pl.Int64), weight=pl.len().cast(pl.Float64),
        last_timestamp=pl.col("timestamp").max(), last_relevant_timestamp=pl.col("timestamp").max(),
        rating=pl.lit(None, pl.Float64),
    )  # fmt: skip
    known = with_index(known)
    users, items = known.select("user_id", "user_idx").unique(), known.select("item_id", "item_idx").unique()
    window = sales.filter(pl.col("timestamp").is_between(CUT, CUT + timedelta(days=30), closed="left"))
    pairs = window.select("user_id", "item_id").unique().join(users, on="user_id").join(items, on="item_id")
    novel = pairs.join(known, on=["user_idx", "item_idx"], how="anti")
    return TrainData.of(known, users.height, items.height, CUT), {"all": pairs, "novel": novel}


def test_online_retail_has_the_published_size(retail):
    data, relevant = retail
    assert (data.interactions.height, data.n_users, data.n_items) == (221_384, 3_974, 3_613)
    assert [relevant[name]["user_idx"].n_unique() for name in ("all", "novel")] == [1_340, 1_246]
    ceilings = [metrics.ceilings(relevant[name].select("user_id", "item_id"), K)["precision@10"] for name in relevant]
    assert ceilings == pytest.approx([0.9068, 0.8063], abs=5e-5)


@pytest.mark.parametrize(
    ("name", "hyper", "tolerance", "all_", "novel"),
    [
        ("popularity", {}, 5e-5, (0.0755, 0.0313, 0.0833, 0.4619), (0.0339, 0.0196, 0.0374, 0.2536)),
        ("recent_popularity", {"window_days": 30}, 5e-5, (0.1172, 0.0501, 0.1312, 0.5925),
         (0.0658, 0.0395, 0.0772, 0.4053)),
        ("own_history", {}, 5e-5, (0.2859, 0.1701, 0.3380, 0.8530), None),
        ("own_history_decayed", {"decay_days": 60}, 5e-5, (0.2891, 0.1741, 0.3429, 0.8515), None),
        ("ease", {"reg": 200}, 5e-5, (0.2328, 0.1179, 0.2567, 0.7045), (0.0776, 0.0657, 0.0984, 0.4599)),
        ("als", {"n_factors": 64, "reg": 5, "alpha": 2, "n_epochs": 15, "seed": 0}, 0.005,
         (0.2366, 0.1304, 0.2743, 0.7701), (0.0777, 0.0626, 0.0984, 0.4502)),
    ],
)  # fmt: skip
def test_online_retail(retail, name, hyper, tolerance, all_, novel):
    data, relevant = retail
    model = models.create(name, **hyper).fit(data)
    for protocol, published in (("all", all_), ("novel", novel)):
        if published:
            found = judged(model, data, relevant[protocol], mask=protocol == "novel")
            values = [found[metric] for metric in ("precision", "recall", "ndcg", "hit_rate")]
            assert values == pytest.approx(published, abs=tolerance), (protocol, found)


# A: MovieLens-100K, the split of recommenders-team/recommenders ------------------------------------------------------


@pytest.fixture(scope="module")
def movielens() -> tuple[TrainData, pl.DataFrame]:
    """Train data, and the test pairs with their ratings."""
    path = DATA / "ml-100k" / "u.data"
    rows = pl.read_csv(path, separator="\t", has_header=False, new_columns=["user_id", "item_id", "rating", "seconds"])
    draws = np.random.RandomState(42).rand(rows.height)
    rows = rows.with_columns(draw=pl.Series(draws)).sort("item_id", "draw")
    place, count = pl.int_range(1, pl.len() + 1).over("item_id"), pl.len().over("item_id")
    is_train = place <= (0.75 * count).round(0, "half_to_even")
    train, test = rows.filter(is_train), rows.filter(~is_train)
    indexed = with_index(train)
    cut = datetime(2000, 1, 1, tzinfo=UTC)
    known = indexed.with_columns(
        pl.col("rating").cast(pl.Float64), weight=pl.lit(1.0), n_events=1, n_relevant=1, n_orders=1,
        last_timestamp=pl.lit(cut - timedelta(days=1)), last_relevant_timestamp=pl.lit(cut - timedelta(days=1)),
    )  # fmt: skip
    users, items = (indexed.select(f"{one}_id", f"{one}_idx").unique() for one in ("user", "item"))
    pairs = test.join(users, on="user_id").join(items, on="item_id")
    data = TrainData.of(known.select(*INTERACTIONS), users.height, items.height, cut)
    assert (train.height, test.height, pairs["user_idx"].n_unique()) == (75_066, 24_934, 943)
    return data, pairs


@pytest.mark.parametrize(
    ("name", "hyper", "published"),
    [("popularity", {}, (0.2524, 0.2287, 0.1132)), ("ease", {"reg": 500}, (0.4829, 0.4198, 0.2277))],
)
def test_movielens(movielens, name, hyper, published):
    data, pairs = movielens
    found = judged(models.create(name, **hyper).fit(data), data, pairs, mask=True)
    assert [found[metric] for metric in ("ndcg", "precision", "recall")] == pytest.approx(published, abs=5e-5)


def test_a_rating_model_is_not_a_ranker(movielens):
    """SVD rates as well as published (its third digit depends on the order of rows), and ranks below popularity."""
    data, pairs = movielens
    svd = models.create("svd", n_factors=150, n_epochs=15, learning_rate=0.005, reg=0.02, seed=42).fit(data)
    estimates = pairs.select("user_id", "item_id", pl.col("rating").cast(pl.Float64), model=pl.lit("svd")).with_columns(
        estimate=pl.Series(svd.estimate(pairs["user_idx"].to_numpy(), pairs["item_idx"].to_numpy()))
    )
    errors = metrics.rating_errors(estimates)["svd"]
    assert (errors["rmse"], errors["mae"]) == pytest.approx((0.94251, 0.74475), abs=0.005)
    found = judged(svd, data, pairs, mask=True)
    assert (found["ndcg"], found["precision"], found["recall"]) == pytest.approx((0.0944, 0.0891, 0.0301), abs=0.01)
    assert found["ndcg"] < 0.2524  # popularity


@pytest.mark.slow
def test_svdpp_rates_as_surprise_publishes():
    """The first of the folds over which Surprise's table takes the mean: KFold(random_state=0), seed 0, defaults."""
    path = DATA / "ml-100k" / "u.data"
    rows = pl.read_csv(path, separator="\t", has_header=False, new_columns=["user_id", "item_id", "rating", "seconds"])
    rows = with_index(rows).with_columns(pl.col("rating").cast(pl.Float64))
    order = np.arange(rows.height)
    np.random.RandomState(0).shuffle(order)
    train, test = rows[np.sort(order[rows.height // 5 :])], rows[order[: rows.height // 5]]
    cut = datetime(2000, 1, 1, tzinfo=UTC)
    known = train.with_columns(
        weight=pl.lit(1.0), n_events=1, n_relevant=1, n_orders=1,
        last_timestamp=pl.lit(cut - timedelta(days=1)), last_relevant_timestamp=pl.lit(cut - timedelta(days=1)),
    )  # fmt: skip
    data = TrainData.of(known.select(*INTERACTIONS), 943, 1_682, cut)
    svdpp = models.create("svdpp", seed=0).fit(data)
    estimate = svdpp.estimate(test["user_idx"].to_numpy(), test["item_idx"].to_numpy())
    found = metrics.rating_errors(
        test.select(pl.col("user_id", "item_id").cast(pl.String), "rating").with_columns(
            estimate=pl.Series(estimate), model=pl.lit("svdpp")
        )
    )["svdpp"]
    assert (found["rmse"], found["mae"]) == pytest.approx((0.919, 0.721), abs=0.01)
