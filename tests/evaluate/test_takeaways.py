"""Takeaways of stage `evaluate`: their content, and that it follows the numbers."""

from __future__ import annotations

import polars as pl
import pytest

from recomart_lib.evaluate import diagnostics, rule_costs, takeaways


def means(by: tuple[str, ...], *rows: tuple, metric: str = "ndcg@10") -> pl.DataFrame:
    """The result of `diagnostics.summary` for (*by, mean), with intervals of +- 0.05 and 100 users."""
    table = pl.DataFrame(rows, schema=[*by, "mean"], orient="row")
    numbers = {"low": pl.col("mean") - 0.05, "high": pl.col("mean") + 0.05, "n": pl.lit(100)}
    return table.with_columns(metric=pl.lit(metric), **numbers)


def test_best_rating_model_and_its_rank():
    errors = {"svd": {"rmse": 1.0}, "svdpp": {"rmse": 0.9}, "global_mean": {"rmse": 1.1}}
    scores = {name: {"ndcg@10": value} for name, value in (("svd", 0.2), ("svdpp", 0.05), ("popularity", 0.1))}
    text = takeaways.rating_model(errors, scores)
    assert text.startswith(
        "**svdpp predicts ratings better than the mean rating (RMSE 0.900 against 1.100), and ranks below"
    )
    assert "Of 2 rating models it has the lowest error." in text


def test_worse_off_in_shares():
    takeaway = takeaways.worse_off({"worse": 0.25, "better": 0.5, "equal": 0.25}, "ease", "all")
    assert "25 % of the users get a worse list from ease than from popularity" in takeaway


def test_staleness_compares_full_weeks():
    by = ("week", "days", "model")
    takeaway = takeaways.staleness(means(by, (1, 7, "ease", 0.4), (2, 7, "ease", 0.2), (3, 2, "ease", 0.9)), "ease")
    assert "0.4000 (0.3500 to 0.4500) in week 1, 0.2000 (0.1500 to 0.2500) in week 2" in takeaway
    assert takeaway.endswith("down 50 %, and the intervals do not overlap.")
    takeaway = takeaways.staleness(means(by, (1, 7, "ease", 0.2), (2, 7, "ease", 0.4)), "ease")
    assert "up 100 %, and the intervals do not overlap" in takeaway
    takeaway = takeaways.staleness(means(by, (1, 7, "ease", 0.4), (2, 7, "ease", 0.38)), "ease")
    assert "there is no clear change" in takeaway
    assert "is unknown" in takeaways.staleness(means(by, (1, 7, "ease", 0.4), (2, 2, "ease", 0.2)), "ease")


def test_learning_curve_compares_with_the_baseline():
    rows = [
        ("cold", "popularity", 0.1),
        ("1", "ease", 0.2),
        ("1", "popularity", 0.2),
        ("2", "ease", 0.5),
        ("2", "popularity", 0.3),
        ("3-5", "ease", 0.1),
        ("3-5", "popularity", 0.3),
    ]
    table = means(("history", "model"), *rows)
    table = table.with_columns(pl.col("history").cast(pl.Enum(["cold", "0", "1", "2", "3-5"])))
    takeaway = takeaways.learning_curve(table, "ease", "popularity")
    assert takeaway.startswith("**By number of distinct products in the purchase history, ndcg@10 of ease is 0.2000")
    assert "for 1, 0.1000 (0.0500 to 0.1500) for 3-5.**" in takeaway
    assert "clearly above popularity for 2; not clearly different from popularity for 1; clearly below" in takeaway
    assert takeaway.endswith("clearly below popularity for 3-5.")
    few = table.with_columns(n=pl.when(history="3-5").then(diagnostics.MIN_USERS - 1).otherwise("n"))
    assert "3-5" not in takeaways.learning_curve(few, "ease", "popularity")
    assert "no users were evaluated with both" in takeaways.learning_curve(table, "popularity", "popularity")
    assert "no users were evaluated with both" in takeaways.learning_curve(table.clear(), "ease", "popularity")


def test_stability_counts_the_cuts_at_which_the_model_leads():
    rows = [(1, "all", "ease", 0.2), (1, "all", "als", 0.3), (2, "all", "ease", 0.4), (2, "all", "als", 0.3)]
    table = means(("cut", "protocol", "model"), *rows)
    takeaway = takeaways.stability(table, "ease", "all")
    assert "ease leads at 1 of the 2 cuts at which it was evaluated**; ndcg@10 from 0.2000 to 0.4000" in takeaway
    assert "leads at 0 of the 1 cut " in takeaways.stability(table.filter(pl.col("cut") == 1), "ease", "all")
    few = takeaways.stability(table.filter((pl.col("model") == "als") | (pl.col("cut") == 2)), "ease", "all")
    assert "leads at 1 of the 1 cut at which it was evaluated** (of 2 in total: at the others it had nothing" in few
    assert "no users to evaluate" in takeaways.stability(table, "ease", "novel")


