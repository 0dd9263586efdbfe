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
    """Check every target: one row per protocol and target, columns `CARD`.

    Parameters
    ----------
    evaluated
        The result of `evaluation.evaluate`.
    chosen
        Protocol -> the model chosen in the windows before test. A protocol without users to evaluate has no rows.
    targets
        Metric -> threshold, such as {"ndcg@10": 0.2}; only precision, recall and ndcg, which have intervals.

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
            raise UserError(
                f"Model {model!r} has no lists in protocol {protocol!r}. Models with lists: {', '.join(models)}."
            )
        rows += [
            (
                target,
                threshold,
                protocol,
                model,
                *_evaluate_target(models, model, target, threshold, relevant[protocol]),
            )
            for target, threshold in (targets.items() if models else ())
        ]
    return pl.DataFrame(rows, schema=CARD, orient="row")


def _evaluate_target(
    models: Mapping[str, Any], model: str, target: str, threshold: float, relevant: pl.DataFrame
) -> tuple:
    """Return value, low, high, floor_random, floor_popularity, ceiling, verdict."""
    if f"{target}_ci" not in models[model]:
        available = [name.removesuffix("_ci") for name in models[model] if name.endswith("_ci")]
        raise UserError(f"Target {target!r} was not evaluated. Evaluated metrics: {', '.join(available)}.")
    value, (low, high) = models[model][target], models[model][f"{target}_ci"]
    floors = (models.get(name, {}).get(target) for name in ("random", "popularity"))
    ceiling = ranking.ceilings(relevant, int(target.rpartition("@")[2]))[target]
    verdict = "clearly met" if low >= threshold else "met" if value >= threshold else "missed"
    return value, low, high, *floors, ceiling, verdict
