"""The same models at earlier cuts, on a random split, and what they foretold: evidence that 07_evaluate only reads.

Judged tables have one row per judged user, protocol and model: see `training.judged`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import polars as pl
from tqdm.auto import tqdm

from recomart_lib import models
from recomart_lib.core import parallel
from recomart_lib.models.base import ArrayModel
from recomart_lib.prepare import splits
from recomart_lib.prepare.splits import Window
from recomart_lib.train.selection import Judge
from recomart_lib.train.train_data import Tables, data_of

FLOORS = ("popularity", "own_history")
SPLIT_MODELS = ("popularity", "ease")  # a floor, and a model of papers that split at random; neither reads the time
CHANCES = {"model": pl.String, "probability": pl.Float64, "label": pl.Int64}


def contenders(decisions: Mapping[str, Any], n_best: int = 2) -> dict[str, dict[str, Any]]:
    """The models worth a backtest, each with its parameters: the floors that were fitted, and those that may lead.

    These are popularity and own_history, the chosen models, and the `n_best` of each protocol on valid.

    Parameters
    ----------
    decisions
        What `training.choose` returns.
    """
    best = {
        name
        for scores in decisions["validation"].values()
        for name in sorted(scores, key=lambda model: (-(scores[model] or 0), model))[:n_best]
    }
    wanted = {*FLOORS, *decisions["chosen"].values(), *best}
    return {name: hyper for name, hyper in decisions["parameters"].items() if name in wanted}


def windows(facts: Mapping[str, Any], first: datetime, n: int) -> list[Window]:
    """Up to `n` windows, one horizon apart, the oldest first: the last is test, the one before it valid.

    Earlier ones are taken only where the data before their cut is at least one horizon long.

    Parameters
    ----------
    facts
        Of 04_prepare (reports/metrics/data.json).
    first
        The time of the first event (UTC).
    """
    horizon = timedelta(days=facts["horizon_days"])
    valid, cut, end = (datetime.fromisoformat(facts[name]) for name in ("validation_start", "cut", "end"))
    starts = [cut, *(valid - i * horizon for i in range(n - 1))][:n]
    kept = [start for start in starts if start == cut or first + horizon <= start]
    names = ["test", "validation", *(f"{i} horizons before test" for i in range(2, n))]
    ends = [end, *kept]
    return [Window(name, start, until) for name, start, until in zip(names, kept, ends, strict=False)][::-1]


def over_cuts(
    judged: pl.DataFrame,
    cuts: Iterable[Window],
    known: Mapping[str, Judge],
    events: pl.DataFrame,
    relevant_events: list[str],
    parameters: Mapping[str, dict[str, Any]],
) -> pl.DataFrame:
    """Fit and judge models at every cut, with the parameters that were chosen on valid.

    Parameters
    ----------
    judged
        The test lists, judged (`training.judged`): at the test cut nothing is fitted again.
    cuts
        See `windows`.
    known
        Window name -> its judge, features and all, where there is one already.
    parameters
        Model -> hyper-parameters.

    Returns
    -------
    DataFrame
        `cut` (the start of the window, UTC), then the columns of `training.judged`. Models that read features are left
        out at cuts without lessons: nothing was stored for them there, and their fallback is another model.
    """
    parts = []
    for window in tqdm(list(cuts), desc="earlier cuts", disable=None):
        if window.name == "test":
            found = judged.filter(pl.col("model").is_in(list(parameters)))
        else:
            judge = known.get(window.name) or _past(events, window, relevant_events)
            able = {
                name: hyper
                for name, hyper in parameters.items()
                if judge.data.lesson is not None or not models.MODELS[name].reads_features
            }
            found = _together(judge, able)
        parts.append(found.select(pl.lit(window.start).alias("cut"), pl.all()))
    return pl.concat(parts)


def _past(events: pl.DataFrame, window: Window, relevant_events: list[str]) -> Judge:
    tables = splits.split(events, window, relevant_events)
    return Judge(data_of(tables, window.start), tables)


def _together(judge: Judge, parameters: Mapping[str, dict[str, Any]]) -> pl.DataFrame:
    return pl.concat(parallel.each(lambda one: judge(*one), parameters.items(), "fitting and judging", "model"))


def random_split(
    events: pl.DataFrame, end: datetime, asked: pl.DataFrame, relevant_events: list[str], seed: int
) -> Tables:
    """Tables as of `splits.split`, split as many papers do: answers are drawn at random, whatever their time.

    Parameters
    ----------
    asked
        One row per user: user_id, n_relevant. So many of the user's pairs with a relevant event before `end` (all, if
        there are fewer) are the answers. Everything else before `end` is known, but no other event of these pairs, so
        that every answer is new to its user.
    """
    history = splits.before(events, end)
    liked = history.filter(pl.col("event_type").is_in(relevant_events)).select("user_id", "item_id").unique()
    liked = liked.join(asked.select("user_id", "n_relevant"), on="user_id").sort("user_id", "item_id")
    order = pl.Series("order", np.random.default_rng(seed).permutation(liked.height))
    place = pl.col("order").rank("ordinal").over("user_id")
    held = liked.with_columns(order).filter(place <= pl.col("n_relevant")).select("user_id", "item_id")
    known = splits.interactions(history.join(held, on=["user_id", "item_id"], how="anti"), relevant_events)
    users, items = (splits.encoder(known.get_column(f"{name}_id"), f"{name}_idx") for name in ("user", "item"))
    return {
        "users": users,
        "items": items,
        "interactions": known.join(users, on="user_id").join(items, on="item_id").sort("user_idx", "item_idx"),
        "holdout": held.join(users.select("user_id", warm=pl.lit(True)), on="user_id", how="left")
        .join(items.select("item_id", in_catalogue=pl.lit(True)), on="item_id", how="left")
        .with_columns(pl.col("warm", "in_catalogue").fill_null(False), repeat=pl.lit(False))
        .sort("user_id", "item_id"),
    }


def time_and_random(
    judged: pl.DataFrame,
    window: Window,
    events: pl.DataFrame,
    relevant_events: list[str],
    parameters: Mapping[str, dict[str, Any]],
    seed: int,
) -> pl.DataFrame:
    """The same models, parameters, users and numbers of answers on a split in time and on a random one: *novel*.

    Parameters
    ----------
    judged
        The test lists, judged (`training.judged`).
    window
        The test window.

    Returns
    -------
    DataFrame
        `split` (time or random), model, and `metrics.per_user`, for those of `SPLIT_MODELS` that have parameters.
        Empty where nobody can be judged. A user whose known events all belong to answers is missing from random.
    """
    fair = {name: hyper for name, hyper in parameters.items() if name in SPLIT_MODELS}
    in_time = judged.filter(pl.col("protocol") == "novel", pl.col("model").is_in(list(fair)))
    if not in_time.height:
        return in_time.select(pl.lit("").alias("split"), pl.exclude("protocol"))
    tables = random_split(events, window.end, in_time.unique("user_id"), relevant_events, seed)
    at_random = _together(Judge(data_of(tables, window.end), tables), fair)
    at_random = at_random.filter(pl.col("protocol") == "novel")
    named = {"time": in_time, "random": at_random}
    return pl.concat([part.select(pl.lit(name).alias("split"), pl.exclude("protocol")) for name, part in named.items()])


def chances(fitted: Mapping[str, ArrayModel], window: Tables) -> pl.DataFrame:
    """What models that estimate probabilities foretold of known pairs, and what the window brought.

    Returns
    -------
    DataFrame
        One row per model and pair of which it tells a probability (`ArrayModel.chance`): model, probability, label (1:
        the user took the item in the window). Users who did not come back count, with 0. Empty: no model tells any.
    """
    taken = window["holdout"].select("user_id", "item_id", label=pl.lit(1, pl.Int64))
    parts = [pl.DataFrame(schema=CHANCES)]
    for name, model in fitted.items():
        if (told := model.chance()) is not None:
            named = told.join(window["users"], on="user_idx").join(window["items"], on="item_idx")
            known = named.join(taken, on=["user_id", "item_id"], how="left").sort("user_id", "item_id")
            parts.append(known.select(pl.lit(name).alias("model"), "probability", pl.col("label").fill_null(0)))
    return pl.concat(parts)
