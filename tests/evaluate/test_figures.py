"""Figures of stage `evaluate`: they show the numbers of their tables, and a text if there are none."""

from __future__ import annotations

from datetime import UTC, datetime

import polars as pl
import pytest

from recomart_lib.core.colours import GREY, colour
from recomart_lib.core.model_names import plain
from recomart_lib.evaluate import figures

pytestmark = pytest.mark.usefixtures("close_figures")


def title_of(ax) -> str:
    return " ".join(ax.figure.get_suptitle().split())


def means(*rows: tuple[str, str, float]) -> pl.DataFrame:
    """A table like `diagnostics.summary`."""
    order = pl.Enum(["cold", "1", "2", "11-20"])
    numbers = {"low": pl.col("mean") - 0.1, "high": pl.col("mean") + 0.1, "metric": pl.lit("ndcg@10")}
    table = pl.DataFrame(rows, schema={"history": order, "model": pl.String, "mean": pl.Float64}, orient="row")
    return table.with_columns(**numbers, n=pl.lit(1234))


def drawn(ax) -> dict[str, list[tuple[float, float]]]:
    """The labelled lines: name -> points."""
    return {str(line.get_label()): line.get_xydata().tolist() for line in ax.lines if str(line.get_label())[0] != "_"}


def test_a_curve_keeps_the_order_of_groups_and_leaves_gaps():
    table = means(("11-20", "ease", 0.5), ("1", "ease", 0.3), ("cold", "als", 0.2), ("1", "als", 0.1))
    ax = figures.curve(table, "history", "ndcg@10", "products", "T", "ease", ("group", "groups"))
    assert [label.get_text() for label in ax.get_xticklabels()] == [
        f"{name}\nn = 1,234" for name in ("cold", "1", "11-20")
    ]
    heights = {name: [y for _, y in points] for name, points in drawn(ax).items()}
    assert heights[plain("ease")] == [pytest.approx(float("nan"), nan_ok=True), 0.3, 0.5]
    assert heights[plain("als")] == [0.2, 0.1, pytest.approx(float("nan"), nan_ok=True)]
    assert title_of(ax) == "Linear item model (EASE) leads in 2 of 2 groups: 0.300 to 0.500"


def test_only_the_chosen_model_is_in_colour():
    table = means(("1", "ease", 0.3), ("1", "als", 0.1))
    ax = figures.curve(table, "history", "ndcg@10", "products", "T", "ease", ("group", "groups"))
    colours = {str(line.get_label()): line.get_color() for line in ax.lines}
    assert colours[plain("ease")] == colour("ease")
    assert colours[plain("als")] == GREY


@pytest.mark.parametrize(("groups", "style"), [(("cold", "1"), "None"), (("cold", "1", "2"), "-")])
def test_fewer_than_three_points_are_no_trend(groups, style):
    ax = figures.curve(
        means(*((group, "ease", 0.3) for group in groups)), "history", "ndcg@10", "x", "T", "ease", ("group", "groups")
    )
    assert {line.get_linestyle() for line in ax.lines if line.get_label() == plain("ease")} == {style}


def test_equal_lines_are_one_line_with_both_names():
    table = means(("1", "als", 0.3), ("2", "als", 0.3), ("1", "bpr", 0.3), ("2", "bpr", 0.3), ("1", "ease", 0.4))
    ax = figures.curve(table, "history", "ndcg@10", "products", "T", "ease", ("group", "groups"))
    assert set(drawn(ax)) == {f"{plain('als')} = {plain('bpr')}", plain("ease")}


def test_small_groups_are_left_out_and_named():
    table = means(("cold", "ease", 0.9), ("1", "ease", 0.3), ("2", "ease", 0.4))
    table = table.with_columns(n=pl.when(history="cold").then(1).otherwise("n"))
    ax = figures.curve(table, "history", "ndcg@10", "products", "T", "ease", ("group", "groups"))
    assert [label.get_text() for label in ax.get_xticklabels()] == ["1\nn = 1,234", "2\nn = 1,234"]
    assert ax.get_title("left") == "T; left out, with fewer than 10 users: cold (1)"
    ax = figures.slices(table, "history", "ndcg@10", "T", "ease")
    assert [label.get_text() for label in ax.get_yticklabels()] == ["1 (n = 1,234)", "2 (n = 1,234)"]
    assert ax.get_title("left").endswith("fewer than 10 users: cold (1)")
    one = figures.slices(table.filter(pl.col("history") != "2"), "history", "ndcg@10", "T", "ease")
    assert one.texts[0].get_text().endswith("cold (1): all others are in one group (1), so nothing can be compared.")
    all_small = figures.slices(table.with_columns(n=3), "history", "ndcg@10", "T", "ease")
    assert (len(all_small.get_yticklabels()), all_small.get_title("left")) == (3, "T")


