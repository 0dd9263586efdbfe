"""Takeaways of stage `evaluate`: their content, and that it follows the numbers."""

from __future__ import annotations

import polars as pl
import pytest

from recomart_lib.evaluate import takeaways


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
        "**Rating model (SVD++) (`svdpp`) predicts ratings better than the mean rating (RMSE 0.900 against 1.100), and "
        "ranks below *Bestsellers*"
    )
    assert "Of 2 rating models it has the lowest error." in text


def test_worse_off_in_shares():
    takeaway = takeaways.worse_off({"worse": 0.25, "better": 0.5, "equal": 0.25}, "ease", "all")
    assert "25 % of the users get a worse list from Linear item model (EASE) than from Bestsellers" in takeaway


def test_staleness_compares_full_weeks():
    by = ("week", "days", "model")
    takeaway = takeaways.staleness(means(by, (1, 7, "ease", 0.4), (2, 7, "ease", 0.2), (3, 2, "ease", 0.9)), "ease")
    assert "0.400 (0.350 to 0.450) in week 1, 0.200 (0.150 to 0.250) in week 2" in takeaway
    assert takeaway.endswith("down 50 %, and the intervals do not overlap.")
    takeaway = takeaways.staleness(means(by, (1, 7, "ease", 0.2), (2, 7, "ease", 0.4)), "ease")
    assert "up 100 %, and the intervals do not overlap" in takeaway
    takeaway = takeaways.staleness(means(by, (1, 7, "ease", 0.4), (2, 7, "ease", 0.38)), "ease")
    assert "there is no clear change" in takeaway
    assert "is unknown" in takeaways.staleness(means(by, (1, 7, "ease", 0.4), (2, 2, "ease", 0.2)), "ease")


BINS = pl.Enum(["cold", "0", "1", "2", "3-5"])


def group_tests(*rows: tuple[str, float, float]) -> pl.DataFrame:
    """The result of `comparison.compare_groups` for (history, difference, p_holm)."""
    schema = {"history": BINS, "difference": pl.Float64, "p_holm": pl.Float64}
    return pl.DataFrame(rows, schema=schema, orient="row")


def test_learning_curve_compares_with_the_baseline():
    rows = [("cold", "popularity", 0.1), ("1", "ease", 0.2), ("2", "ease", 0.5), ("3-5", "ease", 0.1)]
    table = means(("history", "model"), *rows).with_columns(pl.col("history").cast(BINS))
    tests = group_tests(("1", 0.01, 0.4), ("2", 0.2, 0.001), ("3-5", -0.2, 0.001))
    takeaway = takeaways.learning_curve(table, tests, "ease", "popularity")
    assert takeaway.startswith("**By number of distinct products chosen before, ndcg@10 of Linear item")
    assert "is 0.200 (0.150 to 0.250) for 1, 0.100 (0.050 to 0.150) for 3-5.**" in takeaway
    assert "Its mean is above that of Bestsellers in 2 of 3 groups; compared user by user, it is" in takeaway
    assert takeaway.endswith(
        "it is significantly better for 2; it is significantly worse for 3-5; there is no clear difference for 1."
    )
    assert "is Bestsellers itself" in takeaways.learning_curve(table, tests, "popularity", "popularity")
    assert "no group of users" in takeaways.learning_curve(table, tests.clear(), "ease", "popularity")


def test_calibration_verdict():
    def bins(*observed: float) -> pl.DataFrame:
        rows = [("m", n, 0.2, share, share - 0.05, share + 0.05, 10) for n, share in enumerate(observed, 1)]
        return pl.DataFrame(rows, ["model", "bin", "predicted", "observed", "low", "high", "n"], orient="row")

    held = takeaways.calibration(bins(0.2, 0.22), {"m": 0.01})
    assert "**The probabilities of `m` are well calibrated**: 20 % predicted on average, 21 % observed." in held
    assert held.endswith(
        "2 of 2 bins; predictions are off by 1 percentage points on average (expected calibration error)."
    )
    timid = takeaways.calibration(bins(0.2, 0.5), {"m": 0.1})
    assert "are too low overall**: 20 % predicted on average, 35 % observed, 0.57 times what was observed." in timid
    assert "off by 9.2 percentage points" in takeaways.calibration(bins(0.1, 0.01), {"m": 0.092})
    assert "20 % predicted on average, 4 % observed, 5.0 times" in takeaways.calibration(bins(0.04, 0.04), {"m": 0.1})
    assert "0 % observed. The prediction" in takeaways.calibration(bins(0.0, 0.0), {"m": 0.2})
    assert "are too high overall" in takeaways.calibration(bins(0.0, 0.2), {"m": 0.1})
    assert "no model" in takeaways.calibration(bins(0.1).clear(), {})


