"""Takeaways of stage `train`: what they say, and that they follow the numbers."""

from __future__ import annotations

import polars as pl

from recomart_lib.models.popularity import Popularity
from recomart_lib.train import takeaways


def search(*rows: tuple[str, int, float | None, float | None]) -> pl.DataFrame:
    columns = {"model": pl.String, "trials": pl.Int64, "defaults": pl.Float64, "best": pl.Float64}
    return pl.DataFrame(rows, schema=columns, orient="row")


def shares(*rows: tuple[str, str, float]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema={"model": pl.String, "parameter": pl.String, "share": pl.Float64}, orient="row")


def test_the_gain_of_a_search_is_reported():
    sentence = takeaways.search_gain(search(("a", 6, 0.2, 0.25), ("b", 6, 0.3, 0.3), ("c", 1, 0.4, 0.4)))
    assert (
        "beat the defaults in 1 of 2 models** (12 trials of 2 models), most of all in a: 0.2000 to 0.2500" in sentence
    )
    assert "nothing better than the defaults** in 6 trials of 1 model" in takeaways.search_gain(
        search(("b", 6, 0.3, 0.3))
    )
    assert "nothing better" in takeaways.search_gain(search(("b", 6, None, None)))
    assert "No model was searched" in takeaways.search_gain(search(("c", 1, 0.4, 0.4)))


def test_the_trade_off_of_a_choice_is_reported():
    log = pl.DataFrame(
        {"model": ["x"] * 4, "trial": [0, 0, 1, 1], "protocol": ["all", "novel"] * 2, "ndcg@10": [0.2, 0.1, 0.3, 0.05]}
    )
    assert "trade-off in 1 model**" in takeaways.trade_off(log, log[2:])
    assert "most of all x in protocol *novel*: 0.1000 to 0.0500" in takeaways.trade_off(log, log[2:])
    assert "in neither protocol" in takeaways.trade_off(log, log[:2])
    assert "in neither protocol" in takeaways.trade_off(
        log.with_columns(pl.lit(None, pl.Float64).alias("ndcg@10")), log[2:]
    )


def test_the_most_important_hyper_parameter_of_each_model_is_named():
    sentence = takeaways.hyperparameter_importance(shares(("x", "a", 0.3), ("x", "b", 0.7), ("y", "c", 1.0)), 10)
    assert "x: b (70 %)" in sentence
    assert "y: c (100 %)" in sentence
    assert "x: a" not in sentence
    assert "it takes 10 trials" in takeaways.hyperparameter_importance(shares(), 10)


def test_what_was_left_out_or_simplified_is_said():
    simplified = Popularity()
    simplified.notes = ["exact for the 10 products with the most users"]
    sentences = takeaways.limits({"svdpp": "a fit would take about 20.0 minutes"}, {"x": simplified, "y": Popularity()})
    assert [sentence.split(":")[0] for sentence in sentences] == ["**svdpp is left out**", "**x**"]
    assert "about 20.0 minutes. Increase that limit" in sentences[0]
    assert sentences[1].endswith("exact for the 10 products with the most users.")
    assert takeaways.limits({}, {"y": Popularity()})[0].startswith("No model is left out or simplified")
