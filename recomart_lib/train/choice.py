"""Which model is chosen in each protocol: by several windows before the test window, and the simplest of equals.

Scores are one row per window (`cut`, its start), protocol, model and evaluated user, as of `backtest.window_scores`:
in a window, all models are evaluated on the same users. The rule, its date and its reasons are in docs/models.md.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import polars as pl

from recomart_lib.core.schemas import PROTOCOLS
from recomart_lib.models import MODELS
from recomart_lib.models.base import TrainData

# From the simplest: counts of the shop, of the user, of pairs of products or users, one factorisation, several models,
# and models that read the feature store. The one place of this order; models that are not in it come last.
SIMPLEST_FIRST = (
    "popularity",
    "recent_popularity",
    "segment_popularity",
    "own_history",
    "own_history_decayed",
    "item_knn",
    "user_knn",
    "basket",
    "content",
    "ease",
    "svd",
    "als",
    "ials",
    "bpr",
    "svdpp",
    "blend",
    "repurchase",
    "two_stage",
)
FLOOR = "random"  # never chosen
BASELINE = "popularity"  # no model that loses to it is chosen
FAR = 4.0  # standard errors behind the best of the validation window, beyond which a model is not fitted again
SCORE = "ndcg@10"  # by which parameters and models are chosen
CHOICE = {
    "protocol": pl.String,
    "model": pl.String,
    "simplicity": pl.Int64,
    "windows": pl.Int64,
    "leads": pl.Int64,
    "mean": pl.Float64,
    "standard_error": pl.Float64,
    "difference": pl.Float64,
    "difference_error": pl.Float64,
    "beats_popularity": pl.Boolean,
    "within": pl.Boolean,
    "best": pl.Boolean,
    "chosen": pl.Boolean,
}


class Scores:
    """The scores of one protocol as a matrix: one row per window and user, one column per model, NaN where a model was
    not evaluated in a window."""

    def __init__(self, scores: pl.DataFrame, protocol: str) -> None:
        rows = scores.filter(pl.col("protocol") == protocol, pl.col("model") != FLOOR)
        wide = rows.pivot(on="model", index=["cut", "user_id"], values=SCORE).sort("cut", "user_id")
        self.names = sorted(set(wide.columns) - {"cut", "user_id"}, key=place)
        self.values = {name: wide.get_column(name).cast(pl.Float64).fill_null(np.nan).to_numpy() for name in self.names}
        self.window = wide.get_column("cut").rank("dense").cast(pl.Int64).to_numpy() - 1
        self.user = wide.get_column("user_id").rank("dense").cast(pl.Int64).to_numpy() - 1

    def mean(self, name: str) -> tuple[float, float, int]:
        """The mean over the model's windows of its mean over users, its standard error, and the number of windows."""
        return self._mean(self.values[name])

    def difference(self, name: str, other: str) -> tuple[float, float]:
        """`mean` of the paired differences, `name` minus `other`, over the windows of both, and its standard error."""
        return self._mean(self.values[name] - self.values[other])[:2]

    def leads(self, name: str) -> int:
        """In how many of its windows no other model has a higher mean."""
        own = self._by_window(self.values[name])
        others = [self._by_window(self.values[other]) for other in self.names]
        return int(sum(mean >= np.nanmax([table[n] for table in others]) for n, mean in enumerate(own) if mean == mean))

    def _by_window(self, values: np.ndarray) -> list[float]:
        """The mean in each window; NaN where there is none."""
        return [float(values[self.window == n].mean()) for n in range(self.window.max(initial=-1) + 1)]

    def _mean(self, values: np.ndarray) -> tuple[float, float, int]:
        """Users are the sampling unit: the deviations of a user who is in several windows are added up first."""
        known = ~np.isnan(values)
        if not known.any():
            return 0.0, np.inf, 0
        _, window = np.unique(self.window[known], return_inverse=True)
        _, user = np.unique(self.user[known], return_inverse=True)
        n_users, present = np.bincount(window), values[known]
        means = np.bincount(window, present) / n_users
        deviation = np.bincount(user, (present - means[window]) / n_users[window] / len(means))
        n = len(deviation)
        error = float(np.sqrt(n / (n - 1) * (deviation**2).sum())) if n > 1 else np.inf
        return float(means.mean()), error, len(means)


def place(name: str) -> tuple[int, str]:
    """The sort key of a model in the order of simplicity; own models come last, by name."""
    return (SIMPLEST_FIRST.index(name) if name in SIMPLEST_FIRST else len(SIMPLEST_FIRST), name)


def table(scores: pl.DataFrame) -> pl.DataFrame:
    """The evidence of the choice in both protocols.

    Returns
    -------
    DataFrame
        `CHOICE`, one row per protocol and model that was itself (see `is_itself`) in a window, the best first:
        simplicity (1: the simplest), windows (how many it was evaluated in), leads (in how many of them it had the
        highest mean), mean and standard_error (of `Scores.mean`), difference and difference_error (behind the best, on
        the windows of both), beats_popularity (on the windows of both, or equal), within (beats popularity,
        and the difference is at most one standard error of it), best, chosen. A protocol without users has no row.
    """
    return pl.concat([_table(Scores(scores, protocol), protocol) for protocol in PROTOCOLS])


