"""Calibration: are predicted probabilities accurate?"""

from __future__ import annotations

import numpy as np
import polars as pl

from recomart_lib.metrics import intervals


def calibration_curve(probability: np.ndarray, label: np.ndarray, n_bins: int = 10) -> pl.DataFrame:
    """Compute the points of a reliability diagram: predicted probability against observed share.

    Parameters
    ----------
    probability, label
        (n,) each: the predicted probability in [0, 1], and 1 if the event happened, else 0.
    n_bins
        Number of bins of about equal size, ordered by probability. Most probabilities are small, so bins of equal
        width would put nearly all of them into the first bin. Equal probabilities share a bin.

    Returns
    -------
    DataFrame
        One row per non-empty bin: bin (1 = lowest), predicted (mean probability), observed (share), low, high (95 %
        Wilson interval of the share), n. No rows for no probabilities. See `calibration_error`.

    Raises
    ------
    ValueError
        If a probability is not in [0, 1], a label is neither 0 nor 1, or n_bins is below 1.

    Source
    ------
    Niculescu-Mizil and Caruana, Predicting good probabilities with supervised learning, ICML 2005.
    """
    probability, label = np.asarray(probability, dtype=np.float64), np.asarray(label, dtype=np.float64)
    if n_bins < 1 or not (np.isin(label, (0, 1)).all() and ((probability >= 0) & (probability <= 1)).all()):
        raise ValueError("expected n_bins >= 1, probabilities in [0, 1], and labels that are 0 or 1")
    pairs = pl.DataFrame({"predicted": probability, "label": label}).with_columns(
        bin=((pl.col("predicted").rank("average") - 0.5) / pl.len() * n_bins).floor().cast(pl.Int64) + 1
    )
    groups = pairs.sort("bin", "predicted", "label").group_by("bin", maintain_order=True)
    bins = groups.agg(pl.col("predicted").mean(), observed=pl.col("label").mean(), n=pl.len().cast(pl.Int64))
    n = bins["n"].to_numpy()
    low, high = intervals.wilson(bins["observed"].to_numpy() * n, n)
    bins = bins.with_columns(low=pl.Series(low, dtype=pl.Float64), high=pl.Series(high, dtype=pl.Float64))
    return bins.select("bin", "predicted", "observed", "low", "high", "n")


def calibration_error(bins: pl.DataFrame) -> float | None:
    """Compute the mean |observed - predicted| of the bins, weighted by n; None without bins.

    Source: Naeini, Cooper, Hauskrecht, Obtaining well calibrated probabilities using Bayesian binning, AAAI 2015.
    """
    if not bins.height:
        return None
    gap = np.abs(bins["observed"].to_numpy() - bins["predicted"].to_numpy())
    return float(np.average(gap, weights=bins["n"].to_numpy()))


def calibration_by_model(predictions: pl.DataFrame, n_bins: int = 10) -> pl.DataFrame:
    """Compute `calibration_curve` for each model.

    Parameters
    ----------
    predictions
        data/models/calibration.parquet: model, probability, label.

    Returns
    -------
    DataFrame
        The columns of `calibration_curve` behind `model`.
    """
    parts = [pl.DataFrame({"model": []}, {"model": pl.String}).hstack(calibration_curve([], [], n_bins))]
    for (model,), part in predictions.sort("model").group_by("model", maintain_order=True):
        bins = calibration_curve(part["probability"].to_numpy(), part["label"].to_numpy(), n_bins)
        parts.append(bins.select(pl.lit(model).alias("model"), pl.all()))
    return pl.concat(parts)
