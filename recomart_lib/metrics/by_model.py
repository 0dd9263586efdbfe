"""Ranking metrics of every user, for each model and protocol."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import polars as pl

from recomart_lib.metrics import ranking


def per_user(recommendations: pl.DataFrame, relevant: Mapping[str, pl.DataFrame], ks: Sequence[int]) -> pl.DataFrame:
    """One row per protocol, model and judged user: the columns of `metrics.per_user` behind protocol and model.

    Every model that has a list under a protocol is judged by all its users; no list counts as zeros.
    """
    parts = []
    for protocol, pairs in relevant.items():
        for model, lists in lists_by_model(recommendations, protocol):
            judged = ranking.per_user(lists, pairs, ks)
            parts.append(judged.select(pl.lit(protocol).alias("protocol"), pl.lit(model).alias("model"), pl.all()))
    if not parts:
        nobody = ranking.per_user(recommendations.clear(), recommendations.select("user_id", "item_id").clear(), ks)
        parts = [nobody.select(protocol=pl.lit(""), model=pl.lit("")).clear().hstack(nobody)]
    return pl.concat(parts)


def lists_by_model(recommendations: pl.DataFrame, protocol: str) -> list[tuple[str, pl.DataFrame]]:
    names = recommendations.filter(pl.col("protocol") == protocol)["model"].unique().sort()
    return [(name, lists_of(recommendations, protocol, name)) for name in names]


def lists_of(recommendations: pl.DataFrame, protocol: str, model: str) -> pl.DataFrame:
    return recommendations.filter(pl.col("protocol") == protocol, pl.col("model") == model)
