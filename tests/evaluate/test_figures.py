"""Figures of stage `evaluate`: they show the numbers of their tables, and a text if there are none."""

from __future__ import annotations

import polars as pl
import pytest

from recomart_lib.core.colours import colour
from recomart_lib.evaluate import figures

pytestmark = pytest.mark.usefixtures("close_figures")


def means(*rows: tuple[str, str, float]) -> pl.DataFrame:
    """A table like `diagnostics.summary`."""
    order = pl.Enum(["cold", "1", "2", "11-20"])
    numbers = {"low": pl.col("mean") - 0.1, "high": pl.col("mean") + 0.1, "metric": pl.lit("ndcg@10")}
    table = pl.DataFrame(rows, schema={"history": order, "model": pl.String, "mean": pl.Float64}, orient="row")
    return table.with_columns(**numbers, n=pl.lit(1234))


def test_a_curve_keeps_the_order_of_groups_and_leaves_gaps():
    table = means(("11-20", "ease", 0.5), ("1", "ease", 0.3), ("cold", "als", 0.2), ("1", "als", 0.1))
    ax = figures.curve(table, "history", "ndcg@10", "products", "T")
    assert [label.get_text() for label in ax.get_xticklabels()] == [
        f"{name}\nn = 1,234" for name in ("cold", "1", "11-20")
    ]
    lines = {box.get_label(): box.lines[0] for box in ax.containers}
    assert {name: line.get_color() for name, line in lines.items()} == {n: colour(n) for n in ("als", "ease")}
    heights = {name: line.get_ydata().tolist() for name, line in lines.items()}
    assert heights["ease"] == [pytest.approx(float("nan"), nan_ok=True), 0.3, 0.5]
    assert heights["als"] == [0.2, 0.1, pytest.approx(float("nan"), nan_ok=True)]


def test_a_curve_shows_only_its_metric():
    ax = figures.curve(means(("1", "ease", 0.3)), "history", "recall@10", "products", "T")
    assert ax.texts[0].get_text() == "T: no users to evaluate."


def test_reliability_shows_observed_against_predicted():
    columns = ["model", "bin", "predicted", "observed", "low", "high", "n"]
    table = pl.DataFrame([("m", 1, 0.1, 0.2, 0.15, 0.25, 9), ("m", 2, 0.4, 0.3, 0.2, 0.5, 9)], columns, orient="row")
    ax = figures.reliability(table, "T")
    assert ax.containers[0].lines[0].get_xydata().tolist() == [[0.1, 0.2], [0.4, 0.3]]
    assert ax.get_xlim() == ax.get_ylim() == (0, pytest.approx(0.525))
    assert "no model of this run predicts probabilities" in figures.reliability(table.clear(), "T").texts[0].get_text()


def test_the_reference_line_of_intervals_has_a_label():
    table = pl.DataFrame({"model": ["ease"], "x@10": [0.5], "x@10_ci": [[0.4, 0.6]]})
    assert figures.intervals(table, "x@10", "T", 0.75, "taken").get_legend().get_texts()[0].get_text() == "taken 0.75"
    assert figures.intervals(table, "x@10", "T", 0.2).get_legend().get_texts()[0].get_text() == "target 0.2"


def test_models_at_the_same_point_share_a_label():
    table = pl.DataFrame({"model": ["a", "b", "c"], "x": [0.1, 0.5, 0.10001], "y": [0.2, 0.2, 0.2]})
    ax = figures.trade_off(table, "x", "y", "T")
    assert [text.get_text() for text in ax.texts] == ["a, c", "b"]
    assert len(ax.lines) == 3


def test_differences_of_rules_stand_around_zero():
    names = ["protocol", "rule", "metric", "difference", "low", "high"]
    rows = [(p, rule, "ndcg@10", -0.1, -0.2, 0.0) for p in ("all", "novel") for rule in ("block", "together")]
    table = pl.DataFrame(rows, schema=names, orient="row")
    ax = figures.differences(table, "ndcg@10", "T")
    assert [label.get_text() for label in ax.get_yticklabels()] == ["block", "together"]
    assert [line.get_xdata()[0] for line in ax.lines] == [-0.1, -0.1, 0]
    assert "no users to evaluate" in figures.differences(table.clear(), "ndcg@10", "T").texts[0].get_text()


def test_diversity_has_a_dot_per_value_of_the_knob():
    numbers = {"knob": [0.0, 1.0], "ndcg@10": [0.4, 0.2], "diversity@10": [0.5, 0.9], "coverage@10": [0.1, 0.3]}
    table = pl.DataFrame(numbers).with_columns(protocol=pl.lit("all"))
    ax = figures.diversity(table, 10, "T")
    assert ax.lines[0].get_xydata().tolist() == [[0.5, 0.4], [0.9, 0.2]]
    assert [text.get_text() for text in ax.texts] == ["0", "1"]
    assert "no users to evaluate" in figures.diversity(table.clear(), 10, "T").texts[0].get_text()
    alone = table.with_columns(pl.lit(None, pl.Float64).alias("diversity@10"))  # lists of one product
    assert list(figures.diversity(alone, 10, "T").texts) == []
