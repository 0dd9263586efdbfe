"""How good lists are: pure functions from tables to numbers.

`recommendations` has one row per suggestion (user_id, item_id, rank; 1 = best), of one model under one protocol.
`relevant` has one row per distinct user-item pair that counts as a hit. k is a list length.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import polars as pl
from scipy import sparse
from threadpoolctl import threadpool_limits

NAMES = ("precision", "recall", "ndcg", "hit_rate", "mrr", "map")
DRAWS_AT_ONCE = 4_000_000  # users drawn in one block of the bootstrap: about 100 MB


def per_user(recommendations: pl.DataFrame, relevant: pl.DataFrame, ks: Sequence[int]) -> pl.DataFrame:
    """Judge every user who has a relevant item.

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
        If a k or a rank is below 1, or a pair, or a rank of a user, comes more than once.

    Source
    ------
    Järvelin and Kekäläinen, Cumulated gain-based evaluation of IR techniques, 2002 (ndcg, binary gains).
    """
    if min(ks, default=1) < 1:
        raise ValueError(f"k must be at least 1: {list(ks)}")
    _check_lists(recommendations)
    _check_distinct(relevant, ["user_id", "item_id"], "relevant")
    users = relevant.group_by("user_id").agg(n_relevant=pl.len().cast(pl.Int64)).sort("user_id").with_row_index("row")
    hits = (
        recommendations.select("user_id", "item_id", "rank")
        .join(relevant, on=["user_id", "item_id"], how="semi")
        .join(users.select("user_id", "row"), on="user_id")
        .sort("row", "rank")
    )
    row, rank = hits["row"].to_numpy(), hits["rank"].to_numpy().astype(np.float64)
    n = users["n_relevant"].to_numpy()
    columns = {name: values for k in ks for name, values in _at(k, row, rank, n).items()}
    return users.drop("row").with_columns(**{name: pl.Series(values) for name, values in columns.items()})


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
    """What a perfect list reaches, on average over users: <name>@<k> -> mean.

    Precision: min(k, n) / k; recall: min(k, n) / n; 1 for the others. NaN where nobody has a relevant item.
    """
    n = relevant.group_by("user_id").len().sort("user_id")["len"].to_numpy().astype(np.float64)
    if not n.size:
        return {f"{name}@{k}": float("nan") for name in NAMES}
    reached = {"precision": np.minimum(k, n) / k, "recall": np.minimum(k, n) / n}
    return {f"{name}@{k}": float(reached.get(name, np.ones(1)).mean()) for name in NAMES}


def bootstrap_ci(
    values: np.ndarray, n_resamples: int, seed: int, level: float = 0.95
) -> tuple[float, float] | tuple[np.ndarray, np.ndarray]:
    """Percentile interval of the mean over users, by drawing users with replacement.

    Parameters
    ----------
    values
        (n_users,), or (n_users, n_columns): then every column is judged by the same draws. No NaN.
    level
        Share of the resampled means inside the interval.

    Returns
    -------
    low, high
        Two floats, or two arrays (n_columns,); NaN where there is no user. Memory holds `DRAWS_AT_ONCE` draws, or one
        resample if that is more, however many resamples are asked for.

    Source
    ------
    Efron and Tibshirani, An introduction to the bootstrap, 1993, chapter 13.
    """
    values = np.asarray(values, dtype=np.float64)
    n, columns = len(values), values if values.ndim == 2 else values[:, None]
    if not n:
        empty = np.full(columns.shape[1], np.nan)
        return (empty, empty) if values.ndim == 2 else (float("nan"), float("nan"))
    rng, means, step = np.random.default_rng(seed), [], max(1, DRAWS_AT_ONCE // n)
    for start in range(0, n_resamples, step):
        size = min(step, n_resamples - start)
        drawn = rng.integers(0, n, size=(size, n)) + np.arange(size)[:, None] * n
        times = np.bincount(drawn.ravel(), minlength=size * n).reshape(size, n)  # how often each user was drawn
        with threadpool_limits(1, "blas"):  # the last bits of a product depend on the number of threads
            means.append(times.astype(np.float64) @ columns / n)
    low, high = np.quantile(np.concatenate(means), [(1 - level) / 2, (1 + level) / 2], axis=0)
    return (low, high) if values.ndim == 2 else (float(low[0]), float(high[0]))


def group_ci(values: np.ndarray, n_resamples: int, seed: int) -> tuple[float, float] | tuple[np.ndarray, np.ndarray]:
    """`bootstrap_ci` of a group that may be small, of scores within 0 and 1.

    Where nobody has a hit every resample is zero, and the bootstrap would be sure of what it has not seen: the upper
    end is then 3 / n.

    Source: Hanley and Lippman-Hand, If nothing goes wrong, is everything all right?, JAMA 249, 1983.
    """
    low, high = bootstrap_ci(values, n_resamples, seed)
    none = np.asarray(values).max(axis=0, initial=0.0) == 0
    high = np.where(none, min(1.0, 3 / max(len(values), 1)), high)
    return (low, high) if np.ndim(values) == 2 else (low, float(high))


def wilson(hits: np.ndarray, n: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The 95 % interval of a share, hits of n: honest near 0 and 1, where the usual one leaves [0, 1]. n is above 0.

    Source: Wilson, Probable inference, the law of succession, and statistical inference, 1927.

    Examples
    --------
    >>> [float(side.round(3)) for side in wilson(np.array(0), np.array(10))]
    [0.0, 0.278]
    """
    z, share = 1.959964, hits / n
    middle, half = share + z**2 / (2 * n), z * np.sqrt(share * (1 - share) / n + z**2 / (4 * n**2))
    return np.maximum((middle - half) / (1 + z**2 / n), 0), np.minimum((middle + half) / (1 + z**2 / n), 1)


