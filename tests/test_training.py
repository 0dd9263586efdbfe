"""What is tried, and what tuning decides."""

from __future__ import annotations

import polars as pl
import pytest

from recomart_lib import training
from recomart_lib.errors import UserError
from recomart_lib.params import Train


def test_lists_are_combined_and_seeds_given_to_those_who_draw():
    tried = training.candidates(
        Train(models={"ease": {"reg": [1, 2], "signal": ["relevant", "seen"]}, "als": {}}), seed=7
    )
    assert [choice["reg"] for choice in tried["ease"]] == [1, 1, 2, 2]
    assert tried["als"] == [{"seed": 7}]
    assert tried["random"] == [{"seed": 7}]
    assert tried["svd"][0]["n_factors"] == Train().svd_n_factors


@pytest.mark.parametrize(
    ("models", "complaint"),
    [
        ({"popularity": {}, "eas": {}}, "did you mean ease"),
        ({"popularity": {}, "ease": {"regg": 1}}, "did you mean reg"),
        ({"popularity": {}, "ease": {"reg": -1}}, "at least"),
        ({"popularity": {}, "ease": {"reg": []}}, "empty list"),
        ({"popularity": {}, "svd": {}}, "train.svd_"),
        ({"ease": {}}, "lacks popularity"),
    ],
)
def test_wrong_models_are_told_without_data(models, complaint):
    with pytest.raises(UserError, match=complaint):
        training.check(Train(models=models))


def log(*rows: tuple[str, str, str, float | None]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=["model", "parameters", "protocol", "ndcg@10"], orient="row")


def test_parameters_by_protocol_all_and_one_model_per_protocol():
    decided = training.choose(
        log(
            ("random", "{}", "all", 0.9), ("random", "{}", "novel", 0.9),
            ("ease", '{"reg": 1}', "all", 0.2), ("ease", '{"reg": 1}', "novel", 0.5),
            ("ease", '{"reg": 2}', "all", 0.3), ("ease", '{"reg": 2}', "novel", 0.4),
            ("popularity", "{}", "all", 0.1), ("popularity", "{}", "novel", 0.45),
        )
    )  # fmt: skip
    assert decided["parameters"]["ease"] == {"reg": 2}
    assert decided["chosen"] == {"all": "ease", "novel": "popularity"}
    assert decided["valid"]["novel"] == {"ease": 0.4, "popularity": 0.45}


def test_where_nobody_can_be_judged_the_first_candidate_is_taken():
    decided = training.choose(
        log(
            ("ease", '{"reg": 1}', "all", None),
            ("ease", '{"reg": 2}', "all", None),
            ("ease", '{"reg": 1}', "novel", None),
        )
    )
    assert decided["parameters"]["ease"] == {"reg": 1}