@pytest.mark.parametrize(
    ("own", "verdict"),
    [(0.9, "favours popular"), (0.5, "favours less popular"), (0.7, "shows products about as popular")],
)
def test_catalogue_use_is_compared_with_the_holdout(own, verdict):
    rows = [("ease", own, [own - 0.1, own + 0.1], 0.25, 0.8), ("(holdout)", 0.7, [0.6, 0.8], 0.5, 0.6)]
    table = pl.DataFrame(rows, ["model", "popularity@10", "popularity@10_ci", "shown@10", "gini@10"], orient="row")
    takeaway = takeaways.catalogue(table, "ease", "all")
    assert f"**Linear item model (EASE) {verdict}" in takeaway
    assert "shows 25 % of the catalogue (holdout: 50 %), Gini 0.80 (holdout: 0.60)" in takeaway
    assert "no user can be evaluated" in takeaways.catalogue(table, "als", "all")


def test_random_split_is_too_optimistic_or_not():
    by = ("split", "model")
    [takeaway] = takeaways.random_split(means(by, ("time", "als", 0.2), ("random", "als", 0.5)))
    assert "a random split gives 2.5 times the score, which is too optimistic** (ndcg@10 0.500" in takeaway
    [takeaway] = takeaways.random_split(means(by, ("time", "als", 0.5), ("random", "als", 0.2)))
    assert "is not too optimistic here" in takeaway
    [takeaway] = takeaways.random_split(means(by, ("time", "als", 0.22), ("random", "als", 0.2)))
    assert "no clearly different" in takeaway
    assert "no user can be evaluated" in takeaways.random_split(means(by, ("time", "als", 0.5)))[0]
    assert "no hit on either" in takeaways.random_split(means(by, ("time", "als", 0.0), ("random", "als", 0.0)))[0]


def test_list_length_and_coverage():
    by_k = pl.DataFrame({"model": ["ease"] * 2, "k": [1, 20], "ndcg": [0.1, 0.2], "recall": [0.05, 0.4]})
    assert "a list of 20 finds 40 % of the relevant products, a list of 1 5 %" in takeaways.list_length(by_k, "ease")
    assert "no user can be evaluated" in takeaways.list_length(by_k, "als")
    board = pl.DataFrame({"model": ["ease", "als", "random"], "coverage@10": [0.2, 0.6, 1.0], "ndcg@10": [0.3, 0.1, 0]})
    assert (
        "*Matrix factorisation (ALS)* has the highest coverage of all but random products, 60 %, at ndcg@10"
        in takeaways.coverage(board, "ease")
    )
    assert "also has the highest coverage of all but random products**" in takeaways.coverage(board, "als")
    assert "also has the highest coverage**: 60 %" in takeaways.coverage(board.head(2), "als")
    assert "no user can be evaluated" in takeaways.coverage(board.clear(), "ease")
    assert "no other model" in takeaways.coverage(board.head(1), "ease")


def test_weak_slices_are_named_and_escaped():
    row = {"by": "country", "slice": "<b>", "mean": 0.1, "low": 0.05, "high": 0.15, "n": 1234}
    takeaway = takeaways.weak_slices([row] * 8, "mine", 9)
    assert "mine is clearly worse than its average in 8 of 9 groups of users**" in takeaway
    assert "country &lt;b&gt;: 0.100 (1,234 users)" in takeaway
    assert takeaway.endswith("; and 2 more.")
    assert "not clearly worse in any of 9 groups" in takeaways.weak_slices([], "mine", 9)
    assert "*Not applicable: no users can be divided" in takeaways.weak_slices([], "mine", 0)
    one = row | {"by": "history", "slice": "1"}
    assert takeaways.worst_groups([one], "mine", 9).startswith("**Worst for**: 1 product chosen before (0.100)")
    third = row | {"by": "activity", "slice": "1: up to 44 events"}
    worst = takeaways.worst_groups([third], "mine", 9)
    assert worst.startswith("**Worst for**: activity up to 44 events (0.100), by ndcg@10; 1 of 9 groups")


