"""Ranking metrics of every user, for each model and protocol."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import polars as pl

from recomart_lib.metrics import ranking


def per_user(recommendations: pl.DataFrame, relevant: Mapping[str, pl.DataFrame], ks: Sequence[int]) -> pl.DataFrame:
    """One row per protocol, model and evaluated user: protocol, model, and the columns of `ranking.per_user`.

    Every model with a list in a protocol is evaluated on all users of the protocol; a missing list counts as zeros. All
    models of a protocol are evaluated in one pass: the users of the first model by name, those of the second, ...
    """
    parts = [_of_protocol(recommendations, protocol, pairs, ks) for protocol, pairs in relevant.items()]
    if not parts:
        nothing = recommendations.select("user_id", "item_id").clear()
        parts = [_of_protocol(recommendations.clear(), "", nothing, ks)]
    return pl.concat(parts)


def _of_protocol(
    recommendations: pl.DataFrame, protocol: str, relevant: pl.DataFrame, ks: Sequence[int]
) -> pl.DataFrame:
    in_protocol = recommendations.lazy().filter(pl.col("protocol") == protocol)
    models = models_of(in_protocol.select("model").collect())
    users = relevant.lazy().select("user_id").unique()
    evaluated = in_protocol.join(users, on="user_id", how="semi")  # the lists of others would take memory
    lists = evaluated.join(models.lazy(), on="model").collect()
    scores = ranking.per_user_of_groups(lists, relevant, ks, models.height)
    group = np.repeat(np.arange(models.height), scores.height // max(models.height, 1))
    names = models.get_column("model").cast(pl.String).gather(group)
    return scores.select(pl.lit(protocol).alias("protocol"), names, pl.all())


def models_of(lists: pl.DataFrame) -> pl.DataFrame:
    """One row per model with a list, by name: model, and its number from 0, `group` (Int32)."""
    names = lists.get_column("model").unique()
    return (
        pl.DataFrame({"model": names, "name": names.cast(pl.String)})
        .sort("name")
        .select("model", group=pl.int_range(pl.len(), dtype=pl.Int32))
    )
