"""From lists of every model to the verdict: reads tables, knows no model.

`recommendations` has one row per suggestion: model, protocol, user_id, item_id, rank. `relevant` maps a protocol to
its distinct pairs (user_id, item_id); in *novel* the pairs that the user already had are left out by the caller, and
so are the same suggestions. Tables of users hold one row per model and user, of one protocol.
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


BOARD = [f"{name}@10" for name in (*ranking.NAMES, "coverage", "novelty", "diversity")]  # shown to people


def evaluate(
    recommendations: pl.DataFrame,
    relevant: Mapping[str, pl.DataFrame],
    train_pairs: pl.DataFrame,
    ks: Sequence[int],
    n_bootstrap: int,
    seed: int,
) -> dict[str, dict[str, dict[str, Any]]]:
    """Protocol -> model -> metric -> value: reports/metrics/evaluation.json.

    Parameters
    ----------
    train_pairs
        One row per pair known before the cut (user_id, item_id, and n_relevant if there is): its items are the
        catalogue; novelty and diversity look at its relevant pairs.

    Returns
    -------
    dict
        For every k: the means over users of `metrics.NAMES`, coverage, novelty and diversity, and <name>@<k>_ci =
        [low, high] for ndcg, precision and recall (95 % bootstrap; all models see the same draws). Values that do not
        exist are None. A protocol under which nobody can be judged is empty.
    """
    table = per_user(recommendations, relevant, ks)
    context, groups = _Context(train_pairs), dict(table.group_by("protocol", "model", maintain_order=True))

    def judged(group: tuple[str, str]) -> dict[str, Any]:
        lists = lists_of(recommendations, *group)
        return _summary(groups[group], ks, n_bootstrap, seed) | context.beyond(lists, ks)

    found: dict[str, dict[str, dict[str, Any]]] = {protocol: {} for protocol in relevant}
    for (protocol, model), values in zip(groups, parallel.each(judged, groups, "judging lists", "model"), strict=True):
        found[protocol][model] = values
    return found


def leaderboard(models: Mapping[str, Mapping[str, Any]]) -> pl.DataFrame:
    """One row per model of one protocol (a value of `evaluate`), by falling ndcg@10; none if nobody can be judged."""
    rows = [{"model": model, **scores} for model, scores in models.items()]
    if not rows:
        return pl.DataFrame(schema={"model": pl.String, **dict.fromkeys(BOARD, pl.Float64)})
    return pl.DataFrame(rows, infer_schema_length=None).sort("ndcg@10", "model", descending=[True, False])


def by_length(recommendations: pl.DataFrame, relevant: pl.DataFrame, ks: Sequence[int]) -> pl.DataFrame:
    """One row per model and list length in protocol *all*: model, k, and the mean ndcg and recall over users."""
    judged = per_user(recommendations, {"all": relevant}, ks)
    rows = [
        (model, k, part[f"ndcg@{k}"].mean(), part[f"recall@{k}"].mean())
        for (model,), part in judged.group_by("model", maintain_order=True)
        for k in ks
    ]
    return pl.DataFrame(
        rows, schema={"model": pl.String, "k": pl.Int64, "ndcg": pl.Float64, "recall": pl.Float64}, orient="row"
    )


def counts(described: Mapping[str, int]) -> dict[str, int]:
    """How many users were in the window, known, cold, and judged in each protocol (from reports/metrics/data.json)."""
    names = {
        "test_users": "users_in_window",
        "warm": "warm_users",
        "cold": "cold_users",
        "evaluated_all": "evaluated_all",
        "evaluated_novel": "evaluated_novel",
    }
    return {name: described[theirs] for name, theirs in names.items()}


def headline(evaluated: Mapping[str, Mapping[str, Mapping[str, Any]]], chosen: Mapping[str, str]) -> dict[str, Any]:
    """The few numbers of reports/metrics/headline.json: protocol -> the chosen model and its metrics at 10.

    Metrics with an interval also have _low and _high. A protocol under which nobody can be judged has no numbers.
    """
    facts: dict[str, Any] = {"model": chosen["all"]}
    for protocol, model in chosen.items():
        scores = evaluated[protocol].get(model, {})
        numbers = {f"{name}@10": scores[f"{name}@10"] for name in ranking.NAMES if scores}
        for name in WITH_INTERVAL if scores else ():
            low, high = scores[f"{name}@10_ci"]
            numbers |= {f"{name}@10_low": low, f"{name}@10_high": high}
        facts[protocol] = {"model": model, **dict(sorted(numbers.items()))}
    return facts


class _Context:
    """What lists are compared with beyond hits: the catalogue, and who had what before the cut."""

    def __init__(self, train_pairs: pl.DataFrame) -> None:
        self.items = train_pairs.select(pl.col("item_id").unique().sort()).with_row_index("col")
        relevant = pl.col("n_relevant") > 0 if "n_relevant" in train_pairs.columns else pl.lit(True)
        self.had = train_pairs.filter(relevant).select("user_id", "item_id").unique()
        self.matrix = self.binary(self.had)

    def binary(self, pairs: pl.DataFrame) -> sparse.csr_matrix:
        """(n users of `pairs`, n_items), 1 where there is a row; items outside the catalogue are left out."""
        users = pairs.select(pl.col("user_id").unique().sort()).with_row_index("row")
        found = pairs.join(users, on="user_id").join(self.items, on="item_id")
        where = (found["row"].to_numpy(), found["col"].to_numpy())
        return sparse.csr_matrix((np.ones(found.height), where), shape=(users.height, self.items.height))

    def beyond(self, lists: pl.DataFrame, ks: Sequence[int]) -> dict[str, float | None]:
        """Coverage, novelty and diversity of one model's lists."""
        result = {}
        for k in ks:
            top = lists.filter(pl.col("rank") <= k)
            result[f"coverage@{k}"] = beyond_accuracy.coverage(top, self.items.height)
            result[f"novelty@{k}"] = _finite(beyond_accuracy.novelty(top, self.had))
            result[f"diversity@{k}"] = _finite(beyond_accuracy.diversity(self.binary(top), self.matrix))
        return result


def _summary(rows: pl.DataFrame, ks: Sequence[int], n_bootstrap: int, seed: int) -> dict[str, Any]:
    """Means and intervals of one model under one protocol."""
    means = {f"{name}@{k}": rows[f"{name}@{k}"].to_numpy().mean() for k in ks for name in ranking.NAMES}
    judged = [f"{name}@{k}" for k in ks for name in WITH_INTERVAL]
    low, high = bootstrap_ci(rows.select(judged).to_numpy(), n_bootstrap, seed)
    intervals = {f"{name}_ci": [float(low[i]), float(high[i])] for i, name in enumerate(judged)}
    return {name: float(mean) for name, mean in means.items()} | intervals


def _finite(value: float) -> float | None:
    return value if np.isfinite(value) else None
