"""Drift: planted damage is flagged on its day by its measure, normal data are not, and batches do not matter."""

from __future__ import annotations

import doctest
from datetime import timedelta
from itertools import chain, pairwise

import numpy as np
import polars as pl
import pytest
from drift_data import BAD, ITEMS, MEASURES, START, detect, events, normal, on_bad_day, ten_times
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal
from scipy import stats

from recomart_lib.validate import drift
from recomart_lib.validate.settings import Validate


def flags(drift_table: pl.DataFrame) -> list[tuple[int, str]]:
    """(number of the day, measure) of each flag."""
    flagged = drift_table.filter("flagged").select("day", "measure")
    return [((day - START).days, measure) for day, measure in flagged.rows()]


def swapped() -> pl.DataFrame:
    """Every item has the id of an item of the next category."""
    number = pl.col("item_id").str.slice(1).cast(pl.Int64)
    return on_bad_day("item_id", pl.format("i{}", (number + 10) % 50))


def tables_of(statistics: drift.DailyStatistics) -> list[pl.DataFrame]:
    return [getattr(statistics, field.name) for field in drift.fields(drift.DailyStatistics)]


def assert_same(left: drift.DailyStatistics, right: drift.DailyStatistics) -> None:
    for left_table, right_table in zip(tables_of(left), tables_of(right), strict=True):
        assert_frame_equal(left_table, right_table)


def test_psi_is_the_same_as_by_hand():
    assert doctest.testmod(drift).failed == 0
    assert drift.psi(np.array([3, 5]), np.array([30, 50])) == pytest.approx(0, abs=0.01)
    # shares (10.5, 20.5) / 31 and (20.5, 10.5) / 31: 2 x (10 / 31) x ln(20.5 / 10.5)
    assert drift.psi(np.array([10, 20]), np.array([20, 10])) == pytest.approx(20 / 31 * np.log(20.5 / 10.5))
    assert drift.psi(np.array([7]), np.array([700])) == 0


def test_a_distance_of_prices_is_the_same_as_by_hand():
    """Before: 1, 2, 3, 4. Now: 3, 4, 5, 6. Half of the earlier prices are below 3, and none of the current ones."""
    prices = [[1.0, 2.0, 3.0, 4.0]] * 7 + [[3.0, 4.0, 5.0, 6.0]]
    drift_table = detect(events(np.repeat(np.arange(8), 4), price=list(chain(*prices))), drift_min_rows=4)
    price = drift_table.row(by_predicate=pl.col("measure") == "price", named=True)
    assert (price["value"], price["usual"], price["detail"]) == (0.5, 2.5, "median price 2.5 -> 4.5")
    assert price["threshold"] == pytest.approx(drift.ks_critical_value(4, 28))
    assert not price["flagged"]


@pytest.mark.parametrize(("n", "m"), [(3, 2), (7, 9), (100, 2_800)])
def test_statistics_are_those_of_scipy(n, m):
    """scipy.stats takes a second to import, so that the module computes them itself."""
    rng = np.random.default_rng(n)
    now, before = np.round(rng.lognormal(1, 1, n), 1), np.round(rng.lognormal(1.1, 1, m), 1)
    assert drift.ks_distance(now, before) == stats.ks_2samp(now, before, method="asymp").statistic
    assert drift.psi_critical_value(n, m, 5) == stats.chi2.isf(drift.SIGNIFICANCE, 4) * (1 / n + 1 / m)
    assert stats.norm.isf(drift.SIGNIFICANCE / 2) == drift.SIGMAS
    assert stats.median_abs_deviation([1, 2, 4], scale="normal") == 1 / drift.MAD_TO_SIGMA


def test_critical_values_match_a_simulation():
    rng = np.random.default_rng(0)
    p = [0.1, 0.2, 0.3, 0.4]
    indices = [drift.psi(rng.multinomial(300, p), rng.multinomial(8_400, p)) for _ in range(10_000)]
    assert np.quantile(indices, 1 - drift.SIGNIFICANCE) == pytest.approx(
        drift.psi_critical_value(300, 8_400, 4), rel=0.15
    )
    assert drift.ks_critical_value(300, 8_400) == pytest.approx(1.949 * np.sqrt(1 / 300 + 1 / 8_400), rel=1e-3)


