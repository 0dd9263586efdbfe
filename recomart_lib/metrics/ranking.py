"""Ranking metrics: pure functions from tables to numbers.

`recommendations` has one row per recommendation (user_id, item_id, rank; 1 = best), of one model under one protocol.
`relevant` has one row per distinct user-item pair that counts as a hit. k is a list length.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl

NAMES = ("precision", "recall", "ndcg", "hit_rate", "mrr", "map")


def per_user(recommendations: pl.DataFrame, relevant: pl.DataFrame, ks: Sequence[int]) -> pl.DataFrame:
    """Evaluate every user who has a relevant item.

    With n relevant items, hits at ranks r_1 < r_2 < ... <= k:

    - precision@k = hits / k (also where the list is shorter), recall@k = hits / n, hit_rate@k = 1 if there is a hit
    - ndcg@k = sum 1 / log2(r + 1) over the hits, divided by the same sum over ranks 1 .. min(k, n)
    - mrr@k = 1 / r_1, or 0 without a hit
    - map@k = sum (j / r_j) / min(k, n): the precision at each hit

    Returns
    -------
    DataFrame
        One row per user of `relevant`, by user_id: user_id, n_relevant, and <name>@<k> for every name in `NAMES` and
        every k (Float64 in [0, 1]). A user without a list gets zeros; lists of other users do not count.

    Raises
    ------
    ValueError
        If a k or a rank is below 1, or a pair, or a rank of a user, is duplicated.

    Source
    ------
    Järvelin and Kekäläinen, Cumulated gain-based evaluation of IR techniques, 2002 (ndcg, binary gains).
    """
    return per_user_of_groups(recommendations.with_columns(group=pl.lit(0, pl.Int32)), relevant, ks, 1)


def per_user_of_groups(
    recommendations: pl.DataFrame, relevant: pl.DataFrame, ks: Sequence[int], n_groups: int
) -> pl.DataFrame:
    """`per_user` for several groups of lists, such as those of models, in one pass: all users of group 0, of 1, ...

    Parameters
    ----------
    recommendations
        Also has `group`, from 0 to n_groups - 1.
    """
    if min(ks, default=1) < 1:
        raise ValueError(f"k must be at least 1: {list(ks)}")
    _check_lists(recommendations)
    _check_distinct(relevant, ["user_id", "item_id"], "relevant")
    users = relevant.group_by("user_id").agg(n_relevant=pl.len().cast(pl.Int64)).sort("user_id").with_row_index("row")
    hits = (
        recommendations.select("group", "user_id", "item_id", "rank")
        .join(relevant, on=["user_id", "item_id"], how="semi")
        .join(users.select("user_id", "row"), on="user_id")
        .select(pl.col("group").cast(pl.Int64) * users.height + pl.col("row"), "rank")
        .sort("group", "rank")
    )
    row, rank = hits["group"].to_numpy(), hits["rank"].to_numpy().astype(np.float64)
    n = np.tile(users["n_relevant"].to_numpy(), n_groups)
    columns = {name: values for k in ks for name, values in _at(k, row, rank, n).items()}
    repeated = pl.concat([users.drop("row")] * n_groups) if n_groups else users.drop("row").clear()
    return repeated.with_columns(**{name: pl.Series(values) for name, values in columns.items()})


def _at(k: int, row: np.ndarray, rank: np.ndarray, n: np.ndarray) -> dict[str, np.ndarray]:
    """The metrics at k from the hits, sorted by row (of the user) and rank; n (n_users,) counts relevant items."""
    row, rank = row[rank <= k], rank[rank <= k]
    nth = np.arange(len(row)) - np.searchsorted(row, row) + 1.0  # 1 for a user's first hit, 2 for the second, ...

    def total(values: np.ndarray) -> np.ndarray:
        return np.bincount(row, values, minlength=len(n)).astype(np.float64)

    count, possible = total(np.ones(len(row))), np.minimum(k, n)
    ideal = np.cumsum(1 / np.log2(np.arange(2, k + 2)))
    return {
        f"precision@{k}": count / k,
        f"recall@{k}": count / n,
        f"ndcg@{k}": total(1 / np.log2(rank + 1)) / ideal[possible - 1],
        f"hit_rate@{k}": (count > 0).astype(np.float64),
        f"mrr@{k}": total((nth == 1) / rank),
        f"map@{k}": total(nth / rank) / possible,
    }


def ceilings(relevant: pl.DataFrame, k: int) -> dict[str, float]:
    """The metrics of a perfect list, averaged over users: <name>@<k> -> mean.

    Precision: min(k, n) / k; recall: min(k, n) / n; 1 for the others. NaN if no user has a relevant item.
    """
    n = relevant.group_by("user_id").len().sort("user_id")["len"].to_numpy().astype(np.float64)
    if not n.size:
        return {f"{name}@{k}": float("nan") for name in NAMES}
    ceilings = {"precision": np.minimum(k, n) / k, "recall": np.minimum(k, n) / n}
    return {f"{name}@{k}": float(ceilings.get(name, np.ones(1)).mean()) for name in NAMES}


def _check_lists(recommendations: pl.DataFrame) -> None:
    _check_distinct(recommendations, ["user_id", "item_id"], "recommendations", ["group"])
    _check_distinct(recommendations, ["user_id", "rank"], "recommendations", ["group"])
    if n_low := recommendations.filter(pl.col("rank") < 1).height:
        raise ValueError(f"rank of {n_low} recommendations is below 1: the best has rank 1")


def _check_distinct(table: pl.DataFrame, columns: list[str], name: str, group: Sequence[str] = ()) -> None:
    rows = table.select(*group, *columns)
    # equal rows have equal hashes: if the hashes are distinct, so are the rows, which is much faster to check
    if not rows.height or rows.hash_rows().n_unique() == rows.height:
        return
    if n_duplicates := rows.height - rows.n_unique():
        raise ValueError(
            f"{n_duplicates} rows of {name} repeat {' and '.join(columns)}; are they of one model and protocol?"
        )
