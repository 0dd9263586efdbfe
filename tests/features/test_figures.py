"""Figures of features hold for any numbers."""

from __future__ import annotations

import re

import numpy as np
import polars as pl
import pytest

from recomart.runner import svg_figures
from recomart_lib.core import inline_figures
from recomart_lib.features import figures, profile

pytestmark = pytest.mark.usefixtures("close_figures")
NAMES = ["view_count", "average_rating", "order_count"]
ALMOST = 0.1 + 0.2  # not 0.3


def test_a_feature_that_differs_by_rounding_only_does_not_vary():
    table = pl.DataFrame({"a": [0.3, ALMOST], "b": [1, 2], "c": [None, 1.0], "d": ["x", "y"], "e": [0.0, 1e-12]}).lazy()
    assert [name for name, _ in profile.varying(table, "abcde")] == ["b", "e"]
    assert list(profile.varying(table.clear(), "abcde")) == []


def test_a_feature_whose_lower_values_differ_by_rounding_only_is_drawn():
    """Without its upper 1 %, nothing but rounding is left to divide into bars."""
    table = pl.DataFrame({"a": [0.3, ALMOST] * 100 + [9.0]})
    figures.distributions(table.lazy(), ["a"], {"a": "stars"}, "Users").figure.canvas.draw()


def test_distributions_share_one_pair_of_axes():
    """Dozens of axes would take most of the time of the stage's figures."""
    table = pl.DataFrame({name: [0, 1, 1, 4] for name in "abcdef"} | {"same": [1] * 4})
    ax = figures.distributions(table.lazy(), table.columns, dict.fromkeys(table.columns, "events"), "Users")
    assert len(ax.figure.axes) == 1
    assert len(ax.patches) == 6
    texts = [text.get_text() for text in ax.texts]
    assert [text for text in texts if text in table.columns] == list("abcdef")
    assert texts.count("events") == texts.count("up to 2 rows") == 6
    assert {"0", "2"} <= set(texts)


def test_bars_hold_all_values_and_the_upper_hundredth_in_the_last_one():
    [(_, values)] = profile.varying(pl.LazyFrame({"a": [*range(100), 1_000, None]}), ["a"])
    counts, edges = figures._bars(values)
    assert counts.sum() == 101
    assert edges[-1] == 99


def pairs(n_rows: int) -> pl.DataFrame:
    """Pairs with a perfect correlation of two features, and none with the third."""
    n = pl.int_range(n_rows, eager=True)
    return pl.DataFrame({"view_count": n, "order_count": n * 2, "average_rating": n * 7919 % 11 / 2.0})


def test_correlations_of_a_small_table_are_those_of_all_rows():
    table = pairs(300).with_columns(order_count=pl.when(pl.col("view_count") < 250).then("order_count"))
    correlated = profile.correlations(table.lazy(), NAMES)
    expected = table.select(correlated.names).to_pandas().corr("spearman").to_numpy()
    assert correlated.names == NAMES
    assert (correlated.matrix == expected).all()
    assert correlated.sample == "300 rows"
    assert profile.redundant(correlated).rows() == [("view_count", "order_count", pytest.approx(1))]


def test_correlations_of_a_large_table_are_those_of_a_sample(monkeypatch):
    monkeypatch.setattr(profile, "N_CORRELATED", 200)
    correlated = profile.correlations(pairs(5_000).lazy(), NAMES)
    assert correlated.sample == "sample: 200 of 5,000 rows"
    assert profile.redundant(correlated).rows() == [("view_count", "order_count", pytest.approx(1))]
    assert (correlated.matrix == profile.correlations(pairs(5_000).lazy(), NAMES).matrix).all(), "a fixed seed"
    ax = figures.correlations(correlated, "Pairs")
    assert "Pairs (sample: 200 of 5,000 rows)" in {ax.get_title(loc=loc) for loc in ("left", "center")}


def values_of(correlated: profile.Correlations) -> list[str]:
    """The exact values on the map in a page, in their order."""
    figure = figures.correlations(correlated, "Pairs").figure
    page = svg_figures.inline(inline_figures.svg(figure), "a map", "f")
    return re.findall(r'class="value" role="img" aria-label="([^"]+)"', page)


def test_each_cell_of_a_small_map_has_its_value():
    matrix = np.array([[1, -0.25, np.nan], [-0.25, 1, 0.5], [np.nan, 0.5, 1]])
    shown = values_of(profile.Correlations(["a", "b", "c"], matrix, 9, 9))
    assert len(shown) == 9
    assert (shown[0], shown[1], shown[2], shown[5]) == (
        "a and a: 1.00",
        "a and b: -0.25",
        "a and c: unknown",
        "b and c: 0.50",
    )


def test_a_large_map_is_a_picture_and_its_strongest_pairs_are_a_table():
    n = figures.SMALL_MAP + 1
    matrix = np.eye(n)
    matrix[0, 1] = matrix[1, 0] = -0.9
    matrix[2, 3] = matrix[3, 2] = profile.WEAK - 0.01
    correlated = profile.Correlations([f"f{i}" for i in range(n)], matrix, 9, 9)
    assert values_of(correlated) == []
    empty = profile.Correlations([], np.zeros((0, 0)), 0, 0)
    assert profile.strongest({"user": correlated, "item": empty}).rows() == [("user", "f0", "f1", -0.9)]


def test_correlations_of_fewer_than_two_features_are_not_drawn():
    correlated = profile.correlations(pairs(1).lazy(), NAMES)
    assert correlated.names == []
    assert profile.redundant(correlated).height == 0
    assert "fewer than two features vary" in figures.correlations(correlated, "Pairs").texts[0].get_text()
