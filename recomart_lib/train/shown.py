"""The tables of 06 as people read them: verdict in the second column, the chosen model first, errors as text."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

import polars as pl

from recomart_lib.core.protocol_names import TITLES
from recomart_lib.core.text import score
from recomart_lib.train import choice as evidence_of_choice

SEARCHED = {"mean": "mean of both protocols", "all": "lists as delivered", "novel": "discovery"}


def search(results: pl.DataFrame, tune_protocol: str) -> pl.DataFrame:
    """What the search found, per model. `results`: see `selection.search_results`; `tune_protocol` was optimised."""
    best = f"ndcg@10 searched for ({SEARCHED[tune_protocol]})"
    rows = [
        {
            "model": row["model"],
            "verdict": _searched(row),
            best: _score(row["best"]),
            "with the defaults": _score(row["defaults"]),
            "lists as delivered": _score(row["all"]),
            "discovery": _score(row["novel"]),
            "trials": row["trials"],
            "parameters": parameters_in_words(json.loads(row["parameters"])),
        }
        for row in results.iter_rows(named=True)
    ]
    return pl.DataFrame(rows)


def _searched(row: Mapping[str, Any]) -> str:
    if row["best"] is None:
        return "could not be evaluated"
    if row["trials"] == 1:
        return "not searched"
    return "improved" if row["best"] > row["defaults"] else "defaults kept"


def choice(evidence: pl.DataFrame, scores: pl.DataFrame, protocol: str) -> pl.DataFrame:
    """Which model is chosen in a protocol, the best first. `evidence`, `scores`: see `choice.table`."""
    table = evidence_of_choice.shown(evidence, scores, protocol)
    windows = [name for name in table.columns if name.startswith("from ")]
    rows = [
        {
            "model": row["model"],
            "verdict": "chosen" if row["chosen"] else "as good, less simple" if row["within"] else "behind",
            "ndcg@10, mean of the windows (standard error)": _with_error(row["mean"], row["standard_error"]),
            "behind the best (standard error)": _with_error(row["behind"], row["difference_error"]),
            "simplicity (1: simplest)": row["simplicity"],
            **{f"ndcg@10 {name}": _score(row[name]) for name in windows},
        }
        for row in table.iter_rows(named=True)
    ]
    return pl.DataFrame(sorted(rows, key=lambda row: row["verdict"] != "chosen"))


def _score(value: float | None) -> str | None:
    return None if value is None else score(value)


def _with_error(value: float, error: float) -> str:
    return f"{score(value)} ({score(error) if math.isfinite(error) else 'unknown'})"


def lists(table: pl.DataFrame) -> pl.DataFrame:
    """The stored lists per model: users and recommendations, by protocol."""
    counts = table.group_by("protocol", "model").agg(users=pl.col("user_id").n_unique(), rows=pl.len())
    counts = counts.with_columns(pl.col("protocol", "model").cast(pl.String)).sort("protocol", "model")
    named = pl.col("protocol").replace_strict(TITLES, default=pl.col("protocol"))
    return counts.select("model", named, "users", pl.col("rows").alias("recommendations"))


def parameters(chosen: Mapping[str, Mapping[str, Any]]) -> pl.DataFrame:
    """The hyper-parameters of every model."""
    rows = [{"model": name, "parameters": parameters_in_words(values)} for name, values in chosen.items()]
    return pl.DataFrame(rows, schema={"model": pl.String, "parameters": pl.String})


def parameters_in_words(values: Mapping[str, Any]) -> str:
    """`n_factors 64, reg 25.1`: numbers with three significant digits.

    >>> parameters_in_words({"n_factors": 64, "reg": 25.112652504140677})
    'n_factors 64, reg 25.1'
    """
    words = [f"{name} {value:.3g}" if isinstance(value, float) else f"{name} {value}" for name, value in values.items()]
    return ", ".join(words) or "none"
