"""Training data at the end of all events: what the model of the recommendations learns from."""

from __future__ import annotations

import logging
from typing import Any

import polars as pl

from recomart_lib import models
from recomart_lib.core import parallel
from recomart_lib.models.base import TrainData
from recomart_lib.train import train_data, training_examples

log = logging.getLogger(__name__)


def build(
    chosen: str,
    live: train_data.Tables,
    events: pl.DataFrame,
    split_metadata: dict[str, Any],
    tuning: dict[str, Any],
    past: pl.DataFrame,
    histories: list[pl.DataFrame],
) -> TrainData:
    """All training data at the live cut.

    A ranker also learns from examples at the cut of test, whose outcome is known now. They need candidate sources of
    their own, which are fitted while those at the live cut are.

    Parameters
    ----------
    chosen
        The name of the model.
    live
        The tables of the live window.
    split_metadata, tuning
        From 04_prepare and 06_train (reports/metrics/data.json, tuning.json).
    past
        The training examples of 06_train.
    histories
        Of users and of items: see `train_data.build_train_data`.
    """
    service, n_users, seed = (tuning[name] for name in ("feature_service", "n_training_users", "seed"))

    def at_live() -> TrainData:
        data = train_data.build_train_data(live, "live", events, split_metadata, service, None, *histories)
        if "candidates" in model.reads:
            log.info("live: candidates from %s", ", ".join(data.candidates.sources))  # which fits them
        return data

    def at_test() -> pl.DataFrame:
        names = ["test"] if model.reads_features else []
        return training_examples.build_training_examples(names, events, split_metadata, service, n_users, seed)

    model = models.MODELS[chosen]
    data, newest = parallel.together(at_live, at_test)
    return data.with_examples(training_examples.concat(past, newest))
