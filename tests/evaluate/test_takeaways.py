"""Takeaways of stage `evaluate`: what they say, and that they turn with the numbers."""

from __future__ import annotations

from datetime import date

import polars as pl
import pytest

from recomart_lib.evaluate import diagnostics, takeaways


def weeks(*counts: int) -> pl.DataFrame:
    return pl.DataFrame({"week": [date(2024, 1, 1 + 7 * n) for n in range(len(counts))], "n": list(counts)})


def days(*counts: int) -> pl.DataFrame:
    return pl.DataFrame({"day": [date(2024, 1, 1 + n) for n in range(len(counts))], "n": list(counts)})


def svd(rmse: float, ndcg: float) -> str:
    errors = {"svd": {"rmse": rmse}, "global_mean": {"rmse": 1.0}}
    return takeaways.rating_model(errors, {"svd": {"ndcg@10": ndcg}, "popularity": {"ndcg@10": 0.1}})


def means(by: tuple[str, ...], *found: tuple, metric: str = "ndcg@10") -> pl.DataFrame:
    """What `beyond.summary` gives, from (*by, mean), with an interval of 0.05 to either side and 100 users."""
    table = pl.DataFrame(found, schema=[*by, "mean"], orient="row")
    numbers = {"low": pl.col("mean") - 0.05, "high": pl.col("mean") + 0.05, "n": pl.lit(100)}
    return table.with_columns(metric=pl.lit(metric), **numbers)


def test_the_best_rating_model_is_told_and_where_it_ranks():
    errors = {"svd": {"rmse": 1.0}, "svdpp": {"rmse": 0.9}, "global_mean": {"rmse": 1.1}}
    scores = {name: {"ndcg@10": value} for name, value in (("svd", 0.2), ("svdpp", 0.05), ("popularity", 0.1))}
    text = takeaways.rating_model(errors, scores)
    assert text.startswith(
        "**svdpp predicts ratings better than the mean rating (RMSE 0.900 against 1.100), and ranks below"
    )
    assert "Of 2 rating models it is the best." in text


def test_who_loses_is_said_in_shares():
    said = takeaways.who_loses({"worse": 0.25, "better": 0.5, "equal": 0.25}, "ease", "popularity")
    assert "25.0 % of the users are served worse by ease than by popularity" in said


def test_ageing_is_told_from_full_weeks_and_turns_round():
    by = ("week", "days", "model")
    said = takeaways.weeks(means(by, (1, 7, "ease", 0.4), (2, 7, "ease", 0.2), (3, 2, "ease", 0.9)), "ease")
    assert "0.4000 (0.3500 to 0.4500) in week 1, 0.2000 (0.1500 to 0.2500) in week 2" in said
    assert said.endswith("it loses 50.0 %, more than chance.")
    said = takeaways.weeks(means(by, (1, 7, "ease", 0.2), (2, 7, "ease", 0.4)), "ease")
    assert "it gains 100.0 %, more than chance" in said
    said = takeaways.weeks(means(by, (1, 7, "ease", 0.4), (2, 7, "ease", 0.38)), "ease")
    assert "no ageing can be told from chance" in said
    assert "cannot be told" in takeaways.weeks(means(by, (1, 7, "ease", 0.4), (2, 2, "ease", 0.2)), "ease")


def test_the_learning_curve_says_where_the_model_is_worth_it():
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
    said = takeaways.learning_curve(table, "ease", "popularity")
    assert said.startswith("**By distinct products taken before the cut, ndcg@10 of ease is 0.2000")
    assert "for 1, 0.1000 (0.0500 to 0.1500) for 3-5.**" in said
    assert "surely above popularity for 2; not to be told apart from popularity for 1; surely below" in said
    assert said.endswith("surely below popularity for 3-5.")
    few = table.with_columns(n=pl.when(history="3-5").then(diagnostics.FEW - 1).otherwise("n"))
    assert "3-5" not in takeaways.learning_curve(few, "ease", "popularity")
    assert "nobody" in takeaways.learning_curve(table, "popularity", "popularity")
    assert "nobody" in takeaways.learning_curve(table.clear(), "ease", "popularity")


