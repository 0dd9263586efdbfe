"""Ranking metrics of every user, for each model and protocol."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import polars as pl

from recomart_lib.metrics import ranking


def per_user(recommendations: pl.DataFrame, relevant: Mapping[str, pl.DataFrame], ks: Sequence[int]) -> pl.DataFrame:
    """One row per protocol, model and evaluated user: protocol, model, and the columns of `ranking.per_user`.

    Every model with a list in a protocol is evaluated on all users of the protocol; a missing list counts as zeros.
    """
    parts = []
    for protocol, pairs in relevant.items():
        for model, lists in lists_by_model(recommendations, protocol):
            scores = ranking.per_user(lists, pairs, ks)
            parts.append(scores.select(pl.lit(protocol).alias("protocol"), pl.lit(model).alias("model"), pl.all()))
    if not parts:
        empty = ranking.per_user(recommendations.clear(), recommendations.select("user_id", "item_id").clear(), ks)
        parts = [empty.select(protocol=pl.lit(""), model=pl.lit("")).clear().hstack(empty)]
    return pl.concat(parts)


def lists_by_model(recommendations: pl.DataFrame, protocol: str) -> list[tuple[str, pl.DataFrame]]:
    """(model, its lists) of every model with lists in a protocol, by name."""
    names = recommendations.filter(pl.col("protocol") == protocol)["model"].unique().sort()
    return [(name, lists_of(recommendations, protocol, name)) for name in names]


def lists_of(recommendations: pl.DataFrame, protocol: str, model: str) -> pl.DataFrame:
    """The rows of one model in one protocol."""
    return recommendations.filter(pl.col("protocol") == protocol, pl.col("model") == model)