@pytest.mark.parametrize(
    ("damaged", "measure", "detail"),
    [
        (ten_times(), "volume", "3,000 rows, usually 300"),
        (normal(40, np.where(np.arange(40) == BAD, 60, 300)), "volume", "60 rows, usually 300"),
        (on_bad_day("price", pl.when(pl.int_range(pl.len()) % 2 == 0).then("price")), "nulls", "price missing 10"),
        (on_bad_day("event_type", pl.lit("PURCHSE")), "event_type", "PURCHSE 0 % -> 100 %"),
        (swapped(), "category", "Books"),
        (on_bad_day("price", 3 * pl.col("price")), "price", "median price 7"),
    ],
    ids=["ten times", "a fifth", "nulls", "a typing error", "swapped", "times three"],
)
def test_damage_is_flagged_on_its_day_by_its_measure_and_later_days_are_not(damaged, measure, detail):
    drift_table = detect(damaged)
    assert flags(drift_table) == [(BAD, measure)]
    assert detail in drift_table.filter("flagged")["detail"][0]


def test_a_lasting_change_becomes_the_new_normal():
    later = pl.col("delivery_day") >= START + timedelta(days=BAD)
    drift_table = flags(
        detect(normal(80).with_columns(price=pl.when(later).then(3 * pl.col("price")).otherwise("price")))
    )
    days = [day for day, _ in drift_table]
    assert days == list(range(BAD, BAD + len(days)))
    assert 3 < len(days) < 28


def test_normal_days_are_rarely_flagged():
    drift_table = pl.concat([detect(normal(200, seed=seed)) for seed in range(5)])
    assert drift_table.height == 5 * 5 * (200 - drift.MIN_PRECEDING)
    assert drift_table["flagged"].mean() < 0.002


def test_small_normal_days_are_rarely_flagged():
    """A few rows a day: shares and volumes of such deliveries vary a lot by chance."""
    rng = np.random.default_rng(1)
    drift_table = detect(normal(400, rng.poisson(6, 400).clip(1)), drift_min_rows=1)
    assert set(drift_table["measure"]) == set(MEASURES)
    assert drift_table["flagged"].mean() < 0.01


def test_a_weekly_season_is_not_flagged():
    assert not flags(detect(normal(100, np.where(np.arange(100) % 7 < 2, 300, 600))))


def test_a_share_of_nulls_that_usually_varies_is_not_flagged():
    rng = np.random.default_rng(2)
    guests = rng.uniform(0, 0.6, 60).repeat(300) > rng.random(18_000)
    table = normal(60).with_columns(user_id=pl.when(~pl.Series(guests)).then(pl.lit("u")))
    assert not flags(detect(table))
    gone = pl.when(pl.col("delivery_day") < START + timedelta(days=59)).then("user_id")
    assert flags(detect(table.with_columns(user_id=gone))) == [(59, "nulls")]


def test_only_deliveries_with_enough_rows_and_seven_before_them_are_compared():
    drift_table = detect(normal(9, 99))
    assert drift_table["measure"].unique().to_list() == ["volume"]
    assert [(day - START).days for day in drift_table["day"]] == [7, 8]
    assert detect(normal(9, 99), drift_min_rows=50)["measure"].unique(maintain_order=True).to_list() == MEASURES
    assert not detect(normal(7)).height
    assert detect(normal(9), drift_window=2).height


def test_a_delivery_is_a_day_that_has_rows_and_rows_without_a_day_do_not_count():
    table = normal(20).with_columns(delivery_day=pl.col("delivery_day") + pl.duration(days=9 * pl.col("day")))
    assert detect(table)["day"].max() == START + timedelta(days=190)
    without_day = table.with_columns(delivery_day=pl.lit(None, pl.Date))
    assert_same(drift.collect(pl.concat([table, without_day]), ITEMS), drift.collect(table, ITEMS))


