"""Takeaways of stage `train`: what they say, and that they turn with the numbers."""

from __future__ import annotations

import polars as pl

from recomart_lib.train import takeaways


def search(*found: tuple[str, int, float | None, float | None]) -> pl.DataFrame:
    columns = {"model": pl.String, "trials": pl.Int64, "defaults": pl.Float64, "best": pl.Float64}
    return pl.DataFrame(found, schema=columns, orient="row")


def shares(*found: tuple[str, str, float]) -> pl.DataFrame:
    return pl.DataFrame(found, schema={"model": pl.String, "parameter": pl.String, "share": pl.Float64}, orient="row")


def test_tuning_names_the_best_or_says_that_nobody_can_be_judged():
    best = pl.DataFrame({"model": ["x", "y", "z"], "protocol": ["all", "all", "novel"], "ndcg@10": [0.3, 0.2, 0.9]})
    assert "x ranks best (ndcg@10 0.3000" in takeaways.tuned(best)
    nobody = best.with_columns(pl.lit(None, pl.Float64).alias("ndcg@10"))
    assert "Nobody can be judged" in takeaways.tuned(nobody)


def test_a_search_says_whether_it_paid():
    said = takeaways.searched(search(("a", 6, 0.2, 0.25), ("b", 6, 0.3, 0.3), ("c", 1, 0.4, 0.4)))
    assert "beat the defaults in 1 of 2 models** (12 trials of 2 models), most of all in a: 0.2000 to 0.2500" in said
    assert "nothing better than the defaults** in 6 trials of 1 model" in takeaways.searched(search(("b", 6, 0.3, 0.3)))
    assert "nothing better" in takeaways.searched(search(("b", 6, None, None)))
    assert "No model was searched" in takeaways.searched(search(("c", 1, 0.4, 0.4)))


def test_the_price_of_a_choice_is_told():
    log = pl.DataFrame(
        {"model": ["x"] * 4, "trial": [0, 0, 1, 1], "protocol": ["all", "novel"] * 2, "ndcg@10": [0.2, 0.1, 0.3, 0.05]}
    )
    assert "a price in 1 model**, most of all x in protocol *novel*: 0.1000 to 0.0500" in takeaways.traded(log, log[2:])
    assert "in neither protocol" in takeaways.traded(log, log[:2])
    assert "in neither protocol" in takeaways.traded(
        log.with_columns(pl.lit(None, pl.Float64).alias("ndcg@10")), log[2:]
    )


def test_the_hyper_parameter_that_matters_is_named_for_each_model():
    said = takeaways.important(shares(("x", "a", 0.3), ("x", "b", 0.7), ("y", "c", 1.0)), 10)
    assert "x: b (70.0 %)" in said
    assert "y: c (100.0 %)" in said
    assert "x: a" not in said
    assert "it takes 10 trials" in takeaways.important(shares(), 10)
