"""Model comparison: paired tests, slices of users, and who is worse off."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import polars as pl

from recomart_lib.core.errors import UserError
from recomart_lib.metrics import intervals

UNKNOWN = "unknown"


def compare(table: pl.DataFrame, reference: str, metric: str) -> pl.DataFrame:
    """Compare the reference with every other model in a test paired over users.

    Returns
    -------
    DataFrame
        One row per other model, best mean first: model, reference, metric, n (users), mean (of the other model),
        difference (reference minus model: a plus is good for the reference), low, high (95 % t-interval of the
        difference), p_value, p_holm (corrected for the number of models).
    """
    values = _wide(table, metric)
    names = [name for name in values if name != reference]
    tests = [intervals.paired_test(_values_of(values, reference), values[name]) for name in names]
    columns = {
        "model": pl.Series(names, dtype=pl.String),
        "reference": pl.Series([reference] * len(names), dtype=pl.String),
        "metric": pl.Series([metric] * len(names), dtype=pl.String),
        "n": pl.Series([test.n for test in tests], dtype=pl.Int64),
        "mean": pl.Series([float(values[name].mean()) for name in names], dtype=pl.Float64),
        **{
            key: pl.Series([getattr(test, key) for test in tests], dtype=pl.Float64)
            for key in ("difference", "low", "high", "p_value")
        },
        "p_holm": pl.Series(intervals.holm([test.p_value for test in tests]), dtype=pl.Float64),
    }
    return pl.DataFrame(columns).sort("mean", "model", descending=[True, False])


def compare_groups(table: pl.DataFrame, by: str, model: str, rival: str, metric: str, min_users: int) -> pl.DataFrame:
    """Compare two models within each group of users, paired over its users.

    Parameters
    ----------
    table
        Evaluated users of one protocol, with the column `by`.
    min_users
        Smaller groups are left out.

    Returns
    -------
    DataFrame
        One row per group that both models serve, in order: `by`, n (users), mean (of the model), difference (model
        minus rival), p_holm (corrected for the number of groups).
    """
    both = table.filter(pl.col("model").is_in([model, rival])).sort(by)
    rows, p_values = [], []
    for (group,), part in both.group_by(by, maintain_order=True):
        served = part.get_column("model").n_unique() == 2
        if not served or part.get_column("user_id").n_unique() < min_users:
            continue
        values = _wide(part, metric)
        test = intervals.paired_test(values[model], values[rival])
        rows.append((group, test.n, float(values[model].mean()), test.difference))
        p_values.append(test.p_value)
    numbers = {"n": pl.Int64, "mean": pl.Float64, "difference": pl.Float64}
    found = pl.DataFrame(rows, schema={by: table.schema[by], **numbers}, orient="row")
    return found.with_columns(p_holm=pl.Series(intervals.holm(p_values), dtype=pl.Float64))


def slices(table: pl.DataFrame, users: pl.DataFrame, by: str, metric: str, n_bootstrap: int, seed: int) -> pl.DataFrame:
    """Compute the mean of a metric per slice of users, with its 95 % bootstrap interval.

    Parameters
    ----------
    users
        One row per user: user_id and the column `by`. Missing users and nulls form the slice "unknown".

    Returns
    -------
    DataFrame
        One row per slice and model, slices in order (unknown last): `by` (String), model, mean, low, high, n.
    """
    _check_single_protocol(table)
    if by not in users.columns:
        raise UserError(f"There is no user column {by!r} to slice by. Available columns: {', '.join(users.columns)}.")
    joined = table.join(users.select("user_id", slice=pl.col(by)), on="user_id", how="left", validate="m:1")
    joined = joined.sort("slice", "model", "user_id", nulls_last=True)
    rows = []
    for (value, model), part in joined.group_by("slice", "model", maintain_order=True):
        scores = part[metric].to_numpy()
        low, high = intervals.group_ci(scores, n_bootstrap, seed)
        rows.append((UNKNOWN if value is None else str(value), model, float(scores.mean()), low, high, part.height))
    numbers = {"mean": pl.Float64, "low": pl.Float64, "high": pl.Float64, "n": pl.Int64}
    return pl.DataFrame(rows, schema={by: pl.String, "model": pl.String, **numbers}, orient="row")


def user_shares(table: pl.DataFrame, model: str, baseline: str, metric: str = "ndcg@10") -> dict[str, float]:
    """Compute the shares of users for whom `model` is worse than, equal to and better than `baseline`.

    All shares are 0 without users.
    """
    values = _wide(table, metric)
    difference = _values_of(values, model) - _values_of(values, baseline)
    n = max(len(difference), 1)
    signs = {"worse": difference < 0, "equal": difference == 0, "better": difference > 0}
    return {word: int(share.sum()) / n for word, share in signs.items()}


def user_groups(users: pl.DataFrame, evaluated: pl.DataFrame, top_n: int = 5) -> pl.DataFrame:
    """Assign every evaluated user to groups: user_id, activity, tenure, country, category (null: unknown).

    Activity (events) and tenure (days) are split into thirds of the evaluated users. The `top_n` largest countries
    and categories are kept, the rest is "other". `users` has one row per user: features as of one moment.
    """
    features = (
        evaluated.select("user_id").unique().join(users, on="user_id", how="left", validate="1:1").sort("user_id")
    )
    return features.select(
        "user_id",
        activity=_thirds(features["activity_count"], "events"),
        tenure=_thirds(features["tenure_days"], "days"),
        country=_largest(features["country"], top_n),
        category=_largest(features["preferred_category"], top_n),
    )


def _thirds(values: pl.Series, unit: str) -> pl.Series:
    """Name each value's third by its range; the names sort like the thirds."""
    non_null = values.drop_nulls()
    if not len(non_null):
        return pl.Series([None] * len(values), dtype=pl.String)
    low, high = non_null.quantile(1 / 3, "lower"), non_null.quantile(2 / 3, "lower")
    value = pl.lit(values)
    ranges = (f"up to {low:,.0f}", f"over {low:,.0f} and up to {high:,.0f}", f"over {high:,.0f}")
    first, second, third = (f"{n}: {text} {unit}" for n, text in enumerate(ranges, 1))
    named = pl.when(value <= low).then(pl.lit(first)).when(value <= high).then(pl.lit(second)).otherwise(pl.lit(third))
    return pl.select(pl.when(value.is_not_null()).then(named)).to_series()


