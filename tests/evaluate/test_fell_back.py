"""A model that showed the list of another at a cut is found; one that happens to have a few equal scores is not."""

from __future__ import annotations

from datetime import UTC, datetime

import polars as pl

from recomart_lib.evaluate import fell_back

FIRST, SECOND = (datetime(2026, month, 1, tzinfo=UTC) for month in (1, 2))


def scores(*rows: tuple[datetime, str, list[float]]) -> pl.DataFrame:
    table = [(cut, "all", model, f"u{i}", value) for cut, model, values in rows for i, value in enumerate(values)]
    return pl.DataFrame(table, schema=["cut", "protocol", "model", "user_id", "ndcg@10"], orient="row")


def test_equal_scores_of_every_user_at_a_cut_are_a_fallback():
    table = scores(
        (FIRST, "popularity", [0.0, 0.5]),
        (FIRST, "basket", [0.0, 0.5]),
        (FIRST, "als", [0.0, 0.4]),
        (SECOND, "popularity", [0.0, 0.5]),
        (SECOND, "basket", [0.1, 0.5]),
    )
    assert fell_back.models(table, "popularity").rows() == [(FIRST, "all", "basket")]
    assert fell_back.models(table.clear(), "popularity").height == 0


def test_without_any_hit_equal_scores_mean_nothing():
    table = scores((FIRST, "popularity", [0.0, 0.0]), (FIRST, "als", [0.0, 0.0]))
    assert fell_back.models(table, "popularity").height == 0


def test_the_sentence_names_cuts_only_where_they_differ():
    fallen = pl.DataFrame({"cut": [FIRST, SECOND, FIRST], "model": ["own_history", "own_history", "basket"]})
    assert fell_back.sentence(fallen, "popularity") == (
        "not drawn, as they showed the list of Bestsellers: Same order (2026-01-01), Bought before"
    )
    assert fell_back.sentence(fallen.clear(), "popularity") == ""
