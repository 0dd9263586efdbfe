"""Promotions: how many, how deep, on which days, and what they do to demand."""

from __future__ import annotations

import numpy as np
import pytest

from recomart.simulator import promotions

SALE = np.isin(np.arange(365), range(331, 335))


@pytest.mark.parametrize("seed", range(3))
def test_promotions_last_some_days_and_sales_have_more(seed):
    off = promotions.discounts(500, SALE, np.random.default_rng(seed))
    assert off.shape == (500, 365)
    assert set(np.unique(off)) <= {0, *promotions.OFF, *promotions.SALE_OFF}
    assert 0.05 < (off[:, ~SALE] > 0).mean() < 0.12
    assert (off[:, SALE] > 0).mean() > promotions.SALE_SHARE - 0.1
    begins = (off[:, 1:] > 0) & (off[:, :-1] == 0)
    assert 2 < (off > 0).sum() / begins.sum() < promotions.DAYS[1]  # mean length in days


def test_a_period_shorter_than_a_promotion_works():
    assert promotions.discounts(3, np.array([False]), np.random.default_rng(0)).shape == (3, 1)


def test_reduced_products_tend_to_come_first_and_nothing_is_lost():
    rng = np.random.default_rng(0)
    tries = np.tile(np.arange(4), (4_000, 1))
    off = np.where(tries == 2, 25, 0)
    ordered = promotions.preferred(tries, off, rng)
    assert (np.sort(ordered, axis=1) == tries).all()
    shares = np.bincount(ordered[:, 0], minlength=4) / len(tries)
    more = 0.75**-promotions.ELASTICITY  # 2.1 times the demand at 25 % off
    assert shares == pytest.approx([1 / (3 + more)] * 2 + [more / (3 + more), 1 / (3 + more)], abs=0.03)
