"""What models that read features learn from: candidates at earlier cuts, and what followed them.

A *lesson* has one row per candidate of some users at an earlier cut: what sources and feature store knew of it then
(see `candidates`), and whether the user took it in the window that followed (`label`). Cuts lie one below the other.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import polars as pl
from scipy.stats import rankdata

from recomart_lib.core import parallel
from recomart_lib.core.schemas import TIMESTAMP
from recomart_lib.models.base import TrainData
from recomart_lib.models.boosted_trees import numbers
from recomart_lib.prepare import splits
from recomart_lib.train import candidates
from recomart_lib.train.train_data import Tables, taught

log = logging.getLogger(__name__)

KEPT = 0.1  # share of the candidates that were not taken which a lesson keeps: they are many, and alike
KEYS = {"user_id": pl.String, "item_id": pl.String, "as_of": TIMESTAMP, "label": pl.Int32}


def learn(
    names: Iterable[str], events: pl.DataFrame, facts: dict[str, Any], service: str, n_users: int, seed: int
) -> pl.DataFrame:
    """The lessons of past cuts (see `lesson`), one below the other; the sources of each are fitted at its cut."""
    cuts, horizon = splits.cuts(facts), timedelta(days=facts["horizon_days"])

    def learned(name: str) -> pl.DataFrame:
        window = splits.split(events, splits.Window(name, cuts[name], cuts[name] + horizon), facts["relevant_events"])
        users = drawn(window, cuts[name], n_users, seed)
        return lesson(taught(window, name, events, facts, service, only=users), window, users, seed)

    return together(pl.DataFrame(schema=KEYS), *parallel.each(learned, names, "lessons of past cuts", "cut"))


def together(*lessons: pl.DataFrame) -> pl.DataFrame:
    """Lessons, one below the other."""
    return pl.concat(lessons, how="diagonal")


def before_valid(facts: dict[str, Any]) -> list[str]:
    """The names of the cuts that valid and test learn from, and that nobody is judged by."""
    return [name for name in splits.cuts(facts) if name not in ("validation", "test", "live")]


def drawn(window: Tables, cut: datetime, n_users: int, seed: int) -> np.ndarray:
    """At most `n_users` user_idx, in ascending order, of those who took a known item in the window, at random."""
    answered = splits.relevant(window["holdout"], "all")
    eager = window["users"].join(answered, on="user_id", how="semi").get_column("user_idx").sort().to_numpy()
    rng = np.random.default_rng([seed, 0, int(cut.timestamp())])
    return np.sort(rng.choice(eager, min(n_users, len(eager)), replace=False))


def lesson(data: TrainData, window: Tables, users: np.ndarray, seed: int) -> pl.DataFrame:
    """One row per candidate of these users (see `drawn`): user_id, item_id, as_of, label (1: taken in the window), and
    the columns of `candidates`. Of the candidates that they did not take, a share of `KEPT` is drawn.
    """
    answered = splits.relevant(window["holdout"], "all")
    rng = np.random.default_rng([seed, 1, int(data.cut.timestamp())])
    rows = data.candidates(users).join(window["users"], on="user_idx").join(window["items"], on="item_idx")
    rows = rows.join(answered.with_columns(label=pl.lit(1, pl.Int32)), on=["user_id", "item_id"], how="left")
    rows = rows.with_columns(pl.col("label").fill_null(0), as_of=pl.lit(data.cut).cast(TIMESTAMP))
    rows = rows.sort("user_id", "item_id")
    kept = rows.filter((pl.col("label") == 1) | pl.Series(rng.random(rows.height) < KEPT))
    return kept.select(*KEYS, pl.exclude(*KEYS, "user_idx", "item_idx"))


def describe(taught_by: dict[str, TrainData]) -> pl.DataFrame:
    """One row per window: window, cuts, rows and users of its lessons, taken (share of rows), columns."""
    rows = []
    for name, data in taught_by.items():
        table = data.lesson
        if table is None or not table.height:
            rows.append((name, 0, 0, 0, None, 0))
            continue
        rows.append(
            (
                name,
                table.get_column("as_of").n_unique(),
                table.height,
                table.get_column("user_id").n_unique(),
                table.get_column("label").mean(),
                len(numbers(table)),
            )
        )
    columns = {
        "window": pl.String,
        "cuts": pl.Int64,
        "rows": pl.Int64,
        "users": pl.Int64,
        "taken": pl.Float64,
        "columns": pl.Int64,
    }
    return pl.DataFrame(rows, schema=columns, orient="row")


def signal(table: pl.DataFrame | None) -> pl.DataFrame:
    """How well each numeric feature alone tells what is taken again among the own items of a lesson.

    Returns
    -------
    DataFrame
        One row per feature that varies: feature, auc (area under the ROC curve; nulls count as smallest), low, high
        (95 % interval), n; the furthest from 0.5 first. Empty where a lesson has one kind of answer only.

    Source
    ------
    Hanley and McNeil, The meaning and use of the area under a ROC curve, 1982 (the interval).
    """
    columns = {"feature": pl.String, "auc": pl.Float64, "low": pl.Float64, "high": pl.Float64, "n": pl.Int64}
    table = None if table is None or not table.height else table.filter("own")
    if table is None or table.get_column("label").n_unique() < 2:
        return pl.DataFrame(schema=columns)
    label = table.get_column("label").to_numpy() == 1
    rows = []
    for name in (name for name in numbers(table) if not candidates.is_of_source(name)):
        values = table.get_column(name).cast(pl.Float64)
        if values.n_unique() > 1:
            rows.append((name, *_auc(values.fill_null(-np.inf).to_numpy(), label), len(label)))
    found = pl.DataFrame(rows, schema=columns, orient="row")
    return found.sort((pl.col("auc") - 0.5).abs(), "feature", descending=[True, False])


def _auc(values: np.ndarray, label: np.ndarray) -> tuple[float, float, float]:
    n, m = int(label.sum()), int((~label).sum())
    auc = (rankdata(values)[label].sum() - n * (n + 1) / 2) / (n * m)
    both, neither = auc / (2 - auc), 2 * auc**2 / (1 + auc)
    variance = (auc * (1 - auc) + (n - 1) * (both - auc**2) + (m - 1) * (neither - auc**2)) / (n * m)
    half = 1.96 * float(np.sqrt(max(variance, 0)))
    return float(auc), max(float(auc) - half, 0.0), min(float(auc) + half, 1.0)
