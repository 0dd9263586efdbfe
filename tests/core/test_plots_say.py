"""Titles of the figures that several stages share: true for one value, equal values and none."""

from __future__ import annotations

import itertools
from datetime import date, timedelta

import polars as pl
import pytest

from recomart_lib.core import plots

pytestmark = pytest.mark.usefixtures("close_figures")


def title_of(ax) -> str:
    return " ".join(ax.figure.get_suptitle().split())


@pytest.mark.parametrize(
    ("numbers", "title"),
    [
        ([3, 2, 1], "Most: a, 3; then b, 2"),
        ([1, 2, 3], "Most: c, 3; then b, 2"),
        ([3, 3, 1], "Most: a and b, 3 each"),
        ([2, 2], "All 2 are equal: 2"),
        ([7], "Only a: 7"),
        ([0, 7, 0], "Only b: 7"),
    ],
)
def test_bars(numbers, title):
    assert title_of(plots.bars("abc"[: len(numbers)], numbers, "n", "T")) == title


@pytest.mark.parametrize(
    ("counts", "title"),
    [
        ([5, 9, 1], "Most on 2026-01-02: 9; the median is 5"),
        ([5, 0, 1], "Most on 2026-01-01: 5; the median is 1; 1 without any"),
        ([5, 5], "The same each time: 5"),
    ],
)
def test_days(counts, title):
    days = [date(2026, 1, 1) + timedelta(days=n) for n in range(len(counts))]
    assert title_of(plots.daily(pl.DataFrame({"day": days, "n": counts}), "events", "T")) == title


def test_one_day_has_no_course():
    ax = plots.daily(pl.DataFrame({"day": [date(2026, 1, 1)], "n": [1_234]}), "events", "T")
    assert ax.texts[0].get_text() == "T: 1,234, all of 2026-01-01, so that there is no course to draw."


@pytest.mark.parametrize(
    ("numbers", "title"),
    [
        (range(1, 12), "Half of the users: at most 6; one in ten: above 10"),
        ([2.0] * 3, "All 3 users: 2"),
        ([2.5], "Only one of the users: 2.5"),
    ],
)
def test_distributions(numbers, title):
    assert title_of(plots.histogram(pl.Series(numbers), "n", "users", "T", log=True)) == title


def test_a_distribution_says_what_a_logarithmic_axis_leaves_out():
    ax = plots.histogram(pl.Series([0, 1, 10]), "n", "users", "Events", log=True)
    assert ax.get_title("left") == "Events (1 that are not above 0 are left out)"


def test_labels_of_lines_do_not_overlap_and_stay_inside():
    places = plots.spread([0.0, 0.1, 0.1, 0.9, 1.0], 0.2, 0.0, 1.0)
    assert places == sorted(places)
    assert all(upper - lower > 0.2 - 1e-9 for lower, upper in itertools.pairwise(places))
    assert places[0] >= 0
    assert places[-1] <= 1


def test_long_titles_are_lines_of_about_equal_length():
    lines = plots._wrapped(
        "Two-step ranker lists more popular products than users took: percentile 93, not 81", 76
    ).split("\n")
    assert len(lines) == 2
    assert min(map(len, lines)) > 30
