"""Reproduce published figures from the raw files, as a test of our models and metrics.

The data is read directly with Polars, without the pipeline.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import polars as pl
from tqdm.auto import tqdm

from recomart.reference import published
from recomart.reference.published import PublishedResult
from recomart_lib import models
from recomart_lib.core.errors import UserError
from recomart_lib.metrics import ranking
from recomart_lib.metrics.ratings import rating_errors
from recomart_lib.models import base
from recomart_lib.models.base import TrainData
from recomart_lib.models.top_k import recommend

K = 10
RATINGS, SALES = Path("ml-100k/u.data"), Path("online_retail/*.csv")
FILES = {"A": RATINGS, "B": RATINGS, "C": SALES}
ALL_RATED = datetime(1998, 4, 23, tzinfo=UTC)  # A: all ratings are before it
CUT, HORIZON = datetime(2011, 11, 1, tzinfo=UTC), timedelta(days=30)  # C


class Dataset(NamedTuple):
    """The training data and the holdout of a section.

    `relevant` maps a protocol ("all", "novel"; "" if there is only one) to distinct pairs, one per row: user_id,
    item_id, user_idx, item_idx, and rating where there are ratings. Unless it is "all", items that the
    user has in train are not recommended. `sizes` has the figures of `published.SPLIT`.
    """

    data: TrainData
    relevant: dict[str, pl.DataFrame]
    sizes: dict[str, float]


def compare(folder: Path, sections: Sequence[str] = published.SECTIONS) -> pl.DataFrame:
    """Reproduce all figures of the sections.

    Parameters
    ----------
    folder
        Contains ml-100k/u.data (A and B) and online_retail/*.csv (C).

    Returns
    -------
    DataFrame
        One row per figure: section, model, metric, published, ours, difference (ours - published), ok.

    Raises
    ------
    UserError
        If there is no such section, or its files are missing.
    """
    for section in sections:
        _check(folder, section)
    results = [result for result in published.RESULTS if result.section in sections]
    datasets, tables = {}, []
    for expected in (bar := tqdm(results, unit="model", disable=None)):
        bar.set_description(f"published figures: {expected.section} {expected.model}")
        if expected.section not in datasets:
            datasets[expected.section] = read(folder, expected.section)
        tables.append(compare_figures(expected, reproduce(expected, datasets[expected.section])))
    return pl.concat(tables)


def require(table: pl.DataFrame) -> None:
    """Raise UserError if a row of `compare` is not ok."""
    missed = table.filter(~pl.col("ok"))
    if missed.height:
        row = missed.row(0, named=True)
        raise UserError(
            f"{missed.height} of {table.height} published figures are not reproduced; the first: {row['metric']} of "
            f"{row['model']} in section {row['section']} is {row['ours']:.5f}, not {row['published']:g}."
        )


def read(folder: Path, section: str) -> Any:
    """The data of a section: a Dataset, or Surprise's own data set (B)."""
    return {"A": movielens, "B": surprise_ratings, "C": online_retail}[section](folder / FILES[section])


def reproduce(expected: PublishedResult, dataset: Any) -> dict[str, float]:
    """Our figures of a model: metric -> value; there may be more than were published."""
    if expected.section == "B":
        return cross_validated(expected, dataset)
    if expected.model == published.SPLIT:
        return dataset.sizes
    return evaluate(models.create(expected.model, **expected.hyper).fit(dataset.data), dataset)


def compare_figures(expected: PublishedResult, ours: dict[str, float]) -> pl.DataFrame:
    """One row per published figure of the model; see `compare`."""
    rows = [
        (
            expected.section,
            expected.model,
            metric,
            float(value),
            float(ours[metric]),
            published.RATING_TOLERANCE if metric in ("rmse", "mae") else expected.ranking_tolerance,
        )
        for metric, value in expected.figures.items()
    ]
    table = pl.DataFrame(rows, ["section", "model", "metric", "published", "ours", "tolerance"], orient="row")
    difference = pl.col("ours") - pl.col("published")
    ok = difference.abs() <= pl.col("tolerance") + 1e-9  # differences of decimals are rarely exact
    return table.select(pl.exclude("tolerance"), difference=difference, ok=ok)


def evaluate(model: base.ArrayModel, dataset: Dataset) -> dict[str, float]:
    """Mean metrics of a fitted model, `<protocol> <metric>@10`; with RMSE and MAE if it estimates ratings."""
    figures = {}
    for protocol, pairs in dataset.relevant.items():
        table = per_user(model, dataset, protocol)
        figures |= {f"{protocol} {name}@{K}".strip(): table[f"{name}@{K}"].mean() for name in ranking.NAMES}
        if "rating" in pairs.columns and hasattr(model, "estimate"):
            estimate = pl.Series(model.estimate(pairs["user_idx"].to_numpy(), pairs["item_idx"].to_numpy()))
            rated = pairs.select("user_id", "item_id", "rating", model=pl.lit(model.name), estimate=estimate)
            figures |= rating_errors(rated)[model.name]
    return figures


def per_user(model: base.ArrayModel, dataset: Dataset, protocol: str) -> pl.DataFrame:
    """Like `ranking.per_user`, but map of section A divides by all relevant items, not only those that fit a list."""
    pairs, ids = dataset.relevant[protocol], {"user_idx": "user_id", "item_idx": "item_id"}
    users = pairs["user_idx"].unique().sort().to_numpy()
    lists = recommend(model, users, K, None if protocol == "all" else dataset.data.relevant)
    table = ranking.per_user(lists.rename(ids), pairs.select(*ids).rename(ids), [K])
    n = pl.col("n_relevant")
    return table if protocol else table.with_columns(pl.col(f"map@{K}") * pl.min_horizontal(n, K) / n)


def movielens(path: Path) -> Dataset:
    """Train is the first 75 % of each item's ratings, in the order of `np.random.seed(42); np.random.rand(n)`.

    Users are numbered in the order of the rows sorted by item and draw, and the rows keep this order, which
    `TrainData.of` would change: Surprise's SVD depends on both, in the third digit.
    """
    columns = ["user_id", "item_id", "rating", "seconds"]
    rows = pl.read_csv(path, separator="\t", has_header=False, new_columns=columns, glob=False)
    draws = np.random.RandomState(42).rand(rows.height)
    rows = rows.with_columns(pl.col("rating").cast(pl.Float64), draw=pl.Series(draws)).sort("item_id", "draw")
    position, count = pl.int_range(1, pl.len() + 1).over("item_id"), pl.len().over("item_id")
    is_train = position <= (0.75 * count).round(0, "half_to_even")
    train, test = rows.filter(is_train), rows.filter(~is_train)
    users, items = (train[name].unique(maintain_order=True) for name in ("user_id", "item_id"))
    moment = pl.from_epoch("seconds").dt.cast_time_unit("us").dt.replace_time_zone("UTC")
    known = _with_index(train, users, items).with_columns(
        weight=pl.lit(1.0), n_relevant=1, last_relevant_timestamp=moment
    )
    pairs = _with_index(test, users, items)
    sizes = {"train rows": train.height, "test rows": test.height, "evaluated users": pairs["user_id"].n_unique()}
    return Dataset(TrainData(known, users.len(), items.len(), ALL_RATED), {"": pairs}, sizes)


def surprise_ratings(path: Path) -> Any:
    """The ratings in the order of the file, as Surprise's data set."""
    from surprise import Dataset, Reader  # imported here because it is slow

    return Dataset.load_from_file(str(path), Reader(line_format="user item rating timestamp", sep="\t"))


def cross_validated(expected: PublishedResult, ratings: Any) -> dict[str, float]:
    """RMSE and MAE, means over five folds, of one of Surprise's own algorithms: `expected.model` names its class."""
    import surprise
    from surprise.model_selection import KFold

    folds, tables = KFold(n_splits=5, random_state=0).split(ratings), []
    for fold, (train, test) in enumerate(tqdm(folds, expected.model, total=5, unit="fold", leave=False, disable=None)):
        estimates = getattr(surprise, expected.model)(**expected.hyper).fit(train).test(test)
        rows = [(rating.uid, rating.iid, rating.r_ui, rating.est, str(fold)) for rating in estimates]
        tables.append(pl.DataFrame(rows, ["user_id", "item_id", "rating", "estimate", "model"], orient="row"))
    errors = rating_errors(pl.concat(tables)).values()
    return {name: float(np.mean([fold[name] for fold in errors])) for name in ("rmse", "mae")}


def online_retail(path: Path) -> Dataset:
    """Train: purchases before the cut. Relevant: what known customers buy in the 30 days after it."""
    types = {"InvoiceNo": pl.String, "StockCode": pl.String, "CustomerID": pl.String}
    files = sorted(path.parent.glob(path.name))
    rows = pl.scan_csv(files, schema_overrides=types, try_parse_dates=False, glob=False).collect()
    sales = rows.filter(pl.col("CustomerID").is_not_null(), pl.col("Quantity") > 0, pl.col("UnitPrice") > 0).select(
        user_id="CustomerID",
        item_id="StockCode",
        order_id="InvoiceNo",
        timestamp=pl.col("InvoiceDate").str.to_datetime(time_unit="us", time_zone="UTC"),
    )
    known = _pairs_of(sales.filter(pl.col("timestamp") < CUT))
    window = sales.filter(pl.col("timestamp").is_between(CUT, CUT + HORIZON, closed="left"))
    users, items = (known[name].unique().sort() for name in ("user_id", "item_id"))
    bought = window.select("user_id", "item_id").unique()
    known, bought = (_with_index(pairs, users, items) for pairs in (known, bought))
    relevant = {"all": bought, "novel": bought.join(known, on=["user_idx", "item_idx"], how="anti")}
    customers = window["user_id"].unique()
    sizes = {
        "train pairs": known.height,
        "users": users.len(),
        "items": items.len(),
        "customers in the window": customers.len(),
        "known customers": customers.is_in(users.implode()).sum(),
    }
    for protocol, pairs in relevant.items():
        ceilings = ranking.ceilings(pairs.select("user_id", "item_id"), K)
        sizes |= {
            f"{protocol} evaluated users": pairs["user_id"].n_unique(),
            f"{protocol} attainable precision@{K}": ceilings[f"precision@{K}"],
        }
    return Dataset(TrainData.of(known, users.len(), items.len(), CUT), relevant, sizes)


def _pairs_of(sales: pl.DataFrame) -> pl.DataFrame:
    """One row per customer and product, as `schemas.INTERACTIONS`, without the indices."""
    n, last = pl.len().cast(pl.Int64), pl.col("timestamp").max()
    return sales.group_by("user_id", "item_id").agg(
        n_events=n,
        n_relevant=n,
        n_orders=pl.col("order_id").n_unique().cast(pl.Int64),
        weight=n.cast(pl.Float64),
        last_timestamp=last,
        last_relevant_timestamp=last,
        rating=pl.lit(None, pl.Float64),
    )


def _with_index(rows: pl.DataFrame, users: pl.Series, items: pl.Series) -> pl.DataFrame:
    """user_idx and item_idx: the position of the id in `users` and `items`. Keeps the order of the rows."""
    for ids, name in ((users, "user_idx"), (items, "item_idx")):
        positions = ids.to_frame().with_columns(pl.int_range(pl.len(), dtype=pl.Int32).alias(name))
        rows = rows.join(positions, on=ids.name, maintain_order="left")
    return rows


def _check(folder: Path, section: str) -> None:
    if section not in FILES:
        raise UserError(f"There is no section {section!r} of the published results; choose from {', '.join(FILES)}.")
    if not any(folder.glob(str(FILES[section]))):
        raise UserError(
            f"{folder} has no {FILES[section]}, which section {section} of the published results needs: "
            "pass the folder of the data sets with --data, or set RECOMART_DATA."
        )
