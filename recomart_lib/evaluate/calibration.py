"""Calibration: do predicted probabilities come true?"""

from __future__ import annotations

import numpy as np
import polars as pl

from recomart_lib.metrics import intervals


def calibration(probability: np.ndarray, label: np.ndarray, n_bins: int = 10) -> pl.DataFrame:
    """Do things happen as often as was foretold? The reliability diagram's points.

    Parameters
    ----------
    probability, label
        (n,) each: the estimate in [0, 1], and 1 if it happened, else 0.
    n_bins
        Bins of about equal size, in the order of the estimate: chances are small and crowded, so that bins of equal
        width would put all into the first. Equal estimates share a bin.

    Returns
    -------
    DataFrame
        One row per bin that is not empty: bin (1 = lowest), estimate (mean), observed (share), low, high (its 95 %
        Wilson interval), n. None for no estimates. See `calibration_error`.

    Raises
    ------
    ValueError
        If an estimate is not in [0, 1], a label is neither 0 nor 1, or n_bins is below 1.

    Source
    ------
    Niculescu-Mizil and Caruana, Predicting good probabilities with supervised learning, ICML 2005.
    """
    probability, label = np.asarray(probability, dtype=np.float64), np.asarray(label, dtype=np.float64)
    if n_bins < 1 or not (np.isin(label, (0, 1)).all() and ((probability >= 0) & (probability <= 1)).all()):
        raise ValueError("expected at least one bin, estimates in [0, 1], and labels that are 0 or 1")
    pairs = pl.DataFrame({"estimate": probability, "label": label}).with_columns(
        bin=((pl.col("estimate").rank("average") - 0.5) / pl.len() * n_bins).floor().cast(pl.Int64) + 1
    )
    bins = pairs.sort("bin", "estimate", "label").group_by("bin", maintain_order=True)
    found = bins.agg(pl.col("estimate").mean(), observed=pl.col("label").mean(), n=pl.len().cast(pl.Int64))
    n = found["n"].to_numpy()
    low, high = intervals.wilson(found["observed"].to_numpy() * n, n)
    found = found.with_columns(low=pl.Series(low, dtype=pl.Float64), high=pl.Series(high, dtype=pl.Float64))
    return found.select("bin", "estimate", "observed", "low", "high", "n")


def calibration_error(bins: pl.DataFrame) -> float | None:
    """The expected calibration error: mean over cases of |observed - estimate| of their bin; None for no bins.

    Source: Naeini, Cooper, Hauskrecht, Obtaining well calibrated probabilities using Bayesian binning, AAAI 2015.
    """
    if not bins.height:
        return None
    gap = np.abs(bins["observed"].to_numpy() - bins["estimate"].to_numpy())
    return float(np.average(gap, weights=bins["n"].to_numpy()))


def calibrated(chances: pl.DataFrame, n_bins: int = 10) -> pl.DataFrame:
    """`calibration` of every model of data/models/calibration.parquet, the model's name in front."""
    parts = [pl.DataFrame({"model": []}, {"model": pl.String}).hstack(calibration([], [], n_bins))]
    for (model,), part in chances.sort("model").group_by("model", maintain_order=True):
        bins = calibration(part["probability"].to_numpy(), part["label"].to_numpy(), n_bins)
        parts.append(bins.select(pl.lit(model).alias("model"), pl.all()))
    return pl.concat(parts)
