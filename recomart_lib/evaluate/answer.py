"""The answer of 07 in the shop's words: how good the chosen model is, beside the strongest simple one."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import polars as pl

from recomart_lib.core.model_names import SIMPLE

METRIC = "ndcg@10"
SHOWN = 10  # products of a list: ten times precision@10 is the number of hits
ALWAYS = ("popularity", "recent_popularity")  # what most shops show today


def strongest_simple(models: Mapping[str, Mapping[str, Any]], chosen: str) -> str | None:
    """The simple model other than `chosen` with the best ndcg@10. `models`: a protocol of `evaluation.evaluate`."""
    names = [name for name in SIMPLE if name in models and name != chosen]
    return max(names, key=lambda name: models[name][METRIC], default=None)


def answer(models: Mapping[str, Mapping[str, Any]], test: pl.DataFrame, chosen: str) -> dict[str, Any] | None:
    """The chosen model beside the strongest simple one, in one protocol.

    Parameters
    ----------
    models
        Model -> metric -> value (a value of `evaluation.evaluate`).
    test
        `comparison.compare` of the chosen model.

    Returns
    -------
    dict or None
        model, rival (the strongest simple model), difference (ndcg@10, chosen minus rival, paired over users), low,
        high (its 95 % interval), p (corrected for the number of models), hits (model -> value, low, high: of ten
        products shown, how many were chosen in the window). The rival and its numbers are null without another simple
        model, what cannot be estimated is null, and without users there is no answer.
    """
    if chosen not in models:
        return None
    rival = strongest_simple(models, chosen)
    rows = test.filter(pl.col("model") == rival).to_dicts() if rival else []
    paired = {name: _finite(rows[0][column]) if rows else None for name, column in PAIRED.items()}
    names = dict.fromkeys(name for name in (chosen, rival, *ALWAYS) if name in models)
    return {"model": chosen, "rival": rival, **paired, "hits": {name: hits(models[name]) for name in names}}


PAIRED = {"difference": "difference", "low": "low", "high": "high", "p": "p_holm"}


def hits(metrics: Mapping[str, Any]) -> dict[str, float]:
    """Of ten products shown, how many were chosen in the window, with the 95 % interval: value, low, high."""
    low, high = metrics["precision@10_ci"]
    return {"value": SHOWN * metrics["precision@10"], "low": SHOWN * low, "high": SHOWN * high}


def stability(
    by_cut: pl.DataFrame, chosen: str, rival: str | None, protocol: str, test_cut: datetime
) -> dict[str, Any] | None:
    """At how many cuts the chosen model leads, in one protocol.

    Parameters
    ----------
    by_cut
        `diagnostics.summary` by cut, protocol and model.
    rival
        The strongest simple model at the test cut.

    Returns
    -------
    dict or None
        cuts (at which the model was evaluated), all_cuts (at which any was), leads (in how many of its cuts no other
        model was better), lowest, highest (its ndcg@10), scores (its ndcg@10, the oldest cut first), days
        (between its first and its last cut), rival, rival_cuts (at how many of its cuts the rival was evaluated),
        unseen (how many of its cuts chose neither model nor parameters: the test cut). None if it was evaluated at no
        cut.
    """
    rows = by_cut.filter(pl.col("protocol") == protocol, pl.col("metric") == METRIC)
    own = rows.filter(pl.col("model") == chosen)
    if not own.height:
        return None
    own = own.sort("cut")
    top = rows.group_by("cut").agg(top=pl.col("mean").max())
    return {
        "cuts": own.height,
        "all_cuts": rows.get_column("cut").n_unique(),
        "leads": own.join(top, on="cut").filter(pl.col("mean") == pl.col("top")).height,
        "lowest": own.get_column("mean").min(),
        "highest": own.get_column("mean").max(),
        "scores": own.get_column("mean").to_list(),
        "days": (own["cut"][-1] - own["cut"][0]) / timedelta(days=1),
        "rival": rival,
        "rival_cuts": rows.filter(pl.col("model") == pl.lit(rival, pl.String)).join(own, on="cut", how="semi").height,
        "unseen": own.filter(pl.col("cut") >= test_cut).height,
    }


def _finite(value: float) -> float | None:
    """JSON has no infinity."""
    return value if math.isfinite(value) else None
