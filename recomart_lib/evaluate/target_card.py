"""The target card: each target with its value, interval, floors, ceiling and verdict."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import polars as pl

from recomart_lib.core.errors import UserError
from recomart_lib.metrics import ranking

CARD = {
    "target": pl.String,
    "threshold": pl.Float64,
    "protocol": pl.String,
    "model": pl.String,
    "value": pl.Float64,
    "low": pl.Float64,
    "high": pl.Float64,
    "floor_random": pl.Float64,
    "floor_popularity": pl.Float64,
    "ceiling": pl.Float64,
    "verdict": pl.String,
}


def target_card(
    evaluated: Mapping[str, Mapping[str, Mapping[str, Any]]],
    chosen: Mapping[str, str],
    relevant: Mapping[str, pl.DataFrame],
    targets: Mapping[str, float],
) -> pl.DataFrame:
    """One row per protocol and target, columns `CARD`: is it met, and what could be reached at all?

    Parameters
    ----------
    evaluated
        What `evaluate` returns.
    chosen
        Protocol -> the model that was chosen on valid; a protocol that nobody can be judged by has no rows.
    targets
        Metric -> threshold, such as {"ndcg@10": 0.2}; precision, recall and ndcg only, as they have intervals.

    Returns
    -------
    DataFrame
        The verdict is "clearly met" if the interval's lower bound reaches the threshold, "met" if the value does, else
        "missed". The floors are null where no such model was evaluated.

    Raises
    ------
    UserError
        If a chosen model or a target was not evaluated.
    """
    rows = []
    for protocol, model in chosen.items():
        models = evaluated.get(protocol) or {}
        if models and model not in models:
            raise UserError(f"Model {model!r} has no lists in protocol {protocol!r}; there are: {', '.join(models)}.")
        rows += [
            (target, threshold, protocol, model, *_judged(models, model, target, threshold, relevant[protocol]))
            for target, threshold in (targets.items() if models else ())
        ]
    return pl.DataFrame(rows, schema=CARD, orient="row")


def _judged(models: Mapping[str, Any], model: str, target: str, threshold: float, relevant: pl.DataFrame) -> tuple:
    """value, low, high, floor_random, floor_popularity, ceiling, verdict."""
    if f"{target}_ci" not in models[model]:
        known = [name.removesuffix("_ci") for name in models[model] if name.endswith("_ci")]
        raise UserError(f"Target {target!r} was not evaluated; there are: {', '.join(known)}.")
    value, (low, high) = models[model][target], models[model][f"{target}_ci"]
    floors = (models.get(name, {}).get(target) for name in ("random", "popularity"))
    ceiling = ranking.ceilings(relevant, int(target.rpartition("@")[2]))[target]
    verdict = "clearly met" if low >= threshold else "met" if value >= threshold else "missed"
    return value, low, high, *floors, ceiling, verdict
