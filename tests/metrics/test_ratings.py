"""Errors of predicted ratings."""

from __future__ import annotations

import math

import polars as pl
import pytest

from recomart_lib.metrics import ratings


def test_rating_errors_per_model():
    table = pl.DataFrame(
        {
            "user_id": ["u", "v"] * 2,
            "item_id": ["a"] * 4,
            "rating": [1.0, 5.0] * 2,
            "estimate": [2.0, 3.0, 1.0, 5.0],
            "model": ["svd", "svd", "oracle", "oracle"],
        }
    )
    assert ratings.rating_errors(table) == {
        "oracle": {"rmse": 0, "mae": 0},
        "svd": {"rmse": pytest.approx(math.sqrt(2.5)), "mae": 1.5},
    }
    assert ratings.rating_errors(table.clear()) == {}
    with pytest.raises(ValueError, match="1 predictions"):
        ratings.rating_errors(table.with_columns(estimate=pl.Series([None, 3.0, 1.0, 5.0])))