def _largest(values: pl.Series, top_n: int) -> pl.Series:
    sizes = values.drop_nulls().value_counts().sort("count", values.name, descending=[True, False])
    kept = sizes[values.name].head(top_n)
    value = pl.lit(values)
    named = pl.when(value.is_in(kept.implode())).then(value).otherwise(pl.lit("other"))
    return pl.select(pl.when(value.is_not_null()).then(named)).to_series()


def _wide(table: pl.DataFrame, metric: str) -> dict[str, np.ndarray]:
    """Map each model to its values, all in the same order of users."""
    _check_single_protocol(table)
    ordered = table.sort("model", "user_id")
    parts = {name: part for (name,), part in ordered.group_by("model", maintain_order=True)}
    users = [part["user_id"] for part in parts.values()]
    if not all(ids.equals(users[0]) for ids in users):
        raise ValueError("the models were not evaluated on the same users, each exactly once")
    return {name: part[metric].to_numpy() for name, part in parts.items()}


def _values_of(values: Mapping[str, np.ndarray], name: str) -> np.ndarray:
    if name not in values:
        raise UserError(f"Model {name!r} was not evaluated. Evaluated models: {', '.join(values) or 'none'}.")
    return values[name]


def _check_single_protocol(table: pl.DataFrame) -> None:
    if "protocol" in table.columns and table["protocol"].n_unique() > 1:
        raise ValueError(f"protocol has several values: {table['protocol'].unique().sort().to_list()}; filter for one")
