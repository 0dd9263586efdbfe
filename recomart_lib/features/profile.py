"""What the features look like: nulls, ranges, and how much they drift from one cut to the next."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import numpy as np
import polars as pl

from recomart_lib.features.base import KEYS
from recomart_lib.features.definitions import names
from recomart_lib.validate.drift import psi

N_BINS = 10  # bins of equal size, as of the earlier cut

Tables = dict[str, pl.DataFrame]


def profile(before: Tables, now: Tables) -> pl.DataFrame:
    """One row per feature: entity, feature, nulls (share), distinct, low (5 %), median, high (95 %), commonest, psi.

    `psi` is the population stability index between the two tables: 0 = the same distribution; nulls are a bin of their
    own. Null where one of the tables is empty.
    """
    rows = []
    for entity, table in now.items():
        for name in names(entity):
            rows.append(
                {
                    "entity": entity,
                    "feature": name,
                    **_described(table.get_column(name)),
                    "psi": _psi(before[entity].get_column(name), table.get_column(name)),
                }
            )
    types = {"low": pl.Float64, "median": pl.Float64, "high": pl.Float64, "commonest": pl.String, "psi": pl.Float64}
    return pl.DataFrame(rows, schema_overrides=types)


def alike(table: pl.DataFrame, entity: str, at_least: float = 0.95) -> pl.DataFrame:
    """One row per pair of numeric features whose rank correlation is this strong: one, other, correlation."""
    numeric = varying(table, names(entity))
    if len(numeric) < 2:
        return pl.DataFrame(schema={"one": pl.String, "other": pl.String, "correlation": pl.Float64})
    matrix = table.select(numeric).to_pandas().corr("spearman").to_numpy()
    upper = np.triu(np.abs(np.nan_to_num(matrix)), 1)
    pairs = [(numeric[i], numeric[j], matrix[i, j]) for i, j in zip(*np.nonzero(upper >= at_least), strict=True)]
    found = pl.DataFrame(pairs, schema=["one", "other", "correlation"], orient="row", infer_schema_length=None)
    return found.sort(pl.col("correlation").abs(), descending=True) if pairs else found


def sizes(cuts: dict[str, datetime], made: dict[str, Tables]) -> pl.DataFrame:
    """One row per cut: its name, the moment, and the number of users, items and pairs known by then."""
    rows = [
        (name, f"{moment:%Y-%m-%d %H:%M}", *(made[name][entity].height for entity in KEYS))
        for name, moment in cuts.items()
    ]
    return pl.DataFrame(rows, schema=["cut", "as_of", "users", "items", "pairs"], orient="row")


def _described(values: pl.Series) -> dict[str, object]:
    known = values.drop_nulls()
    facts: dict[str, object] = {
        "nulls": values.null_count() / max(len(values), 1),
        "distinct": known.n_unique(),
        "low": None,
        "median": None,
        "high": None,
        "commonest": None,
    }
    if not len(known):
        return facts
    if values.dtype == pl.String:
        return facts | {"commonest": known.value_counts().sort("count", values.name, descending=[True, False])[0, 0]}
    return facts | {"low": known.quantile(0.05), "median": known.median(), "high": known.quantile(0.95)}


def _psi(before: pl.Series, now: pl.Series) -> float | None:
    """Numbers are compared to two significant digits: many equal values that move by less together are no drift."""
    if not len(before) or not len(now):
        return None
    if before.dtype == pl.String:
        words = pl.concat([before, now]).unique().to_list()
        counts = [dict(series.value_counts().iter_rows()) for series in (now, before)]
        return psi(*(np.array([count.get(word, 0) for word in words]) for count in counts))
    before, now = (series.cast(pl.Float64).round_sig_figs(2) for series in (before, now))
    known = before.drop_nulls().to_numpy()
    edges = np.unique(np.quantile(known, np.linspace(0, 1, N_BINS + 1)[1:-1])) if len(known) else np.empty(0)
    return psi(*(_binned(series, edges) for series in (now, before)))


def _binned(values: pl.Series, edges: np.ndarray) -> np.ndarray:
    """Counts per bin, nulls last."""
    known = values.drop_nulls().to_numpy()
    counts = np.bincount(np.searchsorted(edges, known, side="left"), minlength=len(edges) + 1)
    return np.append(counts, values.null_count())


def varying(table: pl.DataFrame, names: Sequence[str]) -> list[str]:
    """The numeric columns among these that have two values or more."""
    return [n for n in names if table.schema[n].is_numeric() and table.get_column(n).drop_nulls().n_unique() > 1]
