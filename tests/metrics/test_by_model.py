"""Metrics of all models in one pass."""

from __future__ import annotations

import polars as pl
import pytest
from metrics_data import lists, pairs

from recomart_lib.metrics import by_model, ranking

KS = [1, 3]
RELEVANT = {"all": pairs(u="abc", v="b", w="d"), "novel": pairs(v="b")}


def shown() -> pl.DataFrame:
    """Two models in *all*, one of which has no list for w; one in *novel*."""
    parts = {("m", "all"): lists(u="xa", v="bcd", w="d", other="a"), ("a", "all"): lists(u="cab", v="x")}
    parts["m", "novel"] = lists(v="ab")
    return pl.concat(
        table.with_columns(model=pl.lit(model), protocol=pl.lit(protocol)) for (model, protocol), table in parts.items()
    )


def test_one_pass_equals_one_model_after_the_other():
    table = by_model.per_user(shown(), RELEVANT, KS)
    assert table.select("protocol", "model").unique(maintain_order=True).rows() == [
        ("all", "a"),
        ("all", "m"),
        ("novel", "m"),
    ]
    for (protocol, model), part in table.group_by("protocol", "model"):
        of_model = shown().filter(pl.col("protocol") == protocol, pl.col("model") == model)
        assert part.drop("protocol", "model").equals(ranking.per_user(of_model, RELEVANT[protocol], KS))


def test_ids_and_models_may_be_enums():
    """As in stage 07, in any order of the categories of models."""
    ids = {"user_id": pl.Enum(["other", "u", "v", "w"]), "item_id": pl.Enum(list("abcdx"))}
    enums = shown().with_columns(
        pl.col("model").cast(pl.Enum(["m", "a"])), *(pl.col(n).cast(t) for n, t in ids.items())
    )
    relevant = {protocol: table.cast(ids) for protocol, table in RELEVANT.items()}
    table = by_model.per_user(enums, relevant, KS).with_columns(pl.col("user_id").cast(pl.String))
    assert table.equals(by_model.per_user(shown(), RELEVANT, KS))


def test_a_repeated_item_of_one_model_is_refused_and_of_two_models_is_not():
    twice = pl.concat([shown(), shown().filter(pl.col("model") == "m").head(1).with_columns(rank=pl.lit(9, pl.Int32))])
    with pytest.raises(ValueError, match="1 rows of recommendations repeat user_id and item_id"):
        by_model.per_user(twice, RELEVANT, KS)


def test_no_lists():
    table = by_model.per_user(shown().clear(), RELEVANT, KS)
    assert table.schema == by_model.per_user(shown(), RELEVANT, KS).schema
    assert table.height == by_model.per_user(shown(), {}, KS).height == 0
