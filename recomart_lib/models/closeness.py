"""How close in time the same users bought two items."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import polars as pl

from recomart_lib.models import blocks
from recomart_lib.models.base import TrainData

BYTES_PER_ENTRY = 64  # of memory per pair of items of one user, while it is computed


def add(matrix: np.ndarray, data: TrainData, items: np.ndarray, within_seconds: float, weight: float) -> None:
    """Add weight * C of these item_idx (in ascending order) to the matrix (len(items), len(items)), in place.

    C[i, j] = sum over the users who have both of exp(-|t(u, i) - t(u, j)| / within_seconds), with t the pair's last
    relevant event; its diagonal is the number of users.
    """
    relevant = data.interactions.filter(pl.col("n_relevant") > 0)
    pairs = relevant.filter(pl.col("item_idx").is_in(items.tolist())).sort("user_idx")
    seconds = pairs.get_column("last_relevant_timestamp").dt.epoch("us").to_numpy() / 1e6
    place = np.searchsorted(items, pairs.get_column("item_idx").to_numpy())
    flat = matrix.reshape(-1, order="A", copy=False)  # in either order: C is symmetric
    for first, second in _pairs_of_users(pairs.get_column("user_idx").to_numpy()):
        value = np.exp(-np.abs(seconds[first] - seconds[second]) / within_seconds)
        np.add.at(flat, place[first] * len(matrix) + place[second], weight * value)


def _pairs_of_users(users: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """All pairs of rows of one user, in blocks of users; `users` ascends.

    A user with so many rows that their pairs do not fit in a block comes in several: blocks are cut between first rows.
    """
    _, start, user, count = np.unique(users, return_index=True, return_inverse=True, return_counts=True)
    start, count = start[user], count[user]  # of each row: the first row of its user, and their number
    block = np.cumsum(count) // blocks.rows(1, BYTES_PER_ENTRY)
    for part in np.split(np.arange(len(users)), np.flatnonzero(np.diff(block)) + 1):
        n = count[part]
        first = np.repeat(part, n)
        within = np.arange(n.sum()) - np.repeat(np.cumsum(n) - n, n)
        yield first, np.repeat(start[part], n) + within
