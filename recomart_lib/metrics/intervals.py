"""Confidence intervals and paired tests over users."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from scipy import special
from threadpoolctl import threadpool_limits

DRAWS_PER_BLOCK = 4_000_000  # draws in one block of the bootstrap: about 100 MB
KEPT_DRAWS = 40_000_000  # of all blocks, up to which they are kept: 40 MB


def bootstrap_ci(
    values: np.ndarray, n_resamples: int, seed: int, level: float = 0.95
) -> tuple[float, float] | tuple[np.ndarray, np.ndarray]:
    """Percentile interval of the mean over users, resampling users with replacement.

    Parameters
    ----------
    values
        (n_users,), or (n_users, n_columns): then all columns use the same resamples. No NaN.
    level
        Share of the resampled means inside the interval.

    Returns
    -------
    low, high
        Two floats, or two arrays (n_columns,); NaN without users. Memory is bounded by
        `DRAWS_PER_BLOCK` draws, or one resample if that is more.

    Source
    ------
    Efron and Tibshirani, An introduction to the bootstrap, 1993, chapter 13.
    """
    values = np.asarray(values, dtype=np.float64)
    n, columns = len(values), values if values.ndim == 2 else values[:, None]
    if not n:
        empty = np.full(columns.shape[1], np.nan)
        return (empty, empty) if values.ndim == 2 else (float("nan"), float("nan"))
    means = []
    with threadpool_limits(1, "blas"):  # the last bits of a product depend on the number of threads
        for times in _resamples(n, n_resamples, seed):
            means.append(times.astype(np.float64) @ columns / n)
    low, high = np.quantile(np.concatenate(means), [(1 - level) / 2, (1 + level) / 2], axis=0)
    return (low, high) if values.ndim == 2 else (float(low[0]), float(high[0]))


def _resamples(n: int, n_resamples: int, seed: int) -> Iterable[np.ndarray]:
    """Blocks of resamples (size, n): how often each user was drawn. The last few are kept: many groups are alike."""
    return _kept(n, n_resamples, seed) if n * n_resamples <= KEPT_DRAWS else _drawn(n, n_resamples, seed)


@lru_cache(maxsize=4)
def _kept(n: int, n_resamples: int, seed: int) -> list[np.ndarray]:
    return list(_drawn(n, n_resamples, seed))


def _drawn(n: int, n_resamples: int, seed: int) -> Iterator[np.ndarray]:
    rng, step = np.random.default_rng(seed), max(1, DRAWS_PER_BLOCK // n)
    for start in range(0, n_resamples, step):
        size = min(step, n_resamples - start)
        draws = rng.integers(0, n, size=(size, n)) + np.arange(size)[:, None] * n
        times = np.bincount(draws.ravel(), minlength=size * n).reshape(size, n)
        yield times.astype(np.uint8 if times.max() < 256 else np.uint32)


def group_ci(values: np.ndarray, n_resamples: int, seed: int) -> tuple[float, float] | tuple[np.ndarray, np.ndarray]:
    """`bootstrap_ci` for groups that may be small, of scores between 0 and 1.

    If no user has a hit, every resample is zero and the bootstrap interval would be empty: the upper end is then 3 / n.

    Source: Hanley and Lippman-Hand, If nothing goes wrong, is everything all right?, JAMA 249, 1983.
    """
    low, high = bootstrap_ci(values, n_resamples, seed)
    no_hits = np.asarray(values).max(axis=0, initial=0.0) == 0
    high = np.where(no_hits, min(1.0, 3 / max(len(values), 1)), high)
    return (low, high) if np.ndim(values) == 2 else (low, float(high))


def wilson(hits: np.ndarray, n: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The 95 % interval of a share, hits of n, valid near 0 and 1, where the normal interval leaves [0, 1]. n > 0.

    Source: Wilson, Probable inference, the law of succession, and statistical inference, 1927.

    Examples
    --------
    >>> [float(side.round(3)) for side in wilson(np.array(0), np.array(10))]
    [0.0, 0.278]
    """
    z, share = 1.959964, hits / n
    middle, half = share + z**2 / (2 * n), z * np.sqrt(share * (1 - share) / n + z**2 / (4 * n**2))
    return np.maximum((middle - half) / (1 + z**2 / n), 0), np.minimum((middle + half) / (1 + z**2 / n), 1)


class Paired(NamedTuple):
    """Mean of a - b with its 95 % t-interval, the two-sided p-value, and the number of users."""

    difference: float
    low: float
    high: float
    p_value: float
    n: int


def paired_test(a: np.ndarray, b: np.ndarray) -> Paired:
    """Is the mean of a - b zero? Paired t-test over users, a and b (n_users,) in the same order.

    Paired, because users differ far more than models do. The t-test, because it tests the mean that we report and
    agrees with the randomisation test from a few dozen users on; the signed-rank test answers another question and
    drops the many users without a difference. All differences equal: p is 1 if they are zero, else 0.
    Fewer than two users: p is 1, with an infinite interval.

    Source: Smucker, Allan, Carterette, A comparison of statistical significance tests for IR evaluation, CIKM 2007.
    """
    difference = np.asarray(a, dtype=np.float64) - np.asarray(b, dtype=np.float64)
    n, mean = len(difference), float(difference.mean()) if len(difference) else 0.0
    if n < 2:
        return Paired(mean, -np.inf, np.inf, 1.0, n)
    error = float(difference.std(ddof=1)) / np.sqrt(n)
    if np.ptp(difference) == 0 or error == 0:  # 0: the smallest floats differ, their squares do not
        return Paired(mean, mean, mean, 1.0 if mean == 0 else 0.0, n)
    half = float(special.stdtrit(n - 1, 0.975)) * error
    p_value = 2 * float(special.stdtr(n - 1, -abs(mean / error)))  # scipy.stats does the same, and imports in a second
    return Paired(mean, mean - half, mean + half, p_value, n)


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
