"""Models that had nothing of their own to show at a cut, and whose lists were those of another: they are not drawn."""

from __future__ import annotations

import polars as pl

from recomart_lib.core.model_names import plain

METRIC = "ndcg@10"


def models(scores: pl.DataFrame, baseline: str) -> pl.DataFrame:
    """The models that score exactly like `baseline` for every user of a cut: they fell back on it.

    Parameters
    ----------
    scores
        data/models/backtest.parquet: one row per cut, protocol, model and user.

    Returns
    -------
    DataFrame
        cut, protocol, model. Empty where the baseline has no hit at all: then equal scores mean nothing.
    """
    keys = ["cut", "protocol", "user_id"]
    own = scores.filter(pl.col("model") == baseline).select(*keys, own=pl.col(METRIC))
    joined = scores.filter(pl.col("model") != baseline).join(own, on=keys)
    same = joined.group_by("cut", "protocol", "model").agg(
        same=(pl.col(METRIC) == pl.col("own")).all() & (pl.col("own") > 0).any()
    )
    return same.filter("same").drop("same").sort("cut", "protocol", "model")


def sentence(fallen: pl.DataFrame, baseline: str) -> str:
    """What a figure leaves out, for the line below its title; empty if nothing is. `fallen`: of one protocol.

    >>> from datetime import datetime
    >>> sentence(pl.DataFrame({"model": ["basket"], "cut": [datetime(2026, 1, 5)]}), "popularity")
    'not drawn, as it showed the list of Bestsellers: Same order (2026-01-05)'
    """
    if not fallen.height:
        return ""
    cuts = fallen.select("cut", "model").sort("cut").group_by("model", maintain_order=True).agg("cut")
    n_cuts = fallen.get_column("cut").n_unique()
    names = [
        plain(model) + (f" ({', '.join(f'{cut:%Y-%m-%d}' for cut in at)})" if len(at) < n_cuts or n_cuts == 1 else "")
        for model, at in sorted(cuts.iter_rows())
    ]
    they = "it showed" if len(names) == 1 else "they showed"
    return f"not drawn, as {they} the list of {plain(baseline)}: {', '.join(names)}"
