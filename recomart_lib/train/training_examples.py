"""Training examples of rankers: the candidates at earlier cuts, and whether they were bought afterwards.

One row is one candidate of a user at an earlier cut: the columns of `candidates` as of that cut, and `label` (1: the
user bought it in the window that followed). Examples of several cuts are stacked.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import polars as pl

from recomart_lib.core import parallel
from recomart_lib.core.schemas import TIMESTAMP
from recomart_lib.models.base import TrainData
from recomart_lib.models.boosted_trees import numeric_columns
from recomart_lib.prepare import splits
from recomart_lib.train import candidates
from recomart_lib.train.train_data import Tables, build_train_data

NEGATIVE_SHARE = 0.1  # share of the candidates that were not bought which is kept: there are many similar ones
# The columns of every table of examples, also of an empty one; the other columns of `candidates` follow.
KEYS = {"user_id": pl.String, "item_id": pl.String, "as_of": TIMESTAMP, "label": pl.Int32, "own": pl.Boolean}
DESCRIPTION = {
    "window": pl.String,
    "cuts": pl.Int64,
    "rows": pl.Int64,
    "users": pl.Int64,
    "bought": pl.Float64,
    "columns": pl.Int64,
}
IMPORTANCE = {"feature": pl.String, "auc": pl.Float64, "low": pl.Float64, "high": pl.Float64, "n": pl.Int64}


def build_training_examples(
    names: Iterable[str], events: pl.DataFrame, split_metadata: dict[str, Any], service: str, n_users: int, seed: int
) -> pl.DataFrame:
    """The examples of past cuts (see `label_candidates`), stacked; the sources of each are fitted at its cut."""
    cuts, horizon = splits.cuts(split_metadata), timedelta(days=split_metadata["horizon_days"])

    def examples_at(name: str) -> pl.DataFrame:
        span = splits.Window(name, cuts[name], cuts[name] + horizon)
        window = splits.split(events, span, split_metadata["relevant_events"])
        users = sample_users(window, cuts[name], n_users, seed)
        data = build_train_data(window, name, events, split_metadata, service, only=users)
        return label_candidates(data, window, users, seed)

    parts = parallel.thread_map(examples_at, names, "training examples of past cuts", "cut")
    return concat(pl.DataFrame(schema=KEYS), *parts)


def concat(*examples: pl.DataFrame) -> pl.DataFrame:
    """Stack tables of examples; columns that one lacks are null."""
    return pl.concat(examples, how="diagonal")


def training_cuts(split_metadata: dict[str, Any]) -> list[str]:
    """The names of the cuts that are used for training examples only, and never for evaluation."""
    return [name for name in splits.cuts(split_metadata) if name not in ("validation", "test", "live")]


def sample_users(window: Tables, cut: datetime, n_users: int, seed: int) -> np.ndarray:
    """A random sample of at most `n_users` user_idx, ascending, of the users who bought a known item in the window."""
    relevant = splits.relevant(window["holdout"], "all")
    buyers = window["users"].join(relevant, on="user_id", how="semi").get_column("user_idx").sort().to_numpy()
    rng = np.random.default_rng([seed, 0, int(cut.timestamp())])
    return np.sort(rng.choice(buyers, min(n_users, len(buyers)), replace=False))


def label_candidates(data: TrainData, window: Tables, users: np.ndarray, seed: int) -> pl.DataFrame:
    """One row per candidate of these users (see `sample_users`).

    Returns
    -------
    DataFrame
        user_id, item_id, as_of, label (1: bought in the window), and the columns of `candidates`. All bought candidates
        are kept, and a random share (`NEGATIVE_SHARE`) of the others.
    """
    relevant = splits.relevant(window["holdout"], "all")
    rng = np.random.default_rng([seed, 1, int(data.cut.timestamp())])
    rows = data.candidates(users)
    keys = rows.select("user_idx", "item_idx").with_row_index("row")  # the many columns, of the sample only
    keys = keys.join(window["users"], on="user_idx").join(window["items"], on="item_idx")
    keys = keys.join(relevant.with_columns(label=pl.lit(1, pl.Int32)), on=["user_id", "item_id"], how="left")
    keys = keys.with_columns(pl.col("label").fill_null(0), as_of=pl.lit(data.cut).cast(TIMESTAMP))
    keys = keys.sort("user_id", "item_id")
    sample = keys.filter((pl.col("label") == 1) | pl.Series(rng.random(keys.height) < NEGATIVE_SHARE))
    columns = rows[sample.get_column("row")].drop("user_idx", "item_idx")
    return pl.concat([sample.drop("row", "user_idx", "item_idx"), columns], how="horizontal").select(
        *KEYS, pl.exclude(*KEYS)
    )


def describe(train_data: dict[str, TrainData]) -> pl.DataFrame:
    """One row per window: window, cuts, rows and users of its examples, bought (share of rows), numeric columns."""
    rows = []
    for name, data in train_data.items():
        table = data.examples
        if table is None or not table.height:
            rows.append((name, 0, 0, 0, None, 0))
            continue
        n_cuts, n_users = (table.get_column(column).n_unique() for column in ("as_of", "user_id"))
        rows.append(
            (name, n_cuts, table.height, n_users, table.get_column("label").mean(), len(numeric_columns(table)))
        )
    return pl.DataFrame(rows, schema=DESCRIPTION, orient="row")


def feature_importance(examples: pl.DataFrame | None) -> pl.DataFrame:
    """How well each numeric feature alone separates items that were bought again from those that were not.

    Of the items in the users' purchase history (`own`); columns of candidate sources are left out.

    Returns
    -------
    DataFrame
        One row per feature that varies: feature, auc (area under the ROC curve; nulls count as smallest), low, high
        (95 % interval), n; the furthest from 0.5 first. Empty where the examples have one label only.

    Source
    ------
    Hanley and McNeil, The meaning and use of the area under a ROC curve, 1982 (the interval).
    """
    own = None if examples is None or not examples.height else examples.filter("own")
    if own is None or own.get_column("label").n_unique() < 2:
        return pl.DataFrame(schema=IMPORTANCE)
    label = own.get_column("label").to_numpy() == 1
    rows = []
    for name in numeric_columns(own):
        values = own.get_column(name).cast(pl.Float64)
        if not candidates.is_source_column(name) and values.n_unique() > 1:
            rows.append((name, *_auc(values.fill_null(-np.inf).to_numpy(), label), len(label)))
    table = pl.DataFrame(rows, schema=IMPORTANCE, orient="row")
    return table.sort((pl.col("auc") - 0.5).abs(), "feature", descending=[True, False])


def _auc(values: np.ndarray, label: np.ndarray) -> tuple[float, float, float]:
    """The area under the ROC curve and its 95 % interval."""
    n, m = int(label.sum()), int((~label).sum())
    ranks = pl.Series(values).rank().to_numpy()  # scipy.stats does the same, and imports in half a second
    auc = (ranks[label].sum() - n * (n + 1) / 2) / (n * m)
    q1, q2 = auc / (2 - auc), 2 * auc**2 / (1 + auc)
    variance = (auc * (1 - auc) + (n - 1) * (q1 - auc**2) + (m - 1) * (q2 - auc**2)) / (n * m)
    half = 1.96 * float(np.sqrt(max(variance, 0)))
    return float(auc), max(float(auc) - half, 0.0), min(float(auc) + half, 1.0)