def _table(scores: Scores, protocol: str) -> pl.DataFrame:
    if not scores.names:
        return pl.DataFrame(schema=CHOICE)
    best, rows = _best(scores), []
    for name in scores.names:
        mean, error, n_windows = scores.mean(name)
        difference, difference_error = scores.difference(best, name)
        beats = _keeps_up(scores, name)
        within = beats and difference <= difference_error
        row = (protocol, name, place(name)[0] + 1, n_windows, scores.leads(name), mean, error)
        rows.append((*row, difference, difference_error, beats, within, name == best, False))
    result = pl.DataFrame(rows, schema=CHOICE, orient="row")
    chosen = result.filter("within").get_column("model")[0]  # rows are in the order of simplicity
    return result.with_columns(chosen=pl.col("model") == chosen).sort("difference", maintain_order=True)


def _best(scores: Scores) -> str:
    """Of the models that do not lose to popularity, the one that is better than the most others, on the windows that
    each two share; of equal ones, the higher mean, then the simpler. If all have the same windows: the highest mean."""

    def rank(name: str) -> tuple[int, float]:
        return sum(scores.difference(name, other)[0] > 0 for other in scores.names), scores.mean(name)[0]

    return max((name for name in scores.names if _keeps_up(scores, name)), key=rank)


def _keeps_up(scores: Scores, name: str) -> bool:
    """Whether a model does not lose to popularity."""
    return BASELINE not in scores.names or scores.difference(name, BASELINE)[0] >= 0


def shown(evidence: pl.DataFrame, scores: pl.DataFrame, protocol: str) -> pl.DataFrame:
    """The evidence of one protocol as 06 shows it: the columns of `table`, with `behind` for the difference, then a
    column per window (the day of its cut), empty where the model was not evaluated."""
    means = scores.filter(pl.col("protocol") == protocol).group_by("model", "cut").agg(pl.col(SCORE).mean())
    by_window = means.sort("cut").with_columns(pl.col("cut").dt.strftime("from %Y-%m-%d"))
    by_window = by_window.pivot(on="cut", index="model", values=SCORE)
    rows = evidence.filter(pl.col("protocol") == protocol).join(by_window, on="model", how="left")
    kept = ("mean", "standard_error", pl.col("difference").alias("behind"), "difference_error")
    return rows.select("model", "chosen", "within", *kept, "simplicity", pl.exclude(*CHOICE))


def choose(evidence: pl.DataFrame) -> dict[str, str]:
    """Protocol -> the chosen model; popularity where no user can be evaluated. `evidence`: see `table`."""
    chosen = dict(evidence.filter("chosen").select("protocol", "model").iter_rows())
    return {protocol: chosen.get(protocol, BASELINE) for protocol in PROTOCOLS}


def candidate_models(scores: pl.DataFrame, always: Iterable[str] = ()) -> set[str]:
    """The models that can still win, by the scores of one window: at most `FAR` standard errors behind the best in one
    of the protocols; and those of `always` that were evaluated."""
    names = set(scores.get_column("model").unique()) & set(always)
    for protocol in PROTOCOLS:
        in_protocol = Scores(scores, protocol)
        if in_protocol.names:
            best = _best(in_protocol)
            differences = {name: in_protocol.difference(best, name) for name in in_protocol.names}
            names |= {name for name, (difference, error) in differences.items() if difference <= FAR * error}
    return names


def is_itself(name: str, data: TrainData) -> bool:
    """Whether a model has what it learns from at this cut: without training examples, orders or attributes, it falls
    back to another model, and is not counted as itself."""
    parts = {part: getattr(data, part) for part in MODELS[name].reads}
    if any(part is None or (isinstance(part, pl.DataFrame) and not part.height) for part in parts.values()):
        return False
    if "examples" not in parts:
        return True
    own = parts["examples"] if "candidates" in parts else parts["examples"].filter("own")  # see `Repurchase`
    return own.get_column("label").n_unique() > 1


def report(evidence: pl.DataFrame) -> dict[str, dict[str, Any]]:
    """The evidence for tuning.json: protocol -> model -> windows, mean, standard_error, difference, within."""
    kept = ("windows", "leads", "mean", "standard_error", "difference", "difference_error", "within")
    return {
        protocol: {
            row["model"]: {name: _finite(row[name]) for name in kept}
            for row in evidence.filter(pl.col("protocol") == protocol).sort("model").iter_rows(named=True)
        }
        for protocol in PROTOCOLS
    }


def _finite(value: float) -> float | None:
    """JSON has no infinity: an unknown error is null."""
    return value if np.isfinite(value) else None