def test_calibration_verdict():
    def bins(*observed: float) -> pl.DataFrame:
        rows = [("m", n, 0.2, share, share - 0.05, share + 0.05, 10) for n, share in enumerate(observed, 1)]
        return pl.DataFrame(rows, ["model", "bin", "predicted", "observed", "low", "high", "n"], orient="row")

    held = takeaways.calibration(bins(0.2, 0.22), {"m": 0.01})
    assert "m predicted 20 % on average, and 21 % were observed**: its probabilities are well calibrated" in held
    assert "in 2 of 2 bins, expected calibration error 1 %" in held
    timid = takeaways.calibration(bins(0.2, 0.5), {"m": 0.1})
    assert "overall too low; the prediction is within the interval in 1 of 2" in timid
    assert "overall too high" in takeaways.calibration(bins(0.0, 0.2), {"m": 0.1})
    assert "No model" in takeaways.calibration(bins(0.1).clear(), {})


@pytest.mark.parametrize(
    ("own", "verdict"),
    [(0.9, "favours popular"), (0.5, "favours less popular"), (0.7, "shows products about as popular")],
)
def test_catalogue_use_is_compared_with_the_holdout(own, verdict):
    rows = [("ease", own, [own - 0.1, own + 0.1], 0.25, 0.8), ("(holdout)", 0.7, [0.6, 0.8], 0.5, 0.6)]
    table = pl.DataFrame(rows, ["model", "popularity@10", "popularity@10_ci", "shown@10", "gini@10"], orient="row")
    takeaway = takeaways.catalogue(table, "ease", "all")
    assert f"**ease {verdict}" in takeaway
    assert "shows 25 % of the catalogue (holdout: 50 %), Gini 0.80 (holdout: 0.60)" in takeaway
    assert "no users to evaluate" in takeaways.catalogue(table, "als", "all")


def test_random_split_is_too_optimistic_or_not():
    by = ("split", "model")
    takeaway = takeaways.random_split(means(by, ("time", "ease", 0.2), ("random", "ease", 0.5)))
    assert "ease: a random split gives 2.5 times the score: it is too optimistic** (ndcg@10 0.5000" in takeaway
    assert "is not too optimistic here" in takeaways.random_split(
        means(by, ("time", "ease", 0.5), ("random", "ease", 0.2))
    )
    assert "no clearly different" in takeaways.random_split(means(by, ("time", "ease", 0.22), ("random", "ease", 0.2)))
    assert "cannot be compared" in takeaways.random_split(means(by, ("time", "ease", 0.5)))


def test_list_length_and_coverage():
    by_k = pl.DataFrame({"model": ["ease"] * 2, "k": [1, 20], "ndcg": [0.1, 0.2], "recall": [0.05, 0.4]})
    assert "a list of 20 finds 40 % of the relevant products, a list of 1 5 %" in takeaways.list_length(
        by_k, "ease"
    )
    assert "no users to evaluate" in takeaways.list_length(by_k, "als")
    board = pl.DataFrame({"model": ["ease", "als", "random"], "coverage@10": [0.2, 0.6, 1.0], "ndcg@10": [0.3, 0.1, 0]})
    assert "als has the highest coverage, 60 %, at ndcg@10 0.1000" in takeaways.coverage(board, "ease")
    assert "als also has the highest coverage" in takeaways.coverage(board, "als")
    assert "no users to evaluate" in takeaways.coverage(board.clear(), "ease")


def test_weak_slices_are_named_and_escaped():
    row = {"by": "country", "slice": "<b>", "mean": 0.1, "low": 0.05, "high": 0.15, "n": 1234}
    takeaway = takeaways.weak_slices([row] * 8, "ease")
    assert "clearly below its own average (ndcg@10) in 8 groups**: country &lt;b&gt; (0.1000, n = 1,234)" in takeaway
    assert takeaway.endswith("; and 2 more.")
    assert "not clearly below its own average in any group" in takeaways.weak_slices([], "ease")


def test_a_sample_of_users_is_said_only_where_there_is_one():
    assert takeaways.user_sample(2_726, 2_726) == ""
    assert "a random sample of 5,000 of 26,228 users" in takeaways.user_sample(5_000, 26_228)


