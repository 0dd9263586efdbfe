"""Scores by week, purchase history and cut, and use of the catalogue: checked by hand."""

from __future__ import annotations

import polars as pl
import pytest
from conftest import utc

from recomart_lib.evaluate import diagnostics

START, END = utc(2024, 3, 1), utc(2024, 3, 11)  # ten days: one week and three days


def lists(model: str, **shown: str) -> pl.DataFrame:
    rows = [(model, "all", user, item, rank) for user, items in shown.items() for rank, item in enumerate(items, 1)]
    return pl.DataFrame(rows, schema=["model", "protocol", "user_id", "item_id", "rank"], orient="row")


def pairs(*rows: tuple[str, str]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema={"user_id": pl.String, "item_id": pl.String}, orient="row")


def purchases(*rows: tuple) -> pl.DataFrame:
    schema = {"user_id": pl.String, "item_id": pl.String, "timestamp": pl.Datetime("us", "UTC")}
    return pl.DataFrame(rows, schema=schema, orient="row")


SHOWN = pl.concat([lists("ease", u="ab", v="ab"), lists("als", u="cd", v="ab")])
PURCHASES = purchases(
    ("u", "a", utc(2024, 2, 29)),  # before the window
    ("u", "a", utc(2024, 3, 1)),
    ("u", "a", utc(2024, 3, 2)),  # the same pair in the same week counts once
    ("v", "c", utc(2024, 3, 7)),
    ("v", "b", utc(2024, 3, 8)),  # seven days after the cut: the second week
    ("v", "c", utc(2024, 3, 10)),  # in two weeks: counts in both
    ("u", "b", utc(2024, 3, 11)),  # at the end: outside
)


def test_each_week_is_evaluated_on_its_own_purchases():
    result = diagnostics.by_week(SHOWN, "all", PURCHASES, START, END, [2])
    assert result.columns[:5] == ["week", "days", "protocol", "model", "user_id"]
    ease = result.filter(pl.col("model") == "ease")
    assert ease.select("week", "days", "user_id", "n_relevant", "hit_rate@2", "recall@2").rows() == [
        (1, 7, "u", 1, 1, 1),
        (1, 7, "v", 1, 0, 0),
        (2, 3, "v", 2, 1, 0.5),
    ]
    assert result.filter(pl.col("model") == "als", pl.col("week") == 1)["hit_rate@2"].to_list() == [0, 0]


def test_a_window_without_purchases_has_no_weeks():
    empty = diagnostics.by_week(SHOWN, "all", PURCHASES.clear(), START, END, [2])
    assert (empty.height, empty.columns[0]) == (0, "week")
    assert diagnostics.summary(empty, ["week", "model"], ["ndcg@2"], 10, 1).height == 0


def test_a_summary_has_one_row_per_group_and_metric():
    result = diagnostics.summary(
        diagnostics.by_week(SHOWN, "all", PURCHASES, START, END, [2]),
        ["week", "model"],
        ["hit_rate@2", "recall@2"],
        200,
        1,
    )
    assert result.select("week", "model", "metric", "mean", "n").rows() == [
        (1, "als", "hit_rate@2", 0, 2),
        (1, "als", "recall@2", 0, 2),
        (1, "ease", "hit_rate@2", 0.5, 2),
        (1, "ease", "recall@2", 0.5, 2),
        (2, "als", "hit_rate@2", 1, 1),
        (2, "als", "recall@2", 0.5, 1),
        (2, "ease", "hit_rate@2", 1, 1),
        (2, "ease", "recall@2", 0.5, 1),
    ]
    half = result.row(2, named=True)
    assert (half["low"], half["high"]) == (0, 1)  # two users, 0 and 1: either may be drawn twice
    one = result.row(6, named=True)
    assert one["low"] == one["mean"] == one["high"]