@pytest.mark.parametrize(("beside", "side"), [(0.65, "bottom"), (0.3, "top")])
def test_a_line_that_ends_early_has_its_label_where_no_point_is(beside, side):
    table = means(("cold", "als", 0.2), ("1", "ease", beside), ("2", "ease", 0.9))
    ax = figures.curve(table, "history", "ndcg@10", "products", "T", "ease", ("group", "groups"))
    [label] = [text for text in ax.texts if text.get_text() == plain("als")]
    assert label.get_va() == side


def test_a_curve_shows_only_its_metric():
    ax = figures.curve(means(("1", "ease", 0.3)), "history", "recall@10", "products", "T", "ease", ("group", "groups"))
    assert ax.texts[0].get_text() == "T: no users to evaluate."


def cuts(**scores: list[float]) -> pl.DataFrame:
    """A table like `Report.by_cut`, of protocol all: the scores of models at cuts one month apart."""
    rows = [
        (datetime(2026, month, 1, tzinfo=UTC), model, mean)
        for model, values in scores.items()
        for month, mean in enumerate(values, 1)
    ]
    table = pl.DataFrame(
        rows, schema={"cut": pl.Datetime("us", "UTC"), "model": pl.String, "mean": pl.Float64}, orient="row"
    )
    others = {"low": pl.col("mean"), "high": pl.col("mean"), "protocol": pl.lit("all"), "metric": pl.lit("ndcg@10")}
    return table.with_columns(**others, n=pl.lit(9))


def test_cuts_say_which_were_used_and_a_model_that_fell_back_is_not_drawn():
    metadata = {"validation_start": "2026-01-01T00:00:00+00:00", "cut": "2026-02-01T00:00:00+00:00"}
    table = cuts(ease=[0.3, 0.4], basket=[0.1, 0.2], popularity=[0.1, 0.1])
    fallen = table.filter(pl.col("model") == "basket").head(1).select("cut", "protocol", "model")
    ax = figures.by_cut(table, fallen, metadata, "all", "ease")
    ticks = [label.get_text() for label in ax.get_xticklabels()]
    assert ticks == ["2026-01-01\ntuning and choice\nn = 9", "2026-02-01\ntest: unseen\nn = 9"]
    assert "not drawn, as it showed the list of Bestsellers: Same order (2026-01-01)" in ax.get_title("left").replace(
        "\n", " "
    )
    assert [y for _, y in drawn(ax)["Same order"]] == [pytest.approx(float("nan"), nan_ok=True), 0.2]
    assert "not drawn" not in figures.by_cut(table, fallen.clear(), metadata, "all", "ease").get_title("left")


def test_reliability_shows_observed_against_predicted():
    columns = ["model", "bin", "predicted", "observed", "low", "high", "n"]
    table = pl.DataFrame([("m", 1, 0.1, 0.2, 0.15, 0.25, 9), ("m", 2, 0.4, 0.3, 0.2, 0.5, 9)], columns, orient="row")
    ax = figures.reliability(table, "T")
    assert drawn(ax)["m"] == [[0.1, 0.2], [0.4, 0.3]]
    assert ax.get_xlim() == ax.get_ylim() == (0, pytest.approx(0.525))
    assert title_of(ax) == "m: probabilities 10 points off, on average"
    assert "no model of this run predicts probabilities" in figures.reliability(table.clear(), "T").texts[0].get_text()


def test_the_reference_line_of_intervals_has_a_label():
    table = pl.DataFrame({"model": ["ease"], "x@10": [0.5], "x@10_ci": [[0.4, 0.6]]})
    assert figures.intervals(table, "x@10", "T", 0.75, "taken").get_legend().get_texts()[0].get_text() == "taken 0.75"
    assert figures.intervals(table, "x@10", "T", 0.2).get_legend().get_texts()[0].get_text() == "target 0.2"


def test_models_at_the_same_point_share_a_label():
    table = pl.DataFrame({"model": ["a", "b", "c"], "x": [0.1, 0.5, 0.10001], "y": [0.2, 0.2, 0.2]})
    ax = figures.trade_off(table, "x", "y", "T", "b")
    assert {text.get_text() for text in ax.texts} == {"a, c", "b"}
    points = [line for line in ax.lines if len(line.get_xdata()) == 1]
    assert len(points) == 3


def test_differences_of_rules_stand_around_zero():
    names = ["protocol", "rule", "metric", "difference", "low", "high"]
    rows = [(p, rule, "ndcg@10", -0.1, -0.2, 0.0) for p in ("all", "novel") for rule in ("block", "together")]
    table = pl.DataFrame(rows, schema=names, orient="row")
    ax = figures.differences(table, "ndcg@10", "T")
    assert [label.get_text() for label in ax.get_yticklabels()] == ["block", "together"]
    assert [line.get_xdata()[0] for line in ax.lines] == [-0.1, -0.1, 0]
    assert title_of(ax) == "Costliest: block, -0.100 ndcg@10 (all)"
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
