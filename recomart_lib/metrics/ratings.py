"""Errors of predicted ratings."""

from __future__ import annotations

import numpy as np
import polars as pl


def rating_errors(predictions: pl.DataFrame) -> dict[str, dict[str, float]]:
    """Model -> rmse = sqrt(mean (estimate - rating)^2) and mae = mean |estimate - rating|, in stars; {} for no rows.

    Raises
    ------
    ValueError
        If a rating or an estimate is missing or not finite.
    """
    if not predictions.height:
        return {}
    if n_invalid := predictions.filter(
        ~pl.all_horizontal(pl.col("rating", "estimate").is_finite().fill_null(False))
    ).height:
        raise ValueError(f"rating or estimate of {n_invalid} predictions is missing or not finite")
    error = pl.col("estimate") - pl.col("rating")
    parts = predictions.sort("model", "user_id", "item_id").with_columns(error=error)
    return {
        model: {
            "rmse": float(np.sqrt(np.mean(part["error"].to_numpy() ** 2))),
            "mae": float(np.mean(np.abs(part["error"].to_numpy()))),
        }
        for (model,), part in parts.group_by("model", maintain_order=True)
    }
