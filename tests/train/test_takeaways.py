"""Takeaways of stage `train`: what they say, and that they follow the numbers."""

from __future__ import annotations

import polars as pl
import pytest

from recomart_lib.models.popularity import Popularity
from recomart_lib.train import choice, shown, takeaways


def search(*rows: tuple[str, int, float | None, float | None]) -> pl.DataFrame:
    columns = {"model": pl.String, "trials": pl.Int64, "defaults": pl.Float64, "best": pl.Float64}
    return pl.DataFrame(rows, schema=columns, orient="row")


def shares(*rows: tuple[str, str, float]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema={"model": pl.String, "parameter": pl.String, "share": pl.Float64}, orient="row")


def test_the_gain_of_a_search_is_reported():
    sentence = takeaways.search_gain(search(("a", 6, 0.2, 0.25), ("b", 6, 0.3, 0.3), ("c", 1, 0.4, 0.4)))
    assert (
        "beat the defaults in 1 of 2 models** (12 trials of 2 models), most of all in *a*: ndcg@10, mean of both "
        "protocols, from 0.200 to 0.250" in sentence
    )
    assert "nothing better than the defaults** in 6 trials of 1 model" in takeaways.search_gain(
        search(("b", 6, 0.3, 0.3))
    )
    assert takeaways.search_gain(search(("b", 6, None, None))).startswith("*Not applicable: no user")
    assert "no model was searched" in takeaways.search_gain(search(("c", 1, 0.4, 0.4)))


def test_the_trade_off_of_a_choice_is_reported():
    log = pl.DataFrame(
        {"model": ["x"] * 4, "trial": [0, 0, 1, 1], "protocol": ["all", "novel"] * 2, "ndcg@10": [0.2, 0.1, 0.3, 0.05]}
    )
    assert "trade-off in 1 model**" in takeaways.trade_off(log, log[2:])
    assert "most of all *x* in Discovery (novel): 0.100 to 0.050" in takeaways.trade_off(log, log[2:])
    better = log.with_columns(pl.lit(0.9).alias("ndcg@10"))
    assert "in neither protocol" in takeaways.trade_off(log, better[2:])
    assert takeaways.trade_off(log, log[:2]).startswith("*Not applicable: the search changed no parameter")
    unknown = log.with_columns(pl.lit(None, pl.Float64).alias("ndcg@10"))
    assert takeaways.trade_off(unknown, unknown[2:]).startswith("*Not applicable")


def test_the_most_important_hyper_parameter_of_each_model_is_named():
    sentence = takeaways.hyperparameter_importance(shares(("x", "a", 0.3), ("x", "b", 0.7), ("y", "c", 1.0)), 10)
    assert "x: b (70 %)" in sentence
    assert "y: c (100 %)" in sentence
    assert "x: a" not in sentence
    assert "It takes 10 trials" in takeaways.hyperparameter_importance(shares(), 10)


def test_what_was_left_out_or_simplified_is_said():
    simplified = Popularity()
    simplified.notes = ["exact for the 10 products with the most users"]
    fitted = {"x": simplified, "y": Popularity()}
    sentences = takeaways.limits({"svdpp": "a fit would take about 20.0 minutes"}, fitted, ["basket"])
    begins = ["**Rating model (SVD++) is left out**", "**Same order has nothing to learn from**", "**x**"]
    assert [sentence[: len(begin)] for sentence, begin in zip(sentences, begins, strict=True)] == begins
    assert "about 20.0 minutes. Increase that limit" in sentences[0]
    assert sentences[2].endswith("exact for the 10 products with the most users.")
    assert takeaways.limits({}, {"y": Popularity()})[0].startswith("No model is left out or simplified")


def test_models_left_out_and_fallbacks_are_warnings():
    assert takeaways.warning({}, []) == ""
    sentence = takeaways.warning({"svdpp": "20 minutes"}, ["basket"])
    assert sentence.startswith("Left out, as a fit would need too much memory or time: Rating model (SVD++); without")
    assert sentence.endswith("with the lists of a simpler model: Same order.")


@pytest.mark.parametrize(
    "sentence",
    [
        lambda: takeaways.choice(pl.DataFrame(schema=choice.CHOICE), "all"),
        lambda: takeaways.feature_importance(aucs(), "v1"),
        lambda: takeaways.feature_importance(aucs(("spend", 0.51, 0.49, 0.53)), "v1"),
        lambda: takeaways.limits({}, {})[0],
        lambda: takeaways.stored(3, 0),
    ],
)
def test_a_statement_without_a_base_is_not_applicable(sentence):
    assert sentence().startswith("*Not applicable: ")


def aucs(*rows: tuple[str, float, float, float]) -> pl.DataFrame:
    schema = {"feature": pl.String, **dict.fromkeys(("auc", "low", "high"), pl.Float64)}
    return pl.DataFrame(rows, schema=schema, orient="row")


def test_the_tables_have_their_verdict_second():
    found = pl.DataFrame(
        [
            ("als", 6, 0.2, 0.25, 0.3, 0.2, "{}"),
            ("bpr", 6, 0.2, 0.2, 0.3, 0.1, "{}"),
            ("svd", 1, None, None, None, None, "{}"),
        ],
        ["model", "trials", "defaults", "best", "all", "novel", "parameters"],
        orient="row",
    )
    table = shown.search(found, "mean")
    assert table["verdict"].to_list() == ["improved", "defaults kept", "could not be evaluated"]
    assert table.columns[2] == "ndcg@10 searched for (mean of both protocols)"
    assert shown.search(found.clear(), "all").height == 0


def test_the_chosen_models_are_described():
    evidence = pl.DataFrame(
        {"protocol": ["all", "all", "novel", "novel"], "model": ["two_stage", "ease", "popularity", "<b>"]}
    ).with_columns(chosen=pl.Series([True, False, True, False]))
    glance = takeaways.chosen_models(evidence)
    assert glance.startswith("**What is chosen**: *Two-step ranker*: simple models propose")
    assert "*Bestsellers*: what most users chose, ever" in glance
    ranker, bestsellers = takeaways.what_they_do(evidence)
    assert "learns from earlier windows" in ranker
    assert "learns nothing" in bestsellers
    assert takeaways.chosen_models(evidence.clear()) == ""
    assert takeaways.what_they_do(evidence.clear()) == []
    assert takeaways.caption("novel").startswith("Discovery (novel): only products that are new")