def test_small_shops_are_told_how_unsure_their_scores_are():
    board = pl.DataFrame({"model": ["ease", "als"], "ndcg@10": [0.2, 0.1], "ndcg@10_ci": [[0.15, 0.25], [0.05, 0.15]]})
    metadata = {"windows": {"test": {"evaluated_all": 120, "evaluated_novel": 300}}, "horizon_days": 30}
    [sentence] = takeaways.few_users({"all": board, "novel": board}, {"all": "als", "novel": "ease"}, metadata)
    assert "Protocol *all* has only 120 users to evaluate" in sentence
    assert "0.0500 to 0.1500" in sentence
    assert "above 30" in sentence
    assert takeaways.few_users({"all": board.clear()}, {"all": "als"}, metadata) == []


def rule_cost(rule: str, difference: float, low: float, high: float, n: int = 100, protocol: str = "all") -> tuple:
    return (protocol, rule, "ndcg@10", 0.35, 0.35 + difference, difference, low, high, n)


def costs(*rows: tuple) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=rule_costs.COSTS, orient="row")


def test_rule_costs_name_all_rules_and_the_most_expensive_one():
    rows = [
        rule_cost("blocked products", -0.003, -0.004, -0.001),
        rule_cost("products per brand", -0.001, -0.002, 0.001),
    ]
    total = rule_cost("all rules together", -0.004, -0.006, -0.002)
    takeaway = takeaways.rule_costs(costs(*rows, total), "all")
    assert takeaway == (
        "**Protocol *all*: all rules together: costs 0.0040 ndcg@10 (95 % 0.0020 to 0.0060)**: from 0.3500 to 0.3460, "
        "the same 100 users. The most expensive rule is *blocked products*: alone it costs 0.0030 (0.0010 to 0.0040)."
    )
    assert "No rule alone has a clear cost." in takeaways.rule_costs(costs(rows[1], total), "all")


def test_rule_costs_of_one_rule_without_change_with_gain_and_without_a_clear_difference():
    alone = takeaways.rule_costs(costs(rule_cost("blocked products", 0.0, 0.0, 0.0)), "all")
    assert "blocked products: no change of ndcg@10" in alone
    assert "most expensive" not in alone
    gain = takeaways.rule_costs(costs(rule_cost("diversity", 0.01, 0.005, 0.02, n=3)), "all")
    assert "ndcg@10 gains 0.0100 (95 % 0.0050 to 0.0200)" in gain
    assert gain.endswith("With 3 users, intervals are unreliable.")
    unclear = takeaways.rule_costs(costs(rule_cost("diversity", -0.001, -0.003, 0.001)), "all")
    assert "no clear change; costs 0.0010 ndcg@10 (95 % -0.0010 to 0.0030)" in unclear
    assert "no users to evaluate" in takeaways.rule_costs(costs(), "novel")


def test_rules_without_a_price_and_no_rules_are_said():
    nothing = pl.DataFrame(schema={"protocol": pl.String})
    assert takeaways.rules([], costs(), nothing, [])[0].startswith("This shop has no rules for its lists")
    (*empty, last) = takeaways.rules(["only_in_stock"], costs(), nothing, ["only_in_stock"])
    assert not any(empty)
    assert last.startswith("Not priced: `only_in_stock`.")


def test_filled_places_and_short_lists():
    row = {"protocol": "all", "rule": "blocked products", "filled": 0.25, "short": 1}
    takeaway = takeaways.rule_fills(pl.DataFrame([row]), "all")
    assert takeaway.endswith("25 % of the places are filled from the next model down, and 1 list stayed short.")
    assert takeaways.rule_fills(pl.DataFrame([row]), "novel") == ""


def curve(*ndcg: float) -> pl.DataFrame:
    knobs = {"knob": [0.0, 0.1, 1.0][: len(ndcg)], "ndcg@10": list(ndcg)}
    table = pl.DataFrame(knobs, schema={"knob": pl.Float64, "ndcg@10": pl.Float64})
    return table.with_columns(pl.lit("all").alias("protocol"), **{"diversity@10": 0.5, "coverage@10": 0.25})


def test_diversity_says_how_far_the_knob_can_be_turned():
    assert "up to lists.diversity 0.1, ndcg@10 stays within 5 %" in takeaways.diversity(curve(0.4, 0.39, 0.2), "all")
    assert "already lists.diversity 0.1 costs more than 5 %" in takeaways.diversity(curve(0.4, 0.3, 0.39), "all")
    assert "up to lists.diversity 1," in takeaways.diversity(curve(0.4, 0.4, 0.4), "all")
    for empty in (curve(), curve(0.0, 0.0, 0.0)):
        assert "what diversity costs is unknown" in takeaways.diversity(empty, "all")
