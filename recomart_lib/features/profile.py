"""The profile of features: nulls, ranges, redundancy, and drift from one cut to the next."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import polars as pl

from recomart_lib.core.numbers import varies
from recomart_lib.core.text import plural
from recomart_lib.features.base import KEYS
from recomart_lib.features.definitions import names
from recomart_lib.features.moments import Moments
from recomart_lib.validate.drift import psi

N_CORRELATED, SEED = 20_000, 19
WEAK = 0.3  # rank correlations below it are not listed
N_BINS = 10  # bins with equally many values at the earlier cut

Tables = Mapping[str, pl.LazyFrame]


def profile(before: Tables, now: Tables) -> pl.DataFrame:
    """One row per feature: entity, feature, nulls (share), low (5 %), median, high (95 %), most_common, psi.

    `psi` is the population stability index between the two tables: 0 = the same distribution; nulls are a bin of their
    own. Null where one of the tables is empty.
    """
    rows = []
    for entity, table in now.items():
        earlier = before[entity]
        for name in names(entity):
            values = column(table, name)
            row = {"entity": entity, "feature": name, **_described(values), "psi": _psi(column(earlier, name), values)}
            rows.append(row)
    types = {"low": pl.Float64, "median": pl.Float64, "high": pl.Float64, "most_common": pl.String, "psi": pl.Float64}
    return pl.DataFrame(rows, schema_overrides=types)


@dataclass(frozen=True)
class Correlations:
    """Rank correlations: `matrix` has one row and one column per name; null values count for no pair of columns."""

    names: list[str]
    matrix: np.ndarray
    n_rows: int
    of_rows: int

    @property
    def sample(self) -> str:
        """On how many rows they were computed, in words."""
        if self.n_rows < self.of_rows:
            return f"sample: {self.n_rows:,} of {self.of_rows:,} rows"
        return plural(self.of_rows, "row")


def correlations(table: pl.LazyFrame, features: Sequence[str]) -> Correlations:
    """Rank correlations of those of the features that are numeric and vary.

    They are computed on at most N_CORRELATED rows, drawn with a fixed seed.
    """
    n_rows = table.select(pl.len()).collect().item()
    rows = np.arange(n_rows)
    if n_rows > N_CORRELATED:
        rows = np.sort(np.random.default_rng(SEED).choice(n_rows, N_CORRELATED, replace=False))
    sample = pl.DataFrame([column(table, name).gather(rows) for name in features])
    numeric = [name for name, _ in varying(sample.lazy(), features)]
    matrix = sample.select(numeric).to_pandas().corr("spearman").to_numpy()
    return Correlations(numeric, matrix, len(rows), n_rows)


def redundant(correlated: Correlations, at_least: float = 0.95) -> pl.DataFrame:
    """One row per pair of features with at least this absolute rank correlation: one, other, correlation."""
    numeric, matrix = correlated.names, correlated.matrix
    upper = np.triu(np.abs(np.nan_to_num(matrix)), 1)
    pairs = [(numeric[i], numeric[j], matrix[i, j]) for i, j in zip(*np.nonzero(upper >= at_least), strict=True)]
    columns = {"one": pl.String, "other": pl.String, "correlation": pl.Float64}
    strength = pl.col("correlation").abs()
    return pl.DataFrame(pairs, schema=columns, orient="row").sort(
        strength, "one", "other", descending=[True, False, False]
    )


def strongest(correlated: Mapping[str, Correlations], n: int = 15) -> pl.DataFrame:
    """The `n` pairs of features of each entity with the strongest rank correlation, from `WEAK` on: entity, one, other,
    correlation.

    For those who cannot see the colours of a large map, which has no values.
    """
    tables = [redundant(each, WEAK).head(n).with_columns(entity=pl.lit(entity)) for entity, each in correlated.items()]
    return pl.concat(tables).select("entity", "one", "other", pl.col("correlation").round(3))


def sizes(cuts: dict[str, datetime], features: Moments) -> pl.DataFrame:
    """One row per cut: its name, the moment, and the number of users, items and pairs with an earlier event."""
    rows = [
        (name, f"{moment:%Y-%m-%d %H:%M}", *(features[name].n_rows(entity) for entity in KEYS))
        for name, moment in cuts.items()
    ]
    return pl.DataFrame(rows, schema=["cut", "as_of", "users", "items", "pairs"], orient="row")


def _described(values: pl.Series) -> dict[str, object]:
    present = values.drop_nulls()
    statistics: dict[str, object] = {
        "nulls": values.null_count() / max(len(values), 1),
        "low": None,
        "median": None,
        "high": None,
        "most_common": None,
    }
    if not len(present):
        return statistics
    if values.dtype == pl.String:
        return statistics | {
            "most_common": present.value_counts().sort("count", values.name, descending=[True, False])[0, 0]
        }
    ordered = present.sort()  # once for the three
    return statistics | {"low": ordered.quantile(0.05), "median": ordered.median(), "high": ordered.quantile(0.95)}


def _psi(before: pl.Series, now: pl.Series) -> float | None:
    """Numbers are compared at two significant digits: a smaller common shift of many equal values is not drift."""
    if not len(before) or not len(now):
        return None
    if before.dtype == pl.String:
        words = pl.concat([before, now]).unique().sort().to_list()  # sorted: sums of floats depend on the order
        counts = [dict(series.value_counts().iter_rows()) for series in (now, before)]
        return psi(*(np.array([count.get(word, 0) for word in words]) for count in counts))
    before, now = (series.cast(pl.Float64).round_sig_figs(2) for series in (before, now))
    values = before.drop_nulls().to_numpy()
    edges = np.unique(np.quantile(values, np.linspace(0, 1, N_BINS + 1)[1:-1])) if len(values) else np.empty(0)
    return psi(*(_binned(series, edges) for series in (now, before)))


def _binned(values: pl.Series, edges: np.ndarray) -> np.ndarray:
    """Counts per bin, nulls last."""
    numbers = values.drop_nulls().to_numpy()
    counts = np.bincount(np.searchsorted(edges, numbers, side="left"), minlength=len(edges) + 1)
    return np.append(counts, values.null_count())


def varying(table: pl.LazyFrame, names: Sequence[str]) -> Iterator[tuple[str, np.ndarray]]:
    """Those of the columns that are numeric and whose values differ by more than rounding: name, values without nulls.

    Each column is read once, and only one is in memory.
    """
    schema = table.collect_schema()
    for name in names:
        if schema[name].is_numeric():
            values = column(table, name).drop_nulls().cast(pl.Float64).to_numpy()
            if varies(values):
                yield name, values


def column(table: pl.LazyFrame, name: str) -> pl.Series:
    """One column of a table that may be too large for memory."""
    return table.select(name).collect().to_series()
