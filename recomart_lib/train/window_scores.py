"""The models, evaluated in the validation window and in windows before it: what `choice` chooses by."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import polars as pl
from tqdm.auto import tqdm

from recomart_lib.models import MODELS
from recomart_lib.prepare import splits
from recomart_lib.prepare.splits import Window
from recomart_lib.train import choice, user_sample
from recomart_lib.train.model_lists import for_each
from recomart_lib.train.selection import Evaluator
from recomart_lib.train.train_data import build_train_data, simple_train_data

Parameters = Mapping[str, dict[str, Any]]


@dataclass(frozen=True)
class Past:
    """What training data of earlier cuts are built from.

    Parameters
    ----------
    events, split_metadata, service, examples
        See `train_data.build_train_data`; examples of all past cuts: each cut uses those whose outcome it knew.
    users, items
        The histories of attributes (see `prepare.versions`); None: models do not get any.
    seed
        Of the sample of users.
    """

    events: pl.DataFrame
    split_metadata: dict[str, Any]
    service: str
    examples: pl.DataFrame | None
    users: pl.DataFrame | None
    items: pl.DataFrame | None
    seed: int

    def evaluator(self, window: Window, with_features: bool) -> Evaluator:
        """Fits and evaluates at the start of a window, in a large shop for a sample of its users.

        `with_features`: also with features, candidates and examples, if the feature store has features of that cut.
        """
        relevant_events = self.split_metadata["relevant_events"]
        tables = splits.split(self.events, window, relevant_events)
        sample = user_sample.sample_window(tables, window.start, self.seed)
        name = self._training_cut(window.start) if with_features else None
        if name is None:
            data = simple_train_data(tables, window.start, self.events, relevant_events, self.users, self.items)
            return Evaluator(data, sample)
        evaluated = tables["users"].filter(pl.col("user_id").is_in(user_sample.evaluable(sample).implode()))
        only = evaluated.get_column("user_idx").sort().to_numpy()
        optional = (self.examples, self.users, self.items, only)
        return Evaluator(
            build_train_data(tables, name, self.events, self.split_metadata, self.service, *optional), sample
        )

    def _training_cut(self, moment: datetime) -> str | None:
        """The name of the training cut at this moment; None: features are not stored as of it."""
        return next((name for name, cut in splits.cuts(self.split_metadata).items() if cut == moment), None)


def window_scores(
    validation: Evaluator, parameters: Parameters, cuts: Iterable[Window], past: Past, always: Iterable[str]
) -> pl.DataFrame:
    """Evaluate the models in the validation window and in those of `cuts` before it.

    In the validation window nothing is fitted again. At earlier cuts, only models are fitted that can still win there
    (`choice.candidate_models`). A model that falls back on another at a cut is left out there (`choice.is_itself`).

    Parameters
    ----------
    validation
        The evaluator of the search.
    parameters
        Model -> the parameters that the search chose.
    cuts
        See `backtest.windows`; the test window among them is not touched.
    always
        Models that are evaluated at every cut.

    Returns
    -------
    DataFrame
        `cut` (the start of the window, UTC), then the columns of `selection.evaluate_lists`.
    """
    first = _evaluated(validation, parameters, validation.data.cut)
    kept = choice.candidate_models(first, always)
    left = {name: parameters[name] for name in parameters if name in kept}
    with_features = any(MODELS[name].reads_features for name in left)
    earlier = [window for window in cuts if window.start < validation.data.cut]
    parts = [first]
    for window in tqdm(earlier, desc="earlier cuts", disable=None):
        evaluator = past.evaluator(window, with_features)
        parts.append(_evaluated(evaluator, left, window.start))
        if evaluator.data.candidates is not None:
            evaluator.data.candidates.release()  # memory
    return pl.concat(parts)


def _evaluated(evaluator: Evaluator, parameters: Parameters, cut: datetime) -> pl.DataFrame:
    possible = {name: chosen for name, chosen in parameters.items() if choice.is_itself(name, evaluator.data)}
    tables = for_each(possible, evaluator.data, evaluator, "fitting and evaluating")
    return pl.concat(tables.values()).select(pl.lit(cut).alias("cut"), pl.all())
