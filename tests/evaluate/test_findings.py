"""Titles of figures: true for one model, for ties and for models that are missing."""

from __future__ import annotations

import polars as pl
import pytest

from recomart_lib.evaluate import findings

PLACES = ("cut", "cuts")


@pytest.mark.parametrize(
    ("scores", "chosen", "title"),
    [
        (
            {"two_stage": 0.383, "popularity": 0.088, "own_history": 0.33, "als": 0.35},
            "two_stage",
            "Two-step ranker leads, 0.383; Bought before 0.330",
        ),
        (
            {"two_stage": 0.3, "als": 0.35, "popularity": 0.1},
            "two_stage",
            "Matrix factorisation (ALS) leads, 0.350; Two-step ranker (chosen) 0.300; Bestsellers 0.100",
        ),
        ({"popularity": 0.1}, "popularity", "Only Bestsellers is evaluated: 0.100"),
        ({"popularity": 0.0, "als": 0.0}, "als", "All 2 models score 0.000"),
        (
            {"als": 0.2, "bpr": 0.2, "popularity": 0.1},
            "als",
            "Matrix factorisation (ALS) and Matrix factorisation (BPR) lead, 0.200; Bestsellers 0.100",
        ),
        ({"als": 0.2, "bpr": 0.1}, None, "Matrix factorisation (ALS) leads, 0.200"),
    ],
)
def test_who_leads(scores, chosen, title):
    assert findings.leader(scores, chosen) == title


def rows(**scores: list[float | None]) -> pl.DataFrame:
    table = [(cut, model, value) for model, values in scores.items() for cut, value in enumerate(values)]
    return pl.DataFrame(table, schema={"cut": pl.Int64, "model": pl.String, "mean": pl.Float64}, orient="row")


@pytest.mark.parametrize(
    ("table", "title"),
    [
        (
            rows(als=[0.1, 0.3], popularity=[0.2, 0.2]),
            "Matrix factorisation (ALS) leads in 1 of 2 cuts: 0.100 to 0.300",
        ),
        (rows(als=[0.3, 0.3], popularity=[0.2, 0.2]), "Matrix factorisation (ALS) leads in 2 of 2 cuts: 0.300 in each"),
        (rows(als=[0.3], popularity=[0.2]), "Only one cut: Matrix factorisation (ALS) has 0.300, more than the others"),
        (rows(als=[0.1], popularity=[0.2]), "Only one cut: Matrix factorisation (ALS) has 0.100"),
        (rows(als=[0.2], popularity=[0.2]), "Only one cut: Matrix factorisation (ALS) has 0.200"),
        (rows(als=[0.1, 0.1], bpr=[0.2, 0.2]), "Matrix factorisation (ALS) leads in none of 2 cuts: 0.100 in each"),
        (rows(als=[0.1, 0.3]), "Matrix factorisation (ALS): 0.100 to 0.300"),
        (rows(popularity=[0.2]), "Matrix factorisation (ALS) is not evaluated here"),
        (rows(als=[None, 0.3], popularity=[0.2, None]), "Only one cut: Matrix factorisation (ALS) has 0.300"),
    ],
)
def test_the_course_of_the_chosen_model(table, title):
    assert findings.course(table, "cut", "mean", "als", PLACES) == title


def test_groups_of_users():
    table = rows(als=[0.1, 0.3], popularity=[0.2, 0.2]).rename({"cut": "group"}).with_columns(n=pl.lit(50))
    title = "Matrix factorisation (ALS) is ahead of Bestsellers in 1 of 2 groups; it is lowest for 0, 0.100"
    assert findings.groups(table, "group", "als") == title
    assert findings.groups(table, "group", "bpr") == "Matrix factorisation (BPR) is not evaluated here"
    alone = table.filter(pl.col("model") == "als")
    assert findings.groups(alone, "group", "als") == "Matrix factorisation (ALS): lowest for 0, 0.100"
    few = table.with_columns(n=pl.when(pl.col("group") == 0).then(3).otherwise(50))
    assert findings.groups(few, "group", "als").endswith("it is lowest for 1, 0.300")
    equal = rows(als=[0.2, 0.2], popularity=[0.2, 0.1]).rename({"cut": "group"}).with_columns(n=pl.lit(50))
    same = findings.groups(equal, "group", "als")
    assert same == "Matrix factorisation (ALS) is ahead of Bestsellers in 1 of 2 groups; it has 0.200 in each"


@pytest.mark.parametrize(
    ("predicted", "title"),
    [(0.3, "10 points too high"), (0.1, "10 points too low"), (0.2, "0 points off")],
)
def test_probabilities(predicted, title):
    bins = pl.DataFrame({"model": ["repurchase"], "predicted": [predicted], "observed": [0.2], "n": [10]})
    assert findings.calibrated(bins) == f"Repurchase model: probabilities {title}, on average"


def test_two_metrics():
    table = pl.DataFrame({"model": ["als", "bpr"], "x": [0.1, 0.2], "y": [0.4, 0.3]})
    both = "y: Matrix factorisation (ALS) first, 0.400; x: Matrix factorisation (BPR) first, 0.200"
    assert findings.traded(table, "x", "y") == both
    assert findings.traded(table.head(1), "x", "y") == "Only Matrix factorisation (ALS) is evaluated"
    assert findings.traded(table.with_columns(x=1, y=2), "x", "y") == "All 2 models are equal"
    assert "is best in both" in findings.traded(table.with_columns(x=-pl.col("x")), "x", "y")


@pytest.mark.parametrize(
    ("own", "holdout", "title"),
    [
        (0.93, 0.81, "lists more popular products than users took: percentile 93, not 81"),
        (0.5, 0.81, "lists less popular products than users took: percentile 50, not 81"),
        (0.9979, 0.81, "lists more popular products than users took: percentile 99.8, not 81"),
        (0.81, 0.81, "lists products as popular as users took: percentile 81"),
        (0.5, None, ": not known"),
    ],
)
def test_popularity(own, holdout, title):
    assert findings.popular({"als": own}, holdout, "als").endswith(title)


@pytest.mark.parametrize(
    ("differences", "title"),
    [
        ([-0.01, -0.02], "Costliest: b, -0.020 ndcg@10 (all)"),
        ([0.0, 0.0], "No rule changes ndcg@10"),
        ([0.1, 0.0], "No rule lowers ndcg@10"),
    ],
)
def test_rules(differences, title):
    table = pl.DataFrame({"rule": ["a", "b"], "protocol": "all", "difference": differences})
    assert findings.costliest(table, "ndcg@10") == title


def test_the_knob():
    table = pl.DataFrame({"protocol": "all", "knob": [0.0, 1.0], "diversity@10": [0.5, 0.9], "ndcg@10": [0.4, 0.2]})
    title = "Knob 0 to 1, protocol all: diversity 0.500 to 0.900, ndcg@10 0.400 to 0.200"
    assert findings.exchanged(table, 10) == title
    assert findings.exchanged(table.head(1), 10).startswith("Only one value of the knob")
    without = table.with_columns(pl.lit(None, pl.Float64).alias("diversity@10"))
    assert findings.exchanged(without, 10) == "Lists of one product have no diversity"
