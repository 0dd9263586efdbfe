"""Gradient-boosted trees on tables of numbers. Only this module imports LightGBM."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl

from recomart_lib.core import parallel
from recomart_lib.models import leaf_masks

KEYS = ("user_id", "item_id", "user_idx", "item_idx", "as_of", "label")
MAX_BINS = 63  # of a column's values: as good as 255 here, and faster
# the same bytes in every run, with any number of threads; by column: a tree reads a share of the columns only
DETERMINISTIC = {"deterministic": True, "force_col_wise": True, "verbosity": -1}


def numeric_columns(rows: pl.DataFrame) -> list[str]:
    """The numeric columns that the trees use, in their order."""
    return [name for name, dtype in rows.schema.items() if name not in KEYS and dtype.is_numeric()]


def fit(
    rows: pl.DataFrame, columns: list[str], n_trees: int, group: np.ndarray | None = None, **settings: Any
) -> np.ndarray:
    """Trees that separate rows with `label` 1 from rows with label 0, in LightGBM's text format: uint8 (n_bytes,).

    Parameters
    ----------
    group
        Sizes of the consecutive groups of rows that are compared with each other, for the objective lambdarank.
    settings
        LightGBM's own parameters.
    """
    import lightgbm  # imports in half a second: only if used

    n_threads = parallel.n_threads()
    parameters = {"max_bin": MAX_BINS, "num_threads": n_threads, **DETERMINISTIC}
    label = rows.get_column("label").to_numpy()
    table = lightgbm.Dataset(_matrix(rows, columns), label, group=group, feature_name=columns, params=parameters)
    trees = lightgbm.train({**parameters, **settings}, table, num_boost_round=n_trees)
    # the number of threads does not affect the trees
    text = trees.model_to_string().replace(f"[num_threads: {n_threads}]", "[num_threads: 0]")
    return np.frombuffer(text.encode(), dtype=np.uint8)


def score(trees: np.ndarray, rows: pl.DataFrame) -> np.ndarray:
    """The trees' raw scores (n_rows,): log odds, or the ranker's own scale.

    `rows` need the columns of `fit`. Where they have user_idx (item_idx), columns named user__ (item__) depend on it
    alone.
    """
    if not rows.height:
        return np.empty(0)
    if masks := leaf_masks.of_text(trees.tobytes()):
        return masks.score(rows)
    booster = _booster(trees)
    return booster.predict(_matrix(rows, booster.feature_name()), raw_score=True, num_threads=parallel.n_threads())


def contributions(trees: np.ndarray, rows: pl.DataFrame) -> pl.DataFrame:
    """The contribution of each column to each row's raw score: exact Shapley values of the trees.

    Returns
    -------
    DataFrame
        One row per row (`row`: its number) and column: row, feature, value, contribution; the largest absolute
        contribution first. The feature `(all)` is the mean score; including it, they sum to the row's score.

    Source: Lundberg et al., From local explanations to global understanding with explainable AI for trees, 2020.
    """
    booster = _booster(trees)
    columns = booster.feature_name()
    values = _matrix(rows, columns)
    contributions = booster.predict(values, pred_contrib=True, num_threads=parallel.n_threads())
    padded = np.pad(values.astype(np.float64), ((0, 0), (0, 1)), constant_values=np.nan)
    table = pl.DataFrame(
        {
            "row": np.repeat(np.arange(rows.height), len(columns) + 1),
            "feature": [*columns, "(all)"] * rows.height,
            "value": pl.Series(padded.ravel()).fill_nan(None),
            "contribution": contributions.ravel(),
        }
    )
    return _largest_first(table)


def summed(tables: list[pl.DataFrame]) -> pl.DataFrame:
    """The contributions to the sum of the scores of several rankers: see `contributions`."""
    if len(tables) == 1:
        return tables[0]
    together = pl.concat(tables).group_by("row", "feature").agg(pl.first("value"), pl.sum("contribution"))
    return _largest_first(together)


def _largest_first(contributions: pl.DataFrame) -> pl.DataFrame:
    return contributions.sort("row", pl.col("contribution").abs(), "feature", descending=[False, True, False])


def _booster(trees: np.ndarray) -> Any:
    import lightgbm

    return lightgbm.Booster(model_str=trees.tobytes().decode())


def _matrix(rows: pl.DataFrame, columns: list[str]) -> np.ndarray:
    """(n_rows, n_columns) float32; null is NaN, which the trees handle separately."""
    return rows.select(pl.col(columns).cast(pl.Float32)).to_numpy()