def coverage(recommendations: pl.DataFrame, n_items: int) -> float:
    """Distinct items shown / items in the catalogue; 0 for no lists."""
    return recommendations["item_id"].n_unique() / n_items


def gini(times: np.ndarray, n: int) -> float:
    """How unevenly n things are used: 0 if all equally often, (n - 1) / n if only one is; NaN if none is.

    With the numbers of uses sorted, x_1 <= ... <= x_n: sum (2 i - n - 1) x_i / (n sum x_i).

    Parameters
    ----------
    times
        How often each thing is used; things that it lacks, up to n, are never used.

    Examples
    --------
    >>> gini(np.array([3, 3]), 2), gini(np.array([5]), 4)
    (0.0, 0.75)
    """
    used = np.sort(np.asarray(times, dtype=np.float64))
    place = np.arange(n - len(used) + 1, n + 1)
    return float(((2 * place - n - 1) * used).sum() / (n * used.sum())) if used.sum() else float("nan")


def novelty(recommendations: pl.DataFrame, train_pairs: pl.DataFrame) -> float:
    """Mean over suggestions of -log2(share of train users who have the item), in bits; NaN for no lists.

    `train_pairs` has one row per distinct pair (user_id, item_id); its users are the train users. An item
    that nobody has counts as if one user had it: its surprise is large, not infinite.

    Source: Vargas and Castells, Rank and relevance in novelty and diversity metrics, RecSys 2011.
    """
    had = train_pairs.group_by("item_id").agg(n=pl.len())
    shown = recommendations.group_by("item_id").agg(times=pl.len()).join(had, on="item_id", how="left").sort("item_id")
    if not shown.height:
        return float("nan")
    share = shown["n"].fill_null(1).to_numpy() / train_pairs["user_id"].n_unique()
    return float(np.average(-np.log2(share), weights=shown["times"].to_numpy()))


def diversity(shown: sparse.csr_matrix, had: sparse.csr_matrix, block: int = 1_024) -> float:
    """1 - mean over lists of the mean pairwise cosine of their items' user vectors; NaN where no list has two items.

    Items that nobody has are at cosine 0 to all others. For unit vectors u_i, sum of all cosines = |sum u_i|^2: no
    item-item matrix is needed, and memory is bounded by block x n_users.

    Parameters
    ----------
    shown
        (n_lists, n_items), binary: the items of each list.
    had
        (n_users, n_items), binary: who has what in train.

    Source: Ziegler et al., Improving recommendation lists through topic diversification, WWW 2005.
    """
    length = np.asarray(shown.sum(axis=1)).ravel()
    lists, length = shown[length > 1], length[length > 1]
    if not length.size:
        return float("nan")
    norm = np.sqrt(np.asarray(had.multiply(had).sum(axis=0)).ravel())
    unit = (had @ sparse.diags_array(1 / np.where(norm > 0, norm, 1))).T.tocsr()  # (n_items, n_users)
    sums = [_squared_norms(lists[start : start + block] @ unit) for start in range(0, len(length), block)]
    own = lists @ (norm > 0).astype(np.float64)  # every item's cosine with itself
    cosine = (np.concatenate(sums) - own) / (length * (length - 1))
    return float(1 - cosine.mean())


