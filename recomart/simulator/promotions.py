"""The promotions of the simulated shop: products at a lower price for some days, which sell better in these days."""

from __future__ import annotations

import numpy as np
from numpy.random import Generator

PER_YEAR = 4  # promotions per product
DAYS = (3, 15)  # length in days, at least and below
OFF = (10, 15, 20, 25, 30)  # per cent off the list price
SALE_SHARE, SALE_OFF = 0.3, (20, 30, 40)  # share of products reduced on the days of a sale, and by how much
ELASTICITY = 2.62  # 1 % off sells 2.62 % more: the mean of 1,851 estimates (Bijmolt, van Heerde and Pieters, 2005)


def discounts(n_items: int, sale: np.ndarray, rng: Generator) -> np.ndarray:
    """`(n_items, n_days)` per cent off the list price, 0 without a promotion; `sale` says which days are a sale."""
    off = np.zeros((n_items, len(sale)), dtype=np.int8)
    n = rng.poisson(PER_YEAR / 365 * n_items * (len(sale) + DAYS[1]))
    item, start = rng.integers(0, n_items, n), rng.integers(-DAYS[1], len(sale), n)  # some began before the first day
    length, depth = rng.integers(*DAYS, n), rng.choice(OFF, n)
    for passed in range(DAYS[1]):
        day = start + passed
        runs = (passed < length) & (day >= 0) & (day < len(sale))
        off[item[runs], day[runs]] = depth[runs]
    reduced = np.flatnonzero(rng.random(n_items) < SALE_SHARE)
    off[np.ix_(reduced, np.flatnonzero(sale))] = rng.choice(SALE_OFF, len(reduced))[:, None]
    return off


def waiting(off: np.ndarray, rng: Generator) -> np.ndarray:
    """Random waiting times of offers that are reduced by `off` per cent: whichever of several comes first is bought.

    They are exponential, with the demand at the reduced price as their rate: each offer is first with a chance in
    proportion to its demand.
    """
    demand = (1 - off / np.float32(100)) ** np.float32(-ELASTICITY)
    return rng.standard_exponential(off.shape, dtype=np.float32) / demand


def preferred(tries: np.ndarray, off: np.ndarray, rng: Generator) -> np.ndarray:
    """The tries (items) of every row, `(n, tries)`, in a random order in which reduced products tend to come first."""
    return np.take_along_axis(tries, waiting(off, rng).argsort(axis=1), axis=1)
