"""The answer of 07 in the shop's words: how good the chosen model is, beside the strongest simple one."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import polars as pl

from recomart_lib.core.model_names import SIMPLE

METRIC = "ndcg@10"
SIGNIFICANT = 0.05
FOR_COLD = "recent_popularity"  # whose list 08 delivers to cold users
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
        products shown, how many were chosen in the window), better (of the models that are significantly better in
        the test window, the best: model, difference and p, chosen minus it; null if there is none). The rival and its
        numbers are null without another simple model, what cannot be estimated is null, and without users there is no
        answer.
    """
    if chosen not in models:
        return None
    rival = strongest_simple(models, chosen)
    rows = test.filter(pl.col("model") == rival).to_dicts() if rival else []
    paired = {name: _finite(rows[0][column]) if rows else None for name, column in PAIRED.items()}
    names = dict.fromkeys(name for name in (chosen, rival, *ALWAYS) if name in models)
    shown = {name: hits(models[name]) for name in names}
    return {"model": chosen, "rival": rival, **paired, "hits": shown, "better": _better(test)}


def _better(test: pl.DataFrame) -> dict[str, Any] | None:
    """The model that leads in the test window, if its lead over the chosen one is significant."""
    ahead = test.filter(pl.col("difference") < 0, pl.col("p_holm") < SIGNIFICANT).sort("difference", "model")
    return ahead.select("model", "difference", p="p_holm").row(0, named=True) if ahead.height else None


PAIRED = {"difference": "difference", "low": "low", "high": "high", "p": "p_holm"}


def hits(metrics: Mapping[str, Any]) -> dict[str, float]:
    """Of ten products shown, how many were chosen in the window, with the 95 % interval: value, low, high."""
    low, high = metrics["precision@10_ci"]
    return {"value": SHOWN * metrics["precision@10"], "low": SHOWN * low, "high": SHOWN * high}


def stability(
    by_cut: pl.DataFrame,
    chosen: str,
    rival: str | None,
    protocol: str,
    test_cut: datetime,
    choice: Mapping[str, Mapping[str, Any]],
) -> dict[str, Any] | None:
    """At how many cuts the chosen model leads, in one protocol.

    Parameters
    ----------
    by_cut
        `diagnostics.summary` by cut, protocol and model.
    rival
        The strongest simple model at the test cut.
    choice
        Model -> its evidence in the windows before test, in which all models were compared (`choice` of tuning.json).

    Returns
    -------
    dict or None
        cuts (at which the model was evaluated), all_cuts (at which any was), leads (in how many of its cuts no other
        model was better), lowest, highest (its ndcg@10), scores (its ndcg@10, the oldest cut first), days
        (between its first and its last cut), rival, rival_cuts (at how many of its cuts the rival was evaluated),
        unseen (how many of its cuts chose neither model nor parameters: the test cut), ahead (the models that led where
        it did not, one per cut: model, by how much), earlier (see `earlier_windows`). None if it was evaluated at no
        cut.
    """
    rows = by_cut.filter(pl.col("protocol") == protocol, pl.col("metric") == METRIC)
    own = rows.filter(pl.col("model") == chosen)
    if not own.height:
        return None
    own = own.sort("cut")
    top = rows.sort("mean", "model", descending=[True, False]).unique("cut", keep="first", maintain_order=True)
    led = own.select("cut", own="mean").join(top.select("cut", "model", top="mean"), on="cut").sort("cut")
    ahead = led.filter(pl.col("own") < pl.col("top")).select("model", by=pl.col("top") - pl.col("own"))
    return {
        "cuts": own.height,
        "all_cuts": rows.get_column("cut").n_unique(),
        "leads": own.height - ahead.height,
        "lowest": own.get_column("mean").min(),
        "highest": own.get_column("mean").max(),
        "scores": own.get_column("mean").to_list(),
        "days": (own["cut"][-1] - own["cut"][0]) / timedelta(days=1),
        "rival": rival,
        "rival_cuts": rows.filter(pl.col("model") == pl.lit(rival, pl.String)).join(own, on="cut", how="semi").height,
        "unseen": own.filter(pl.col("cut") >= test_cut).height,
        "ahead": ahead.to_dicts(),
        "earlier": earlier_windows(choice, chosen),
    }


def earlier_windows(choice: Mapping[str, Mapping[str, Any]], chosen: str) -> dict[str, Any] | None:
    """How the chosen model stood among all models in the windows before test, in one protocol.

    Returns
    -------
    dict or None
        model, windows (in which it was evaluated), leads (in how many no other was better), best (the best model over
        these windows), behind (by how much ndcg@10 the chosen one is behind it; it is the simplest within one standard
        error). None without evidence.
    """
    if chosen not in choice:
        return None
    row = choice[chosen]
    level = [name for name in sorted(choice) if choice[name]["difference"] == 0]
    best = chosen if chosen in level or not level else level[0]
    return {
        "model": chosen,
        "windows": row["windows"],
        "leads": row["leads"],
        "best": best,
        "behind": row["difference"],
    }


def repeats(
    lists: pl.DataFrame, relevant: pl.DataFrame, interactions: pl.DataFrame, protocol: str, chosen: str
) -> dict[str, float] | None:
    """How much of the chosen model's lists, and of their hits, each user had chosen before, in one protocol.

    Parameters
    ----------
    lists
        user_id, item_id, model, protocol and rank.
    relevant
        The pairs that users chose in the window.
    interactions
        Pairs before the cut with `n_relevant`.

    Returns
    -------
    dict or None
        shown (share of the places of the lists of ten of the evaluated users), hits (share of the hits; null without
        hits). None without lists.
    """
    own = (pl.col("model") == chosen, pl.col("protocol") == protocol, pl.col("rank") <= SHOWN)
    shown = lists.filter(*own).join(relevant.select("user_id").unique(), on="user_id", how="semi")
    if not shown.height:
        return None
    pair = ["user_id", "item_id"]
    before = interactions.filter(pl.col("n_relevant") > 0)
    hits = shown.join(relevant, on=pair, how="semi")
    known, known_hits = (table.join(before, on=pair, how="semi").height for table in (shown, hits))
    return {"shown": known / shown.height, "hits": known_hits / hits.height if hits.height else None}


def _finite(value: float) -> float | None:
    """JSON has no infinity."""
    return value if math.isfinite(value) else None
