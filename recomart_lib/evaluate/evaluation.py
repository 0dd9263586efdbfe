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

from recomart_lib.metrics import beyond_accuracy, ranking
from recomart_lib.metrics.by_model import models_of, per_user
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
    users: pl.DataFrame | None = None,
) -> dict[str, dict[str, dict[str, Any]]]:
    """Compute all metrics: protocol -> model -> metric -> value.

    Parameters
    ----------
    train_pairs
        One row per pair before the cut (user_id, item_id, and optionally n_relevant). Its items are the catalogue;
        novelty and diversity use its relevant pairs.
    users
        `by_model.per_user` of these lists and lengths, where it has been computed already.

    Returns
    -------
    dict
        For every k: the means over users of `ranking.NAMES`, coverage, novelty and diversity, and <name>@<k>_ci =
        [low, high] for ndcg, precision and recall (95 % bootstrap; all models use the same resamples). Undefined values
        are None. A protocol without users to evaluate is empty.
    """
    table = per_user(recommendations, relevant, ks) if users is None else users
    catalogue = Catalogue(train_pairs, recommendations)
    scores: dict[str, dict[str, dict[str, Any]]] = {}
    for protocol in relevant:
        rows = table.filter(pl.col("protocol") == protocol)
        summaries = _summaries(rows, ks, n_bootstrap, seed)
        beyond = (
            catalogue.beyond_accuracy(recommendations.filter(pl.col("protocol") == protocol), ks) if summaries else {}
        )
        scores[protocol] = {model: values | beyond[model] for model, values in summaries.items()}
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


class Catalogue:
    """The catalogue and the relevant pairs before the cut, for metrics beyond accuracy: see `evaluate`."""

    def __init__(self, train_pairs: pl.DataFrame, recommendations: pl.DataFrame) -> None:
        catalogue = train_pairs.get_column("item_id").unique().sort()
        other = recommendations.get_column("item_id").unique().sort()
        items = pl.concat([catalogue, other.filter(~other.is_in(catalogue.implode()))])
        self.n_items, self.items = len(catalogue), pl.DataFrame({"item_id": items}).with_row_index("item")
        is_relevant = pl.col("n_relevant") > 0 if "n_relevant" in train_pairs.columns else pl.lit(True)
        relevant = train_pairs.filter(is_relevant).select("user_id", "item_id").unique()
        users = relevant.select(pl.col("user_id").unique().sort()).with_row_index("row")
        pairs = relevant.join(users, on="user_id").join(self.items, on="item_id")
        where = (pairs["row"].to_numpy(), pairs["item"].to_numpy())
        self.matrix = sparse.csr_matrix((np.ones(pairs.height), where), shape=(users.height, len(items)))
        self.bits = beyond_accuracy.information(np.bincount(where[1], minlength=len(items)), users.height)

    def beyond_accuracy(self, lists: pl.DataFrame, ks: Sequence[int]) -> dict[str, dict[str, float | None]]:
        """Model -> coverage, novelty and diversity of its lists, all under one protocol."""
        names = models_of(lists)
        items = self.ranked(lists.join(names, on="model"))
        cosines = beyond_accuracy.cosines_to_earlier(items, self.matrix)
        result, n_lists = {}, len(items) // max(names.height, 1)
        for number, name in enumerate(names.get_column("model").cast(pl.String)):
            part = slice(number * n_lists, (number + 1) * n_lists)
            metrics = {
                "coverage": beyond_accuracy.coverage(items[part], self.n_items),
                "novelty": beyond_accuracy.novelty(items[part], self.bits),
                "diversity": beyond_accuracy.diversity(items[part], cosines[part]),
            }
            longest = items.shape[1]
            result[name] = {
                f"{metric}@{k}": _finite(float(values[min(k, longest) - 1]))
                for k in ks
                for metric, values in metrics.items()
            }
        return result

    def ranked(self, lists: pl.DataFrame) -> np.ndarray:
        """The lists as an array (see `beyond_accuracy`): those of group 0, then those of group 1, ...

        A user without a list in a group has an empty one there.
        """
        users = lists.select(pl.col("user_id").unique().sort()).with_row_index("user")
        rows = lists.join(users, on="user_id").join(self.items, on="item_id").select("group", "user", "rank", "item")
        n_lists, longest = (rows["group"].max() + 1) * users.height, rows["rank"].max()
        items = np.full((n_lists, longest), beyond_accuracy.NO_ITEM, dtype=np.int32)
        row = rows["group"].to_numpy().astype(np.int64) * users.height + rows["user"].to_numpy()
        items[row, rows["rank"].to_numpy() - 1] = rows["item"].to_numpy()
        return items


def _summaries(rows: pl.DataFrame, ks: Sequence[int], n_bootstrap: int, seed: int) -> dict[str, dict[str, Any]]:
    """Model -> means and intervals under one protocol; all models have the same users, in the same order."""
    models = rows.get_column("model").unique(maintain_order=True).to_list()
    if not models or not rows.height:
        return {}
    shape = (len(models), rows.height // len(models))
    means = {
        f"{name}@{k}": rows[f"{name}@{k}"].to_numpy().reshape(shape).mean(axis=1) for k in ks for name in ranking.NAMES
    }
    with_interval = [f"{name}@{k}" for k in ks for name in WITH_INTERVAL]
    columns = np.concatenate([rows[name].to_numpy().reshape(shape) for name in with_interval]).T
    low, high = (end.reshape(len(with_interval), len(models)) for end in bootstrap_ci(columns, n_bootstrap, seed))
    return {
        model: {name: float(values[i]) for name, values in means.items()}
        | {f"{name}_ci": [float(low[j, i]), float(high[j, i])] for j, name in enumerate(with_interval)}
        for i, model in enumerate(models)
    }


def _finite(value: float) -> float | None:
    return value if np.isfinite(value) else None