@pytest.mark.parametrize(
    ("n", "name"),
    [
        (0, "0"),
        (1, "1"),
        (2, "2"),
        (3, "3-5"),
        (5, "3-5"),
        (6, "6-10"),
        (10, "6-10"),
        (11, "11-20"),
        (20, "11-20"),
        (21, "over 20"),
    ],
)
def test_history_counts_distinct_relevant_items(n, name):
    interactions = pl.DataFrame({"user_id": ["u"] * (n + 2), "n_relevant": [3] * n + [0, 0]})
    result = diagnostics.by_history(pl.DataFrame({"user_id": ["u", "new"], "x": [1, 2]}), interactions)
    assert result.columns == ["history", "user_id", "x"]
    assert result["history"].to_list() == [name, "cold"]


def test_history_bins_are_ordered():
    assert diagnostics.by_history(
        pl.DataFrame({"user_id": ["s"]}), pl.DataFrame({"user_id": ["u"], "n_relevant": [1]})
    )["history"].dtype.categories.to_list() == ["cold", "0", "1", "2", "3-5", "6-10", "11-20", "over 20"]


def test_over_cuts():
    at = pl.DataFrame(
        [(1, "all", "ease", 0.2), (2, "all", "ease", 0.4), (2, "all", "als", 0.35)],
        schema=["cut", "protocol", "model", "mean"],
        orient="row",
    ).with_columns(metric=pl.lit("ndcg@10"))
    als, ease = diagnostics.over_cuts(at).to_dicts()
    assert (als["model"], als["cuts"], als["mean"], als["sd"]) == ("als", 1, 0.35, None)
    assert (ease["cuts"], ease["lowest"], ease["highest"]) == (2, 0.2, 0.4)
    assert (ease["mean"], ease["sd"]) == (pytest.approx(0.3), pytest.approx(0.02**0.5))


INTERACTIONS = pl.DataFrame(
    [("u", "a", 1), ("v", "a", 1), ("w", "a", 2), ("u", "b", 1), ("v", "b", 1), ("u", "c", 0), ("u", "d", 0)],
    schema=["user_id", "item_id", "n_relevant"],
    orient="row",
)


def test_catalogue_use():
    # users: a 3, b 2, c and d 0; percentiles of four products: a 7/8, b 5/8, c and d share the ranks 1 and 2: 2/8
    shown = pl.concat([lists("best", u="ab", v="ab"), lists("bold", u="cd", v="ac")])
    table = diagnostics.catalogue_use(shown, pairs(("u", "b"), ("v", "c"), ("v", "b")), INTERACTIONS, 2, 50, 1)
    assert table["model"].to_list() == ["best", "bold", diagnostics.HOLDOUT]
    assert table["popularity@2"].to_list() == [0.75, pytest.approx((2 / 8 + 4.5 / 8) / 2), (5 / 8 + 3.5 / 8) / 2]
    assert table["shown@2"].to_list() == [0.5, 0.75, 0.5]
    # uses 0 0 2 2; 0 1 1 2; 0 0 1 2
    assert table["gini@2"].to_list() == pytest.approx([0.5, 6 / 16, 7 / 12])
    assert table["popularity@2_ci"].to_list()[0] == [0.75, 0.75]


def test_catalogue_use_is_limited_to_the_first_k():
    table = diagnostics.catalogue_use(lists("best", u="ac"), pairs(("u", "b")), INTERACTIONS, 1, 10, 1)
    assert table.filter(pl.col("model") == "best")["popularity@1"].item() == 7 / 8


def test_weak_slices_end_below_the_average():
    table = pl.DataFrame(
        [
            ("x", "ease", 0.1, 0.05, 0.19, 10),
            ("y", "ease", 0.1, 0.05, 0.2, 10),
            ("z", "als", 0.0, 0.0, 0.1, 10),
            ("few", "ease", 0.0, 0.0, 0.0, 9),
        ],
        schema=["city", "model", "mean", "low", "high", "n"],
        orient="row",
    )
    worse = table.rename({"city": "age"}).with_columns(mean=pl.lit(0.05))
    result = diagnostics.weak_slices({"city": table, "age": worse}, "ease", 0.2)
    assert [(row["by"], row["slice"]) for row in result] == [("age", "x"), ("city", "x")]
    assert diagnostics.weak_slices({"city": table}, "ease", 0.0) == []
