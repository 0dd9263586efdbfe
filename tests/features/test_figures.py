"""Figures of features hold for any numbers."""

from __future__ import annotations

import polars as pl
import pytest

from recomart_lib.features import figures, profile

pytestmark = pytest.mark.usefixtures("close_figures")
ALMOST = 0.1 + 0.2  # not 0.3


def test_a_feature_that_differs_by_rounding_only_does_not_vary():
    table = pl.DataFrame({"a": [0.3, ALMOST], "b": [1, 2], "c": [None, 1.0], "d": ["x", "y"], "e": [0.0, 1e-12]})
    assert profile.varying(table, table.columns) == ["b", "e"]
    assert profile.varying(table.clear(), table.columns) == []


def test_a_feature_whose_lower_values_differ_by_rounding_only_is_drawn():
    """Without its upper 1 %, nothing but rounding is left to divide into bars."""
    table = pl.DataFrame({"a": [0.3, ALMOST] * 100 + [9.0]})
    figures.distributions(table, ["a"], {"a": "stars"}, "Users").figure.canvas.draw()
