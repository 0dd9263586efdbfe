"""Plots show the numbers of their tables, and a text if there are none."""

from __future__ import annotations

from datetime import date

import matplotlib.pyplot as plt
import polars as pl
import pytest

from recomart_lib.core import plots

pytestmark = pytest.mark.usefixtures("close_figures")


def test_the_style_equals_seaborns_without_importing_it():
    import seaborn as sns

    with plt.rc_context():
        sns.set_theme(context="notebook", style="whitegrid", palette="deep")
        seaborn_params = {**plt.rcParams}
        palette = sns.color_palette("deep").as_hex()
    assert list(palette) == plots.DEEP
    with plt.rc_context():
        plt.rcdefaults()
        before = {**plt.rcParams}
        plt.rcParams.update(plots.SEABORN)
        our_params = {**plt.rcParams}
    different = {
        name for name in seaborn_params if seaborn_params[name] != our_params[name] and name != "axes.prop_cycle"
    }
    # text colours are the project's own; every figure sets its colour map
    assert different <= {"text.color", "axes.labelcolor", "axes.titlesize", "image.cmap", "backend"}
    assert our_params != before


@pytest.mark.parametrize("years", [(1, 2025), (2025, 9999)])
def test_days_of_impossible_years_are_a_text_instead_of_a_figure(years):
    days = pl.DataFrame({"day": [date(year, 1, 1) for year in years], "n": [1, 2]})
    ax = plots.daily(days, "events", "T")
    ax.figure.canvas.draw()
    assert ax.texts[0].get_text() == f"T: the years {years[0]} to {years[1]} do not fit on one axis."


def test_a_logarithmic_axis_has_few_plain_numbers():
    ax = plots.histogram(pl.Series(range(20, 738)), "n", "users", "T", log=True)
    ax.figure.canvas.draw()
    assert {label.get_text() for label in ax.get_xticklabels(which="minor")} <= {""}
    assert {"50", "100", "500"} <= {label.get_text() for label in ax.get_xticklabels()}
    wide = plots.histogram(pl.Series([1, 10, 1_000_000]), "n", "users", "T", log=True)
    wide.figure.canvas.draw()
    assert not {"2", "50"} & {label.get_text() for label in wide.get_xticklabels()}


def test_bars_without_data_are_an_empty_figure():
    assert not plots.bars(["view", "cart"], [0, 0], "pairs", "T").patches
    assert len(plots.bars(["view", "cart"], [0, 1], "pairs", "T").patches) == 2


@pytest.mark.parametrize("log", [False, True])
def test_numbers_that_differ_by_rounding_only_are_one_bar(log):
    almost_equal = pl.Series([0.3, 0.1 + 0.2, 0.3])
    ax = plots.histogram(almost_equal, "n", "users", "T", log=log)
    ax.figure.canvas.draw()
    assert [bar.get_height() for bar in ax.patches] == [3]
