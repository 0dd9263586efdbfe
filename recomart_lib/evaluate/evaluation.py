"""Evaluate recommendation lists; this module reads tables and needs no model.

`recommendations` has one row per recommendation: model, protocol, user_id, item_id, rank. `relevant` maps a protocol to
its distinct pairs (user_id, item_id). In *novel*, the caller has removed the pairs that the user already had from both.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import polars as pl
from scipy import sparse

from recomart_lib.core import parallel
from recomart_lib.metrics import beyond_accuracy, ranking
from recomart_lib.metrics.by_model import lists_of, per_user
from recomart_lib.metrics.intervals import bootstrap_ci

WITH_INTERVAL = ("ndcg", "precision", "recall")
LEADERBOARD = [f"{name}@10" for name in (*ranking.NAMES, "coverage", "novelty", "diversity")]  # columns to display


def evaluate(
    recommendations: pl.DataFrame,
    relevant: Mapping[str, pl.DataFrame],
    train_pairs: pl.DataFrame,
    ks: Sequence[int],
    n_bootstrap: int,
    seed: int,
) -> dict[str, dict[str, dict[str, Any]]]:
    """Compute all metrics: protocol -> model -> metric -> value.

    Parameters
    ----------
    train_pairs
        One row per pair before the cut (user_id, item_id, and optionally n_relevant). Its items are the catalogue;
        novelty and diversity use its relevant pairs.

    Returns
    -------
    dict
        For every k: the means over users of `ranking.NAMES`, coverage, novelty and diversity, and <name>@<k>_ci =
        [low, high] for ndcg, precision and recall (95 % bootstrap; all models use the same resamples). Undefined values
        are None. A protocol without users to evaluate is empty.
    """
    table = per_user(recommendations, relevant, ks)
    catalogue, groups = _Catalogue(train_pairs), dict(table.group_by("protocol", "model", maintain_order=True))

    def evaluate_group(group: tuple[str, str]) -> dict[str, Any]:
        lists = lists_of(recommendations, *group)
        return _summary(groups[group], ks, n_bootstrap, seed) | catalogue.beyond_accuracy(lists, ks)

    scores: dict[str, dict[str, dict[str, Any]]] = {protocol: {} for protocol in relevant}
    results = parallel.thread_map(evaluate_group, groups, "evaluating lists", "model")
    for (protocol, model), values in zip(groups, results, strict=True):
        scores[protocol][model] = values
    return scores


def leaderboard(models: Mapping[str, Mapping[str, Any]]) -> pl.DataFrame:
    """One row per model of one protocol (a value of `evaluate`), best ndcg@10 first; no rows without users."""
    rows = [{"model": model, **scores} for model, scores in models.items()]
    if not rows:
        return pl.DataFrame(schema={"model": pl.String, **dict.fromkeys(LEADERBOARD, pl.Float64)})
    return pl.DataFrame(rows, infer_schema_length=None).sort("ndcg@10", "model", descending=[True, False])


def by_length(recommendations: pl.DataFrame, relevant: pl.DataFrame, ks: Sequence[int]) -> pl.DataFrame:
    """One row per model and list length in protocol *all*: model, k, mean ndcg and mean recall over users."""
    evaluated = per_user(recommendations, {"all": relevant}, ks)
    rows = [
        (model, k, part[f"ndcg@{k}"].mean(), part[f"recall@{k}"].mean())
        for (model,), part in evaluated.group_by("model", maintain_order=True)
        for k in ks
    ]
    return pl.DataFrame(
        rows, schema={"model": pl.String, "k": pl.Int64, "ndcg": pl.Float64, "recall": pl.Float64}, orient="row"
    )


class _Catalogue:
    """The catalogue and the relevant pairs before the cut, for metrics beyond accuracy."""

    def __init__(self, train_pairs: pl.DataFrame) -> None:
        self.items = train_pairs.select(pl.col("item_id").unique().sort()).with_row_index("col")
        is_relevant = pl.col("n_relevant") > 0 if "n_relevant" in train_pairs.columns else pl.lit(True)
        self.relevant = train_pairs.filter(is_relevant).select("user_id", "item_id").unique()
        self.matrix = self.binary(self.relevant)

    def binary(self, pairs: pl.DataFrame) -> sparse.csr_matrix:
        """(n users of `pairs`, n_items), 1 for each pair; items outside the catalogue are left out."""
        users = pairs.select(pl.col("user_id").unique().sort()).with_row_index("row")
        indexed = pairs.join(users, on="user_id").join(self.items, on="item_id")
        where = (indexed["row"].to_numpy(), indexed["col"].to_numpy())
        return sparse.csr_matrix((np.ones(indexed.height), where), shape=(users.height, self.items.height))

    def beyond_accuracy(self, lists: pl.DataFrame, ks: Sequence[int]) -> dict[str, float | None]:
        """Coverage, novelty and diversity of one model's lists."""
        result = {}
        for k in ks:
            top = lists.filter(pl.col("rank") <= k)
            result[f"coverage@{k}"] = beyond_accuracy.coverage(top, self.items.height)
            result[f"novelty@{k}"] = _finite(beyond_accuracy.novelty(top, self.relevant))
            result[f"diversity@{k}"] = _finite(beyond_accuracy.diversity(self.binary(top), self.matrix))
        return result


def _summary(rows: pl.DataFrame, ks: Sequence[int], n_bootstrap: int, seed: int) -> dict[str, Any]:
    """Means and intervals of one model under one protocol."""
    means = {f"{name}@{k}": rows[f"{name}@{k}"].to_numpy().mean() for k in ks for name in ranking.NAMES}
    columns = [f"{name}@{k}" for k in ks for name in WITH_INTERVAL]
    low, high = bootstrap_ci(rows.select(columns).to_numpy(), n_bootstrap, seed)
    intervals = {f"{name}_ci": [float(low[i]), float(high[i])] for i, name in enumerate(columns)}
    return {name: float(mean) for name, mean in means.items()} | intervals


def _finite(value: float) -> float | None:
    return value if np.isfinite(value) else None