def test_what_does_not_divide_the_users_is_said():
    tables = {by: pl.DataFrame({by: values}) for by, values in (("country", ["unknown"] * 2), ("tenure", ["1", "2"]))}
    assert takeaways.single_groups(tables) == ["*Not applicable: by country: it is unknown for all evaluated users.*"]
    assert takeaways.single_groups({"country": pl.DataFrame({"country": []})}) == []


def test_models_that_fell_back_are_named():
    assert takeaways.fallbacks([], "novel") == ""
    assert "*Bought before* has nothing of its own" in takeaways.fallbacks(["own_history"], "novel")


def test_cold_users_lists():
    row = {"model": "popularity", "users": 323, "precision@10": 0.0591, "ndcg@10": 0.07, "hit_rate@10": 0.4}
    takeaway = takeaways.cold_users(pl.DataFrame([row]), 323)
    assert takeaway == (
        "**323 cold users: of ten products of *Bestsellers*, 0.59 were chosen**; 40 % of these users chose at least "
        "one."
    )
    assert takeaways.cold_users(pl.DataFrame([row]), 326).endswith(
        "at least one. 3 more cold users chose only products that were unknown before the window."
    )
    for empty in (pl.DataFrame([row]).clear(), pl.DataFrame([row | {"ndcg@10": 0.0}])):
        assert takeaways.cold_users(empty, 323).startswith("*Not applicable")


def test_a_sample_of_users_is_said_only_where_there_is_one():
    assert takeaways.user_sample(2_726, 2_726) == ""
    assert "a random sample of 5,000 of 26,228 users" in takeaways.user_sample(5_000, 26_228)


def test_small_shops_are_told_how_unsure_their_scores_are():
    board = pl.DataFrame({"model": ["ease", "als"], "ndcg@10": [0.2, 0.1], "ndcg@10_ci": [[0.15, 0.25], [0.05, 0.15]]})
    metadata = {"windows": {"test": {"evaluated_all": 120, "evaluated_novel": 300}}, "horizon_days": 30}
    [sentence] = takeaways.few_users({"all": board, "novel": board}, {"all": "als", "novel": "ease"}, metadata)
    assert "Protocol *all* has only 120 users to evaluate" in sentence
    assert "0.050 to 0.150" in sentence
    assert "above 30" in sentence
    assert takeaways.few_users({"all": board.clear()}, {"all": "als"}, metadata) == []


WEEKS = means(("week", "days", "model"), (1, 7, "ease", 0.0), (2, 7, "ease", 0.0))
NO_HITS = pl.DataFrame({"model": ["a", "b"], "ndcg@10": [0.0, 0.0], "ndcg@10_ci": [[0.0, 0.0]] * 2})
NOBODY = {"worse": 0.0, "equal": 0.0, "better": 0.0}
BY_K = pl.DataFrame({"model": ["ease"] * 2, "k": [1, 20], "ndcg": [0.0, 0.0], "recall": [0.0, 0.0]})


@pytest.mark.parametrize(
    "sentence",
    [
        lambda: takeaways.best_model(NO_HITS.clear(), "all"),
        lambda: takeaways.best_model(NO_HITS.head(1), "all"),
        lambda: takeaways.best_model(NO_HITS, "all"),
        lambda: takeaways.comparison(
            pl.DataFrame(schema={"p_holm": pl.Float64, "difference": pl.Float64, "model": pl.String}), "all"
        ),
        lambda: takeaways.rating_model({}, {}),
        lambda: takeaways.worse_off(NOBODY, "ease", "all"),
        lambda: takeaways.worse_off(NOBODY | {"equal": 1}, "ease", "all"),
        lambda: takeaways.worse_off(NOBODY | {"better": 1}, "popularity", "all"),
        lambda: takeaways.staleness(WEEKS, "ease"),
        lambda: takeaways.staleness(WEEKS.clear(), "ease"),
        lambda: takeaways.learning_curve(pl.DataFrame(), group_tests(), "ease", "popularity"),
        lambda: takeaways.calibration(pl.DataFrame(), {}),
        lambda: takeaways.random_split(WEEKS.clear().rename({"week": "split"}))[0],
        lambda: takeaways.list_length(BY_K, "ease"),
        lambda: takeaways.list_length(BY_K.clear(), "ease"),
        lambda: takeaways.weak_slices([], "ease", 0),
        lambda: takeaways.worst_groups([], "ease", 0),
    ],
)
def test_a_statement_without_a_base_is_not_applicable(sentence):
    assert sentence().startswith("*Not applicable: ")
