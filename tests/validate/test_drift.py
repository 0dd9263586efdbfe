"""Drift: planted damage is found on its day, by its measure; calm data stay calm; batches do not matter."""

from __future__ import annotations

import doctest
from datetime import date, timedelta
from itertools import chain, pairwise

import matplotlib.pyplot as plt
import numpy as np
import polars as pl
import pytest
from conftest import rows
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from recomart_lib.core import schemas
from recomart_lib.validate import drift
from recomart_lib.validate import figures as validate_figures
from recomart_lib.validate.settings import Validate

START = date(2024, 1, 1)
MEASURES = ["volume", "nulls", "event_type", "category", "price"]
CATEGORIES = ["Books", "Food", "Garden", "Toys", "Überraschung 日本"]
ITEMS = rows("items", *({"item_id": f"i{n}", "category": CATEGORIES[n // 10]} for n in range(50)))
BAD = 30  # the day of the planted damage


def landed(days: np.ndarray, **columns) -> pl.DataFrame:
    """Raw events of these days (numbers from 0 for START); what is not given is null."""
    table = pl.DataFrame({"day": days, **columns}).with_row_index("source_line")
    absent = [pl.lit(None, dtype).alias(name) for name, dtype in schemas.EVENTS.items() if name not in columns]
    day = pl.lit(START) + pl.duration(days="day")
    return table.with_columns(*absent, drop_day=day, source_file=pl.lit("f.csv"))


def calm(n_days: int, n_rows: int | np.ndarray = 300, seed: int = 0) -> pl.DataFrame:
    """Days that differ by chance only: four event types, fifty items, prices of which a tenth is missing."""
    rng = np.random.default_rng(seed)
    days = np.repeat(np.arange(n_days), n_rows)
    n = len(days)
    price = pl.Series(np.round(rng.lognormal(2, 1, n), 2))
    return landed(
        days,
        item_id=[f"i{k}" for k in (50 * rng.random(n) ** 2).astype(int)],
        event_type=rng.choice(["view", "cart", "purchase", "return"], n, p=[0.6, 0.25, 0.13, 0.02]),
        price=pl.select(pl.when(pl.Series(rng.random(n)) > 0.1).then(price)).to_series(),
    )


def judged(table: pl.DataFrame, items: pl.DataFrame | None = ITEMS, **params) -> pl.DataFrame:
    return drift.detect(drift.collect(table, items), Validate(**params))


def flags(found: pl.DataFrame) -> list[tuple[int, str]]:
    """(number of the day, measure) of each flag."""
    return [((day - START).days, measure) for day, measure in found.filter("flagged").select("day", "measure").rows()]


def on_bad_day(column: str, value: pl.Expr) -> pl.DataFrame:
    """Forty calm days with another value in one of them."""
    bad = pl.col("drop_day") == START + timedelta(days=BAD)
    return calm(40).with_columns(pl.when(bad).then(value).otherwise(column).alias(column))


def ten_times() -> pl.DataFrame:
    return calm(40, np.where(np.arange(40) == BAD, 3_000, 300))


def swapped() -> pl.DataFrame:
    """Every item is called by the name of one of the next category."""
    number = pl.col("item_id").str.slice(1).cast(pl.Int64)
    return on_bad_day("item_id", pl.format("i{}", (number + 10) % 50))


def tables_of(observed: drift.DailyStatistics) -> list[pl.DataFrame]:
    return [getattr(observed, field.name) for field in drift.fields(drift.DailyStatistics)]


def assert_same(one: drift.DailyStatistics, other: drift.DailyStatistics) -> None:
    for left, right in zip(tables_of(one), tables_of(other), strict=True):
        assert_frame_equal(left, right)


def test_formulas_are_worked_by_hand():
    assert doctest.testmod(drift).failed == 0
    assert drift.psi(np.array([3, 5]), np.array([30, 50])) == pytest.approx(0, abs=0.01)
    # shares (10.5, 20.5) / 31 and (20.5, 10.5) / 31: 2 x (10 / 31) x ln(20.5 / 10.5)
    assert drift.psi(np.array([10, 20]), np.array([20, 10])) == pytest.approx(20 / 31 * np.log(20.5 / 10.5))
    assert drift.psi(np.array([7]), np.array([700])) == 0


def test_a_distance_of_prices_is_worked_by_hand():
    """Before: 1, 2, 3, 4. Now: 3, 4, 5, 6. Below 3 lie half of the one and none of the other."""
    prices = [[1.0, 2.0, 3.0, 4.0]] * 7 + [[3.0, 4.0, 5.0, 6.0]]
    found = judged(landed(np.repeat(np.arange(8), 4), price=list(chain(*prices))), drift_min_rows=4)
    price = found.row(by_predicate=pl.col("measure") == "price", named=True)
    assert (price["value"], price["usual"], price["detail"]) == (0.5, 2.5, "median price 2.5 -> 4.5")
    assert price["threshold"] == pytest.approx(drift.ks_critical_value(4, 28))
    assert not price["flagged"]


def test_the_chance_levels_are_those_of_simulation():
    rng = np.random.default_rng(0)
    p = [0.1, 0.2, 0.3, 0.4]
    indices = [drift.psi(rng.multinomial(300, p), rng.multinomial(8_400, p)) for _ in range(10_000)]
    assert np.quantile(indices, 1 - drift.SIGNIFICANCE) == pytest.approx(drift.psi_critical_value(300, 8_400, 4), rel=0.15)
    assert drift.ks_critical_value(300, 8_400) == pytest.approx(1.949 * np.sqrt(1 / 300 + 1 / 8_400), rel=1e-3)


@pytest.mark.parametrize(
    ("damaged", "measure", "words"),
    [
        (ten_times(), "volume", "3,000 rows, usually 300"),
        (calm(40, np.where(np.arange(40) == BAD, 60, 300)), "volume", "60 rows, usually 300"),
        (on_bad_day("price", pl.when(pl.int_range(pl.len()) % 2 == 0).then("price")), "nulls", "price missing 10"),
        (on_bad_day("event_type", pl.lit("PURCHSE")), "event_type", "PURCHSE 0.0 % -> 100.0 %"),
        (swapped(), "category", "Books"),
        (on_bad_day("price", 3 * pl.col("price")), "price", "median price 7"),
    ],
    ids=["ten times", "a fifth", "nulls", "a typing error", "swapped", "times three"],
)
def test_damage_is_found_on_its_day_by_its_measure_and_days_after_are_clean(damaged, measure, words):
    found = judged(damaged)
    assert flags(found) == [(BAD, measure)]
    assert words in found.filter("flagged")["detail"][0]


def test_a_change_that_lasts_becomes_the_usual():
    later = pl.col("drop_day") >= START + timedelta(days=BAD)
    found = flags(judged(calm(80).with_columns(price=pl.when(later).then(3 * pl.col("price")).otherwise("price"))))
    days = [day for day, _ in found]
    assert days == list(range(BAD, BAD + len(days)))
    assert 3 < len(days) < 28


def test_calm_days_are_rarely_flagged():
    found = pl.concat([judged(calm(200, seed=seed)) for seed in range(5)])
    assert found.height == 5 * 5 * (200 - drift.MIN_PRECEDING)
    assert found["flagged"].mean() < 0.002


def test_small_calm_days_are_rarely_flagged():
    """A few rows a day: shares and volumes of such drops differ much by chance."""
    rng = np.random.default_rng(1)
    found = judged(calm(400, rng.poisson(6, 400).clip(1)), drift_min_rows=1)
    assert set(found["measure"]) == set(MEASURES)
    assert found["flagged"].mean() < 0.01


def test_a_weekly_season_is_no_drift():
    assert not flags(judged(calm(100, np.where(np.arange(100) % 7 < 2, 300, 600))))


def test_a_share_of_nulls_that_swings_by_its_nature_is_no_drift():
    rng = np.random.default_rng(2)
    guests = rng.uniform(0, 0.6, 60).repeat(300) > rng.random(18_000)
    table = calm(60).with_columns(user_id=pl.when(~pl.Series(guests)).then(pl.lit("u")))
    assert not flags(judged(table))
    gone = pl.when(pl.col("drop_day") < START + timedelta(days=59)).then("user_id")
    assert flags(judged(table.with_columns(user_id=gone))) == [(59, "nulls")]


def test_only_drops_with_enough_rows_and_seven_before_them_are_judged():
    found = judged(calm(9, 99))
    assert found["measure"].unique().to_list() == ["volume"]
    assert [(day - START).days for day in found["day"]] == [7, 8]
    assert judged(calm(9, 99), drift_min_rows=50)["measure"].unique(maintain_order=True).to_list() == MEASURES
    assert not judged(calm(7)).height
    assert judged(calm(9), drift_window=2).height


def test_a_drop_is_a_day_that_has_rows_and_rows_without_a_day_do_not_count():
    table = calm(20).with_columns(drop_day=pl.col("drop_day") + pl.duration(days=9 * pl.col("day")))
    assert judged(table)["day"].max() == START + timedelta(days=190)
    nowhere = table.with_columns(drop_day=pl.lit(None, pl.Date))
    assert_same(drift.collect(pl.concat([table, nowhere]), ITEMS), drift.collect(table, ITEMS))


@pytest.mark.parametrize(
    ("table", "items", "measures"),
    [
        (calm(9).clear(), ITEMS, []),
        (calm(1), ITEMS, []),
        (calm(9), None, ["volume", "nulls", "event_type", "price"]),
        (calm(9), ITEMS.with_columns(category=pl.lit(None, pl.String)), ["volume", "nulls", "event_type", "price"]),
        (calm(9), ITEMS.with_columns(category=pl.lit("one")), MEASURES),
        (calm(9).with_columns(price=pl.lit(None, pl.Float64)), ITEMS, MEASURES[:-1]),
        (calm(9).with_columns(price=pl.lit(1.5)), ITEMS, MEASURES),
        (calm(9).with_columns(event_type=pl.lit(None, pl.String)), ITEMS, ["volume", "nulls", "category", "price"]),
    ],
    ids=["empty", "one day", "no items", "no category", "one category", "no price", "one price", "no type"],
)
def test_what_is_not_there_is_not_judged(table, items, measures):
    found = judged(table, items)
    assert found["measure"].unique(maintain_order=True).to_list() == measures
    assert not found["flagged"].any()
    assert found.columns == ["day", "measure", "value", "threshold", "usual", "detail", "severity", "flagged"]
    assert found.select("value", "threshold", "severity").null_count().sum_horizontal().item() == 0
    assert found["severity"].is_finite().all()


def test_categories_come_from_items_or_else_from_the_events():
    table = landed(np.zeros(3, int), item_id=["i0", "i1", "unknown"], **{"items.category": ["x", "x", None]})
    twice = pl.concat([ITEMS.with_columns(category=pl.lit(None, pl.String)), ITEMS, ITEMS])
    counted = {
        name: drift.collect(table, items).mix.select("value", "n").rows()
        for name, items in {"items": ITEMS, "twice": twice, "events": None}.items()
    }
    assert counted == {"items": [("Books", 2)], "twice": [("Books", 2)], "events": [("x", 2)]}


def test_rare_values_count_together_but_are_named():
    """A hundred values with few rows each: their sum says nothing of chance, and a new one is seen at once."""
    rng = np.random.default_rng(3)
    names = [f"t{k}" for k in rng.integers(0, 100, 40 * 300)]
    table = landed(
        np.repeat(np.arange(40), 300), event_type=["view" if k % 2 else name for k, name in enumerate(names)]
    )
    assert not flags(judged(table, None))
    new = (pl.col("day") == BAD) & (pl.int_range(pl.len()) % 3 > 0)
    damaged = table.with_columns(event_type=pl.when(new).then(pl.lit("new <b>")).otherwise("event_type"))
    found = judged(damaged, None).filter("flagged")
    assert found["detail"].to_list() == ["new <b> 0.0 % -> 66.7 %"]


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(0, 2_600), max_size=6), st.integers(0, 99))
def test_batches_do_not_matter(cuts, seed):
    table = calm(2, 1_300, seed).sample(fraction=1, shuffle=True, seed=seed)
    edges = [0, *sorted(cuts), table.height]
    parts = [table[start:stop] for start, stop in pairwise(edges)]
    together = drift.collect(table, ITEMS)
    assert_same(drift.merge(drift.collect(part, ITEMS) for part in parts), together)
    half = len(parts) // 2
    merged = [drift.merge(drift.collect(part, ITEMS) for part in some) for some in (parts[half:], parts[:half])]
    assert_same(drift.merge(merged), together)
    assert together.prices.group_by("drop_day").len()["len"].to_list() == [drift.SAMPLE] * 2


def test_a_sample_looks_like_the_whole():
    table = calm(1, 20_000)
    sample, whole = drift.collect(table).prices["price"], table["price"].drop_nulls()
    for quantile in (0.1, 0.5, 0.9):
        assert sample.quantile(quantile) == pytest.approx(whole.quantile(quantile), rel=0.15)


def test_nothing_observed_is_nothing_found():
    assert drift.detect(drift.merge([]), Validate()).is_empty()
    assert_same(drift.merge([]), drift.collect(calm(3).clear(), ITEMS))


@pytest.fixture
def figures():
    yield
    plt.close("all")


@pytest.mark.parametrize("n_days", [0, 1, 3, 400])
def test_drift_is_drawn(n_days, figures, tmp_path):
    found = judged(calm(n_days + drift.MIN_PRECEDING, 150)) if n_days else judged(calm(1))
    assert found["day"].n_unique() == n_days
    ax = validate_figures.drift(found, "Drift")
    ax.figure.savefig(tmp_path / "drift.png")
    if n_days:
        assert ax.get_xlabel()
        assert [label.get_text() for label in ax.get_yticklabels()] == MEASURES
    else:
        assert ax.texts[0].get_text() == "Drift: no drop could be judged."


def test_a_mark_is_where_the_flag_is(figures):
    marks = validate_figures.drift(judged(ten_times()), "Drift").collections[1].get_offsets()
    assert marks.tolist() == [[(START + timedelta(days=BAD) - date(1970, 1, 1)).days, 0]]


@pytest.mark.parametrize("scores", [[], [97.5], [100.0] * 9, [0.0], [99.9] * 400 + [20.0], [50.0] * 9])
@pytest.mark.parametrize("gate", [0.0, 95.0, 100.0])
def test_scores_are_drawn_and_those_near_the_top_readable(scores, gate, figures, tmp_path):
    days = [START + timedelta(days=n) for n in range(len(scores))]
    schema = {"day": pl.Date, "score": pl.Float64, "n": pl.Int64}
    ax = validate_figures.delivery_scores(
        pl.DataFrame({"day": days, "score": scores, "n": range(1, len(days) + 1)}, schema), "S", gate
    )
    ax.figure.savefig(tmp_path / "scores.png")
    if scores:
        low, high = ax.get_ylim()
        assert low < gate
        assert high > 100
        assert "score" in ax.get_ylabel()
        assert gate < 95 or np.median(scores) < 90 or low > 85
