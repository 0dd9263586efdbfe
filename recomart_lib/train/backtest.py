"""Evidence that 07_evaluate reads: the models at every cut, on a random split, and their predicted probabilities.

Tables of scores have one row per evaluated user, protocol and model: see `selection.evaluate_lists`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import polars as pl

from recomart_lib.core.model_names import SIMPLE
from recomart_lib.models.base import ArrayModel
from recomart_lib.prepare import splits
from recomart_lib.prepare.splits import Window
from recomart_lib.train.choice import SCORE
from recomart_lib.train.model_lists import for_each
from recomart_lib.train.selection import Evaluator
from recomart_lib.train.train_data import Tables, from_window

BASELINES = SIMPLE  # cheap to fit, and the strongest of them is what the chosen model is compared with
SPLIT_MODELS = (
    "popularity",
    "ease",
)  # a baseline, and a model from papers that split at random; neither uses timestamps
PREDICTED_PROBABILITIES = {"model": pl.String, "probability": pl.Float64, "label": pl.Int64}


def candidate_models(decisions: Mapping[str, Any], n_best: int = 2) -> dict[str, dict[str, Any]]:
    """The models of the backtest, each with its parameters: the fitted baselines and the candidates for best model.

    These are the simple models (`BASELINES`), the chosen models, and the `n_best` of each protocol in the validation
    window.

    Parameters
    ----------
    decisions
        See `selection.choose`.
    """
    best = {
        name
        for scores in decisions["validation"].values()
        for name in sorted(scores, key=lambda model: (-(scores[model] or 0), model))[:n_best]
    }
    selected = {*BASELINES, *decisions["chosen"].values(), *best}
    return {name: parameters for name, parameters in decisions["parameters"].items() if name in selected}


def windows(split_metadata: Mapping[str, Any], first: datetime, n: int) -> list[Window]:
    """Up to `n` windows, one horizon apart, the oldest first: the last is test, the one before it validation.

    Earlier ones are included only if the data before their cut is at least one horizon long.

    Parameters
    ----------
    split_metadata
        From 04_prepare (reports/metrics/data.json).
    first
        The time of the first event (UTC).
    """
    horizon = timedelta(days=split_metadata["horizon_days"])
    validation, cut, end = (datetime.fromisoformat(split_metadata[name]) for name in ("validation_start", "cut", "end"))
    starts = [cut, *(validation - i * horizon for i in range(n - 1))][:n]
    starts = [start for start in starts if start == cut or first + horizon <= start]
    names = ["test", "validation", *(f"{i} horizons before test" for i in range(2, n))]
    ends = [end, *starts]
    return [Window(name, start, stop) for name, start, stop in zip(names, starts, ends, strict=False)][::-1]


def with_test(
    scores: pl.DataFrame, evaluated: pl.DataFrame, cuts: Iterable[Window], names: Collection[str]
) -> pl.DataFrame:
    """The scores of these models, and of those that led in a window before test, at every cut, the oldest first.

    Nothing is fitted again.

    Parameters
    ----------
    scores
        Of the windows before test: see `window_scores.window_scores`.
    evaluated
        The evaluated test lists (`selection.evaluate_lists`), of the sampled users (`user_sample`).
    cuts
        See `windows`; the last is test.

    Returns
    -------
    DataFrame
        `cut` (the start of the window, UTC), then the columns of `evaluated`. At a cut where a model had nothing to
        learn from, or was too far behind to be fitted, it has no rows.
    """
    starts = sorted(window.start for window in cuts)
    test = evaluated.select(pl.lit(starts[-1]).alias("cut"), pl.all()).cast({"model": pl.String, "protocol": pl.String})
    before = scores.filter(pl.col("cut").is_in(starts[:-1])).select(test.columns)
    kept = {*names, *leaders(before, names)}
    return pl.concat([before, test]).filter(pl.col("model").is_in(kept)).sort("cut", maintain_order=True)


def leaders(scores: pl.DataFrame, names: Collection[str]) -> set[str]:
    """The models that led in a window and protocol in which none of `names` did: without them, leading says little."""
    means = scores.group_by("cut", "protocol", "model").agg(pl.col(SCORE).mean())
    top = means.filter(pl.col(SCORE) > 0, pl.col(SCORE) == pl.col(SCORE).max().over("cut", "protocol"))
    led = top.filter(pl.col("model").is_in(list(names)))
    return set(top.join(led, on=["cut", "protocol"], how="anti").get_column("model"))


def _evaluate(evaluator: Evaluator, parameters: Mapping[str, dict[str, Any]]) -> pl.DataFrame:
    return pl.concat(for_each(parameters, evaluator.data, evaluator, "fitting and evaluating").values())


def random_split(
    events: pl.DataFrame, end: datetime, holdout_sizes: pl.DataFrame, relevant_events: list[str], seed: int
) -> Tables:
    """Tables as of `splits.split`, split as many papers do: the holdout is a random sample, independent of time.

    Parameters
    ----------
    holdout_sizes
        One row per user: user_id, n_relevant. This many of the user's pairs with a relevant event before `end` (all, if
        there are fewer) are the holdout. Everything else before `end` is training data, except other events of the same
        pairs, so that every holdout pair is new to its user.
    """
    history = splits.before(events, end)
    relevant = history.filter(pl.col("event_type").is_in(relevant_events)).select("user_id", "item_id").unique()
    relevant = relevant.join(holdout_sizes.select("user_id", "n_relevant"), on="user_id").sort("user_id", "item_id")
    order = pl.Series("order", np.random.default_rng(seed).permutation(relevant.height))
    place = pl.col("order").rank("ordinal").over("user_id")
    holdout = relevant.with_columns(order).filter(place <= pl.col("n_relevant")).select("user_id", "item_id")
    train = splits.interactions(history.join(holdout, on=["user_id", "item_id"], how="anti"), relevant_events)
    users, items = (splits.encoder(train.get_column(f"{name}_id"), f"{name}_idx") for name in ("user", "item"))
    return {
        "users": users,
        "items": items,
        "interactions": train.join(users, on="user_id").join(items, on="item_id").sort("user_idx", "item_idx"),
        "holdout": holdout.join(users.select("user_id", warm=pl.lit(True)), on="user_id", how="left")
        .join(items.select("item_id", in_catalogue=pl.lit(True)), on="item_id", how="left")
        .with_columns(pl.col("warm", "in_catalogue").fill_null(False), repeat=pl.lit(False))
        .sort("user_id", "item_id"),
    }


def compare_splits(
    evaluated: pl.DataFrame,
    window: Window,
    events: pl.DataFrame,
    relevant_events: list[str],
    parameters: Mapping[str, dict[str, Any]],
    seed: int,
) -> pl.DataFrame:
    """The same models, parameters, users and holdout sizes on a split by time and on a random split, in *novel*.

    Parameters
    ----------
    evaluated
        The evaluated test lists (`selection.evaluate_lists`), of the sampled users (`user_sample`).
    window
        The test window.

    Returns
    -------
    DataFrame
        `split` (time or random), model, and `ranking.per_user`, for those of `SPLIT_MODELS` that have parameters.
        Empty if no user can be evaluated. A user without events outside the holdout is missing from random.
    """
    both = {name: parameters[name] for name in parameters if name in SPLIT_MODELS}
    by_time = evaluated.filter(pl.col("protocol") == "novel", pl.col("model").is_in(list(both)))
    if not by_time.height:
        return by_time.select(pl.lit("").alias("split"), pl.exclude("protocol"))
    tables = random_split(events, window.end, by_time.unique("user_id"), relevant_events, seed)
    by_chance = _evaluate(Evaluator(from_window(tables, window.end), tables), both)
    by_chance = by_chance.filter(pl.col("protocol") == "novel")
    named = {"time": by_time, "random": by_chance}
    return pl.concat([part.select(pl.lit(name).alias("split"), pl.exclude("protocol")) for name, part in named.items()])


def predicted_probabilities(fitted: Mapping[str, ArrayModel], window: Tables) -> pl.DataFrame:
    """The predicted probabilities of models that have them, and the outcome in the window.

    Returns
    -------
    DataFrame
        One row per model and pair with a probability (`ArrayModel.predict_probabilities`): model, probability, label
        (1: the user bought the item in the window). Users who did not return count, with 0. Empty if no model has any.
    """
    bought = window["holdout"].select("user_id", "item_id", label=pl.lit(1, pl.Int64))
    parts = [pl.DataFrame(schema=PREDICTED_PROBABILITIES)]
    for name, model in fitted.items():
        if (probabilities := model.predict_probabilities()) is not None:
            pairs = probabilities.join(window["users"], on="user_idx").join(window["items"], on="item_idx")
            outcome = pairs.join(bought, on=["user_id", "item_id"], how="left").sort("user_id", "item_id")
            parts.append(outcome.select(pl.lit(name).alias("model"), "probability", pl.col("label").fill_null(0)))
    return pl.concat(parts)