def test_a_backtest_says_at_how_many_cuts_the_model_leads():
    rows = [(1, "all", "ease", 0.2), (1, "all", "als", 0.3), (2, "all", "ease", 0.4), (2, "all", "als", 0.3)]
    table = means(("cut", "protocol", "model"), *rows)
    said = takeaways.backtested(table, "ease", "all")
    assert "ease leads at 1 of the 2 cuts at which it was judged**; ndcg@10 from 0.2000 to 0.4000" in said
    assert "leads at 0 of the 1 cut " in takeaways.backtested(table.filter(pl.col("cut") == 1), "ease", "all")
    few = takeaways.backtested(table.filter((pl.col("model") == "als") | (pl.col("cut") == 2)), "ease", "all")
    assert "leads at 1 of the 1 cut at which it was judged** (of 2 in all: it reads features" in few
    assert "nobody can be judged" in takeaways.backtested(table, "ease", "novel")


def test_chances_are_taken_at_their_word_only_if_they_hold():
    def bins(*observed: float) -> pl.DataFrame:
        rows = [("m", n, 0.2, share, share - 0.05, share + 0.05, 10) for n, share in enumerate(observed, 1)]
        return pl.DataFrame(rows, ["model", "bin", "estimate", "observed", "low", "high", "n"], orient="row")

    held = takeaways.calibrated(bins(0.2, 0.22), {"m": 0.01})
    assert "m foretold 20.0 % on average, and 21.0 % happened**: its chances can be taken at their word" in held
    assert "in 2 of 2 bins, expected calibration error 1.0 %" in held
    timid = takeaways.calibrated(bins(0.2, 0.5), {"m": 0.1})
    assert "on the whole too low; the estimate lies within the interval in 1 of 2" in timid
    assert "on the whole too high" in takeaways.calibrated(bins(0.0, 0.2), {"m": 0.1})
    assert "No model" in takeaways.calibrated(bins(0.1).clear(), {})


@pytest.mark.parametrize(
    ("own", "way"), [(0.9, "leans to what is popular"), (0.5, "leans away from"), (0.7, "shows about as popular")]
)
def test_catalogue_use_is_told_beside_what_users_took(own, way):
    rows = [("ease", own, [own - 0.1, own + 0.1], 0.25, 0.8), ("(taken)", 0.7, [0.6, 0.8], 0.5, 0.6)]
    table = pl.DataFrame(rows, ["model", "popularity@10", "popularity@10_ci", "shown@10", "gini@10"], orient="row")
    said = takeaways.catalogue(table, "ease")
    assert f"**ease {way}" in said
    assert "shows 25.0 % of the catalogue (users took 50.0 %), Gini 0.80 (taken: 0.60)" in said
    assert "Nobody" in takeaways.catalogue(table, "als")


def test_a_random_split_flatters_or_not():
    by = ("split", "model")
    said = takeaways.flattered(means(by, ("time", "ease", 0.2), ("random", "ease", 0.5)))
    assert "ease: a random split gives 2.5 times the number: it flatters** (ndcg@10 0.5000" in said
    assert "does not flatter here" in takeaways.flattered(means(by, ("time", "ease", 0.5), ("random", "ease", 0.2)))
    assert "no surely different" in takeaways.flattered(means(by, ("time", "ease", 0.22), ("random", "ease", 0.2)))
    assert "cannot be compared" in takeaways.flattered(means(by, ("time", "ease", 0.5)))


def test_longer_lists_and_what_accuracy_costs():
    by_k = pl.DataFrame({"model": ["ease"] * 2, "k": [1, 20], "ndcg": [0.1, 0.2], "recall": [0.05, 0.4]})
    assert "a list of 20 finds 40.0 % of what users take, a list of 1 5.0 %" in takeaways.longer(by_k, "ease")
    assert "Nobody" in takeaways.longer(by_k, "als")
    board = pl.DataFrame({"model": ["ease", "als", "random"], "coverage@10": [0.2, 0.6, 1.0], "ndcg@10": [0.3, 0.1, 0]})
    assert "als shows most, 60.0 %, at ndcg@10 0.1000" in takeaways.breadth(board, "ease")
    assert "als also shows most" in takeaways.breadth(board, "als")
    assert "Nobody" in takeaways.breadth(board.clear(), "ease")


def test_weak_groups_are_named_and_harmless():
    row = {"by": "country", "slice": "<b>", "mean": 0.1, "low": 0.05, "high": 0.15, "n": 1234}
    said = takeaways.weak([row] * 8, "ease")
    assert "surely below its own average (ndcg@10) in 8 groups**: country &lt;b&gt; (0.1000, n = 1,234)" in said
    assert said.endswith("; and 2 more.")
    assert "In no group" in takeaways.weak([], "ease")
