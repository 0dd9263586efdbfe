"""The tables of stage 07 as people read them."""

from __future__ import annotations

import polars as pl

from recomart_lib.evaluate import shown
from recomart_lib.evaluate.evaluation import LEADERBOARD


def board(**ndcg: float) -> pl.DataFrame:
    rows = [
        {
            "model": model,
            **dict.fromkeys(LEADERBOARD, 0.5),
            "ndcg@10": value,
            "ndcg@10_ci": [value - 0.01, value + 0.01],
        }
        for model, value in ndcg.items()
    ]
    return pl.DataFrame(rows)


def results(*rows: tuple[str, float, float]) -> pl.DataFrame:
    table = pl.DataFrame(rows, ["model", "difference", "p_holm"], orient="row")
    columns = {"low": pl.col("difference") - 0.01, "high": pl.col("difference") + 0.01, "n": 9, "mean": 0.3}
    return table.with_columns(reference=pl.lit("ease"), protocol=pl.lit("all"), **columns)


HITS = {
    name: {"value": value, "low": value - 0.1, "high": value + 0.1}
    for name, value in (("ease", 3.0), ("popularity", 1.5))
}
ANSWER = {"model": "ease", "rival": "popularity", "hits": HITS}


def test_the_chosen_model_is_first_and_verdicts_are_second():
    test = results(("als", -0.1, 0.001), ("popularity", 0.1, 0.001), ("bpr", 0.001, 0.6))
    table = shown.leaderboard(board(als=0.4, ease=0.3, bpr=0.299, popularity=0.2), test, ANSWER)
    assert table.columns[:3] == ["model", "verdict", "ndcg@10 (95 % interval)"]
    assert table["model"].to_list() == ["ease", "als", "bpr", "popularity"]
    expected = ["chosen", "significantly better", "no clear difference", "significantly worse, strongest simple list"]
    assert table["verdict"].to_list() == expected
    assert table["ndcg@10 (95 % interval)"][0] == "0.300 (0.290 to 0.310)"
    assert table["hits of ten"][0] == "5.00"
    assert shown.leaderboard(board(ease=0.3).clear(), None, None).height == 0


def test_tests_are_signed_for_the_chosen_model_and_p_is_text():
    table = shown.tests(results(("als", 0.0412, 1.8e-109), ("bpr", -0.002, 0.04)))
    assert table["chosen minus other (95 % interval)"].to_list()[0] == "+0.041 (+0.031 to +0.051)"
    assert table["p-value (Holm)"].to_list() == ["< 0.001", "0.04"]
    assert table.columns.index("protocol") < 7
    assert shown.tests(pl.DataFrame({"model": []})).height == 0


def test_hits_of_ten():
    table = shown.hits({"all": ANSWER, "novel": None})
    assert table["hits of ten (95 % interval)"][0] == "3.00 (2.90 to 3.10)"
    assert table["verdict"].to_list() == ["chosen", "strongest simple list"]
    assert table["the chosen model has"].to_list() == [None, "2.0 times as many"]
    hits = {
        name: ANSWER["hits"][name] | {"value": value} for name, value in zip(ANSWER["hits"], (0.26, 0.261), strict=True)
    }
    alike = ANSWER | {"hits": hits}
    assert shown.hits({"all": alike})["the chosen model has"].to_list() == [None, "as many"]
    assert shown.hits({"all": None, "novel": None}).height == 0


def test_the_target_card_has_its_verdict_and_the_strongest_simple_list_in_front():
    row = {"target": "ndcg@10", "threshold": 0.2, "protocol": "all", "model": "ease", "value": 0.3, "low": 0.29}
    row |= {"high": 0.31, "floor_random": None, "floor_popularity": 0.1, "ceiling": 1.0, "verdict": "clearly met"}
    scores = {"all": {"popularity": {"ndcg@10": 0.1}}}
    table = shown.target_card(pl.DataFrame([row], infer_schema_length=None), {"all": ANSWER}, scores)
    assert table.columns[:2] == ["target", "verdict"]
    assert table.row(0)[4:7] == ("0.100, Bestsellers", "0.100", "1.000")


def test_other_tables_are_empty_without_users():
    empty = pl.DataFrame(schema=dict.fromkeys(("protocol", "metric", "model", "ndcg@10", "popularity@10"), pl.String))
    for table in (
        shown.by_split(empty),
        shown.cold_users(empty),
        shown.spread(empty, "all", "ease"),
        shown.diversity(empty),
    ):
        assert table.height == 0
    assert shown.rule_costs(empty).height == shown.rule_effects(empty).height == 0
    assert shown.catalogue(empty, "ease").height == 0