def _squared_norms(rows: sparse.csr_matrix) -> np.ndarray:
    """|row|^2 of a matrix that is needed no more: `power` would sort its indices first, most of the time."""
    rows.data **= 2
    return np.asarray(rows.sum(axis=1)).ravel()


def rating_errors(predictions: pl.DataFrame) -> dict[str, dict[str, float]]:
    """Model -> rmse = sqrt(mean (estimate - rating)^2) and mae = mean |estimate - rating|, in stars; {} for no rows.

    Raises
    ------
    ValueError
        If a rating or an estimate is missing or no finite number.
    """
    if not predictions.height:
        return {}
    if bad := predictions.filter(~pl.all_horizontal(pl.col("rating", "estimate").is_finite().fill_null(False))).height:
        raise ValueError(f"rating or estimate of {bad} predictions is missing or not finite")
    error = pl.col("estimate") - pl.col("rating")
    parts = predictions.sort("model", "user_id", "item_id").with_columns(error=error)
    return {
        model: {"rmse": float(np.sqrt(np.mean(part["error"].to_numpy() ** 2))),
                "mae": float(np.mean(np.abs(part["error"].to_numpy())))}
        for (model,), part in parts.group_by("model", maintain_order=True)
    }  # fmt: skip


class Paired(NamedTuple):
    """Mean of a - b with its 95 % t-interval, the two-sided p-value, and the number of users."""

    difference: float
    low: float
    high: float
    p_value: float
    n: int


def paired_test(a: np.ndarray, b: np.ndarray) -> Paired:
    """Is the mean of a - b zero? Paired t-test over users, a and b (n_users,) in the same order.

    Paired, because users differ far more than models do. The t-test, because it asks about the mean that we report
    and agrees with the randomisation test from a few dozen users on; the signed-rank test asks another question and
    drops the many users for whom nothing changes. All differences equal: p is 1 if they are zero, else 0.
    Fewer than two users: p is 1, with an infinite interval.

    Source: Smucker, Allan, Carterette, A comparison of statistical significance tests for IR evaluation, CIKM 2007.
    """
    difference = np.asarray(a, dtype=np.float64) - np.asarray(b, dtype=np.float64)
    n, mean = len(difference), float(difference.mean()) if len(difference) else 0.0
    if n < 2:
        return Paired(mean, -np.inf, np.inf, 1.0, n)
    if np.ptp(difference) == 0:
        return Paired(mean, mean, mean, 1.0 if mean == 0 else 0.0, n)
    from scipy import stats  # takes most of a second to import: only where it is used

    result = stats.ttest_1samp(difference, 0.0)
    interval = result.confidence_interval(0.95)
    return Paired(mean, float(interval.low), float(interval.high), float(result.pvalue), n)


def holm(p_values: Sequence[float]) -> np.ndarray:
    """p-values corrected for the number of tests, in the given order; compare them with the usual 0.05.

    The i-th smallest of m (i from 0) becomes max over j <= i of (m - j) p_j, at most 1.

    Raises
    ------
    ValueError
        If a value is not in [0, 1].

    Source: Holm, A simple sequentially rejective multiple test procedure, 1979.

    Examples
    --------
    >>> holm([0.01, 0.04, 0.03]).round(2).tolist()
    [0.03, 0.06, 0.06]
    """
    p = np.asarray(p_values, dtype=np.float64)
    if not ((p >= 0) & (p <= 1)).all():
        raise ValueError(f"p-values must lie in [0, 1]: {p.tolist()}")
    order = np.argsort(p, kind="stable")
    adjusted = np.empty_like(p)
    adjusted[order] = np.minimum(1, np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1)))
    return adjusted


def _check_lists(recommendations: pl.DataFrame) -> None:
    _check_distinct(recommendations, ["user_id", "item_id"], "recommendations")
    _check_distinct(recommendations, ["user_id", "rank"], "recommendations")
    if low := recommendations.filter(pl.col("rank") < 1).height:
        raise ValueError(f"rank of {low} recommendations is below 1: the best has rank 1")


def _check_distinct(table: pl.DataFrame, columns: list[str], name: str) -> None:
    rows = table.select(columns)
    # equal rows have equal hashes: if these are distinct, so are the rows, for a fraction of the time
    if not rows.height or rows.hash_rows().n_unique() == rows.height:
        return
    if twice := rows.height - rows.n_unique():
        raise ValueError(f"{twice} rows of {name} repeat {' and '.join(columns)}; are they of one model and protocol?")