@pytest.mark.parametrize(
    ("table", "items", "measures"),
    [
        (normal(9).clear(), ITEMS, []),
        (normal(1), ITEMS, []),
        (normal(9), None, ["volume", "nulls", "event_type", "price"]),
        (normal(9), ITEMS.with_columns(category=pl.lit(None, pl.String)), ["volume", "nulls", "event_type", "price"]),
        (normal(9), ITEMS.with_columns(category=pl.lit("one")), MEASURES),
        (normal(9).with_columns(price=pl.lit(None, pl.Float64)), ITEMS, MEASURES[:-1]),
        (normal(9).with_columns(price=pl.lit(1.5)), ITEMS, MEASURES),
        (normal(9).with_columns(event_type=pl.lit(None, pl.String)), ITEMS, ["volume", "nulls", "category", "price"]),
    ],
    ids=["empty", "one day", "no items", "no category", "one category", "no price", "one price", "no type"],
)
def test_absent_values_are_not_compared(table, items, measures):
    drift_table = detect(table, items)
    assert drift_table["measure"].unique(maintain_order=True).to_list() == measures
    assert not drift_table["flagged"].any()
    assert drift_table.columns == ["day", "measure", "value", "threshold", "usual", "detail", "severity", "flagged"]
    assert drift_table.select("value", "threshold", "severity").null_count().sum_horizontal().item() == 0
    assert drift_table["severity"].is_finite().all()


def test_categories_come_from_items_or_else_from_the_events():
    table = events(np.zeros(3, int), item_id=["i0", "i1", "unknown"], **{"items.category": ["x", "x", None]})
    twice = pl.concat([ITEMS.with_columns(category=pl.lit(None, pl.String)), ITEMS, ITEMS])
    counted = {
        name: drift.collect(table, items).mix.select("value", "n").rows()
        for name, items in {"items": ITEMS, "twice": twice, "events": None}.items()
    }
    assert counted == {"items": [("Books", 2)], "twice": [("Books", 2)], "events": [("x", 2)]}


def test_rare_values_count_together_but_are_named():
    """A hundred values with few rows each: pooled they stay normal, and a new frequent value is flagged immediately."""
    rng = np.random.default_rng(3)
    names = [f"t{k}" for k in rng.integers(0, 100, 40 * 300)]
    table = events(
        np.repeat(np.arange(40), 300), event_type=["view" if k % 2 else name for k, name in enumerate(names)]
    )
    assert not flags(detect(table, None))
    new = (pl.col("day") == BAD) & (pl.int_range(pl.len()) % 3 > 0)
    damaged = table.with_columns(event_type=pl.when(new).then(pl.lit("new <b>")).otherwise("event_type"))
    drift_table = detect(damaged, None).filter("flagged")
    assert drift_table["detail"].to_list() == ["new <b> 0 % -> 67 %"]


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(0, 2_600), max_size=6), st.integers(0, 99))
def test_batches_do_not_matter(cuts, seed):
    table = normal(2, 1_300, seed).sample(fraction=1, shuffle=True, seed=seed)
    edges = [0, *sorted(cuts), table.height]
    parts = [table[start:stop] for start, stop in pairwise(edges)]
    whole = drift.collect(table, ITEMS)
    assert_same(drift.merge(drift.collect(part, ITEMS) for part in parts), whole)
    half = len(parts) // 2
    merged = [drift.merge(drift.collect(part, ITEMS) for part in group) for group in (parts[half:], parts[:half])]
    assert_same(drift.merge(merged), whole)
    assert whole.prices.group_by("delivery_day").len()["len"].to_list() == [drift.SAMPLE] * 2


def test_the_price_sample_represents_all_prices():
    table = normal(1, 20_000)
    sample, whole = drift.collect(table).prices["price"], table["price"].drop_nulls()
    for quantile in (0.1, 0.5, 0.9):
        assert sample.quantile(quantile) == pytest.approx(whole.quantile(quantile), rel=0.15)


def test_statistics_of_some_days_are_those_of_their_rows():
    table, last = normal(9), START + timedelta(days=5)
    part = table.filter(pl.col("delivery_day").is_between(START + timedelta(days=2), last))
    between = drift.collect(table, ITEMS).between(START + timedelta(days=2), last)
    assert_same(between, drift.collect(part, ITEMS))


def test_no_rows_give_no_drift():
    assert drift.detect(drift.merge([]), Validate()).is_empty()
    assert_same(drift.merge([]), drift.collect(normal(3).clear(), ITEMS))
